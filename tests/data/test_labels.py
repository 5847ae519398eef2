import numpy as np
import pytest

from gancomponents.data.labels import (
    COLOURS,
    KITTI_COLOURS,
    KITTI_TO_COMMON,
    LABELS,
    decode_labels,
    encode_colours,
)
from gancomponents.errors import InputError


def test_tables():
    assert len(LABELS) == 11
    assert LABELS[0] == "water"
    assert LABELS[9:] == ("sky", "default")
    for table in (*COLOURS.values(), KITTI_COLOURS):
        assert table.dtype == np.uint8
        assert len(np.unique(table, axis=0)) == len(table)
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1
    assert len(KITTI_COLOURS) == len(KITTI_TO_COMMON) == 15
    assert KITTI_TO_COMMON.max() < 11
    # The two domains differ in person, sky and default only.
    assert np.flatnonzero((COLOURS["s"] != COLOURS["r"]).any(1)).tolist() == [8, 9, 10]
    assert LABELS[KITTI_TO_COMMON[encode_colours(np.array([90, 200, 255], np.uint8), KITTI_COLOURS)]] == "sky"


@pytest.mark.parametrize("domain", ["s", "r"])
def test_round_trip(domain):
    ids = np.random.default_rng(0).integers(0, 11, (17, 23))
    rgb = decode_labels(ids, domain)
    assert rgb.dtype == np.uint8
    for nearest in (True, False):
        assert np.array_equal(encode_colours(rgb, COLOURS[domain], nearest), ids)
    assert np.array_equal(encode_colours(rgb[::2, ::-1], COLOURS[domain]), ids[::2, ::-1])  # strided views


def test_nearest_is_brute_force_euclid():
    rgb = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for table in (COLOURS["s"], COLOURS["r"], KITTI_COLOURS):
        distance = ((rgb[..., None, :].astype(int) - table.astype(int)) ** 2).sum(-1)
        assert np.array_equal(encode_colours(rgb, table), distance.argmin(-1))


def test_ties_and_duplicates_take_the_lower_id():
    table = np.array([[0, 0, 0], [10, 0, 0], [10, 0, 0]], np.uint8)
    assert encode_colours(np.array([[5, 0, 0], [10, 0, 0]], np.uint8), table).tolist() == [0, 1]


def test_unknown_colour_is_named():
    with pytest.raises(InputError, match=r"1 other pixels, such as RGB \(1, 2, 3\)"):
        encode_colours(np.array([[[1, 2, 3], [0, 0, 255]]], np.uint8), COLOURS["s"], nearest=False)


def test_bad_arguments():
    with pytest.raises(ValueError, match="rgb must be uint8"):
        encode_colours(np.zeros((2, 2, 3)), COLOURS["s"])
    with pytest.raises(ValueError, match="rgb must be uint8"):
        encode_colours(np.zeros((2, 2, 4), np.uint8), COLOURS["s"])
    with pytest.raises(ValueError, match="table must be"):
        encode_colours(np.zeros((2, 3), np.uint8), np.zeros((0, 3), np.uint8))
    with pytest.raises(ValueError, match="domain must be"):
        decode_labels(np.zeros(2, int), "x")
    for ids in ([11], [-1]):
        with pytest.raises(ValueError, match=r"ids must be in 0\.\.10"):
            decode_labels(np.array(ids))
    assert decode_labels(np.zeros((0, 4), int)).shape == (0, 4, 3)
    assert encode_colours(np.zeros((0, 3), np.uint8), COLOURS["s"]).shape == (0,)
