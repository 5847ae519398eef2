import numpy as np
import pytest

from gancomponents.data.depth import (
    MAX_SIMULATOR_DEPTH,
    SIMULATOR_RESOLUTION,
    decode_kitti_depth,
    decode_simulator_depth,
    encode_simulator_depth,
    inverse_depth,
    min_max,
)


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


def test_inverse_depth_is_finite_and_falls():
    metres = np.array([0.0, 0.05, 0.1, 1, 8, 1000, np.inf])
    inverse = inverse_depth(metres)
    assert inverse.dtype == np.float32
    np.testing.assert_allclose(inverse, [10, 10, 10, 1, 0.125, 0.001, 0], rtol=1e-6)
    np.testing.assert_allclose(inverse_depth(metres[1:3], nearest=SIMULATOR_RESOLUTION), [20, 10], rtol=1e-6)
    with pytest.raises(ValueError, match="nearest must be above 0"):
        inverse_depth(metres, nearest=0)


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
