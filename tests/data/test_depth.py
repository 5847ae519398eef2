import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gancomponents.data.depth import (
    MAX_SIMULATOR_DEPTH,
    SIMULATOR_RESOLUTION,
    DepthTarget,
    decode_kitti_depth,
    decode_simulator_depth,
    encode_simulator_depth,
    inverse_depth,
    log_depth,
    log_to_inverse_depth,
    min_max,
)


@settings(deadline=None)
@given(st.floats(0, 2000), st.floats(0, 2000))
def test_the_code_keeps_order_and_half_a_step(first, second):
    metres = np.array([first, second])
    decoded = decode_simulator_depth(encode_simulator_depth(metres))
    assert (decoded[0] <= decoded[1]) == (first <= second) or decoded[0] == decoded[1]
    clamped = metres.clip(0, MAX_SIMULATOR_DEPTH)
    # Half a step of the code, and the rounding of float32 at a kilometre.
    assert np.abs(decoded - clamped).max() <= SIMULATOR_RESOLUTION / 2 + 6e-5


def test_every_level_survives():
    code = np.arange(256 * 31 * 31)
    metres = code * SIMULATOR_RESOLUTION
    rgb = encode_simulator_depth(metres)
    assert len(np.unique(rgb, axis=0)) == len(code)
    decoded = decode_simulator_depth(rgb)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, metres, rtol=1e-6)
    assert np.array_equal(encode_simulator_depth(decoded), rgb)


def test_decoding_follows_the_formula():
    rgb = np.random.default_rng(0).integers(0, 248, (500, 3)).astype(np.uint8)
    r, g, b = rgb.astype(float).T
    expected = (np.trunc((247 - r) / 8) * 256 * 31 + np.trunc((247 - g) / 8) * 256 + 255 - b) / (
        256 * 31 * 31 - 1
    )
    np.testing.assert_allclose(decode_simulator_depth(rgb), expected * 1000, rtol=1e-6)


def test_simulator_depth_is_clamped():
    far = np.array([-5.0, 0.0, MAX_SIMULATOR_DEPTH, 5e8, np.inf])
    assert decode_simulator_depth(encode_simulator_depth(far)).tolist() == [0, 0, 1000, 1000, 1000]
    assert decode_simulator_depth(np.array([255, 255, 255], np.uint8)) == 0  # R' = -1 by the formula
    half = SIMULATOR_RESOLUTION / 2
    metres = np.linspace(0, 1000, 9999).astype(np.float32)
    assert np.abs(decode_simulator_depth(encode_simulator_depth(metres)) - metres).max() <= half * 1.02


def test_kitti_depth():
    assert decode_kitti_depth(np.array([0, 1, 65535], np.uint16)).tolist() == pytest.approx([0, 0.01, 655.35])
    with pytest.raises(ValueError, match="centimetres must be uint16"):
        decode_kitti_depth(np.zeros((2, 2), np.uint8))
    assert decode_kitti_depth(np.array([12.5])).tolist() == [0.125]


def test_inverse_depth_is_finite_and_falls():
    metres = np.array([0.0, 0.05, 0.1, 1, 8, 1000, np.inf])
    inverse = inverse_depth(metres)
    assert inverse.dtype == np.float32
    np.testing.assert_allclose(inverse, [10, 10, 10, 1, 0.125, 0.001, 0], rtol=1e-6)
    np.testing.assert_allclose(inverse_depth(metres[1:3], nearest=SIMULATOR_RESOLUTION), [20, 10], rtol=1e-6)
    with pytest.raises(ValueError, match="nearest must be above 0"):
        inverse_depth(metres, nearest=0)


def test_logarithm_and_back():
    metres = np.array([0.0, 0.1, 1, 8, 1000], np.float32)
    logs = log_depth(metres)
    assert logs.dtype == np.float32
    np.testing.assert_allclose(logs, np.log([0.1, 0.1, 1, 8, 1000]), rtol=1e-6)
    np.testing.assert_allclose(log_depth(metres[:1], nearest=0.5), np.log([0.5]), rtol=1e-6)
    inverse = inverse_depth(metres)
    np.testing.assert_allclose(log_to_inverse_depth(logs), inverse / inverse.max(), rtol=1e-5)
    assert log_to_inverse_depth(np.array([2000.0, 2001.0])).tolist() == [1.0, np.exp(-1.0)]  # exp overflows
    with pytest.raises(ValueError, match="nearest must be above 0"):
        log_depth(metres, nearest=0)


@pytest.mark.known_bug(59)
def test_min_max():
    values = np.random.default_rng(0).normal(size=(5, 6))
    stretched = min_max(values)
    assert (stretched.min(), stretched.max()) == (0, 1)
    np.testing.assert_allclose(min_max(values * 3 - 7), stretched, atol=1e-6)
    assert min_max(np.full((2, 2), 4)).tolist() == [[0, 0], [0, 0]]  # a constant map is not 0/0
    assert min_max(np.array([0, 200, 255], np.uint8))[2] == 1


def test_bad_arrays():
    with pytest.raises(ValueError, match="NaN"):
        encode_simulator_depth(np.array([np.nan]))
    with pytest.raises(ValueError, match="rgb must be uint8"):
        decode_simulator_depth(np.zeros((2, 2), np.uint8))


STORED = {
    "s": encode_simulator_depth(np.array([[0.0, 2.0], [40.0, np.inf]])),
    "kitti": np.array([[0, 200], [4000, 65535]], np.uint16),
}


@pytest.mark.parametrize("stretch", [None, False, True])
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("domain", ["s", "kitti"])
def test_metric_domains(domain, log, stretch):
    target = DepthTarget(domain, log=log, stretch=stretch, nearest=0.5)(STORED[domain])
    metres = np.array([[0.5, 2.0], [40.0, {"s": 1000.0, "kitti": 655.35}[domain]]])
    expected = np.log(metres) if log else 1 / metres
    if stretch:
        expected = (expected - expected.min()) / (expected.max() - expected.min())
    assert target.dtype == np.float32
    np.testing.assert_allclose(target, expected, atol=0.003)


@pytest.mark.known_bug(45)
@pytest.mark.parametrize("log", [False, True])
def test_zero_depth_is_finite_and_logarithms_stretch(log):
    for domain, stored in STORED.items():
        target = DepthTarget(domain, log=log, stretch=True)(stored)
        assert np.isfinite(target).all()
        assert (target.min(), target.max()) == (0, 1)


@pytest.mark.parametrize("domain", ["r", "rf"])
def test_relative_domains_are_stretched(domain):
    stored = np.array([[3, 5], [7, 4]], np.uint8)
    expected = [[0, 0.5], [1, 0.25]]
    assert DepthTarget(domain)(stored).tolist() == expected
    assert DepthTarget(domain, stretch=True)(np.repeat(stored[..., None], 3, -1)).tolist() == expected


def test_metres_are_taken_as_they_are():
    assert DepthTarget("s")(np.array([[4.0, np.inf]])).tolist() == [[0.25, 0]]
    with pytest.raises(ValueError, match="expected metres >= 0, got -1"):
        DepthTarget("s")(np.array([[-1.0]]))
    with pytest.raises(ValueError, match=r"RGB depth or metres in floating point, got uint16 \(1, 1\)"):
        DepthTarget("s")(np.zeros((1, 1), np.uint16))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"domain": "q"}, "domain must be one of"),
        ({"domain": "r", "log": True}, "log must be False in domain r"),
        ({"domain": "rf", "stretch": False}, "stretch must be True or None in domain rf"),
        ({"domain": "s", "nearest": 0}, "nearest must be above 0"),
    ],
)
def test_bad_targets(arguments, message):
    with pytest.raises(ValueError, match=message):
        DepthTarget(**arguments)
