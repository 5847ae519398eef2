import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gancomponents.data.labels import (
    CITYSCAPES_COLOURS,
    COLOURS,
    FLOOD_COLOURS,
    FLOOD_LABELS,
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
    for table in (*COLOURS.values(), KITTI_COLOURS, FLOOD_COLOURS, CITYSCAPES_COLOURS):
        assert table.dtype == np.uint8
        assert len(np.unique(table, axis=0)) == len(table)
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1
    assert len(KITTI_COLOURS) == len(KITTI_TO_COMMON) == 15
    assert KITTI_TO_COMMON.max() < 11
    assert (FLOOD_LABELS, FLOOD_COLOURS.shape) == (("cannot", "must", "may"), (3, 3))
    assert CITYSCAPES_COLOURS.shape == (19, 3)
    assert CITYSCAPES_COLOURS[16].tolist() == [0, 80, 100]
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


TABLES = {**COLOURS, "kitti": KITTI_COLOURS, "flood": FLOOD_COLOURS, "cityscapes": CITYSCAPES_COLOURS}


@settings(deadline=None)
@given(st.sampled_from(sorted(TABLES)), st.data())
def test_exact_and_nearest_agree_on_every_table(name, data):
    table = TABLES[name]
    ids = np.array(data.draw(st.lists(st.integers(0, len(table) - 1))), int)
    rgb = decode_labels(ids, table)
    assert np.array_equal(encode_colours(rgb, table, nearest=False), ids)
    assert np.array_equal(encode_colours(rgb, table), ids)


@settings(deadline=None)
@given(st.sampled_from(sorted(TABLES)), st.data())
def test_a_little_noise_changes_no_label(name, data):
    table = TABLES[name].astype(int)
    apart = ((table[:, None] - table) ** 2).sum(-1)
    room = int(np.sqrt(apart[apart > 0].min()) / 2 / np.sqrt(3) - 1e-6)  # of each channel
    ids = np.arange(len(table))
    noise = data.draw(st.lists(st.integers(-room, room), min_size=3 * len(ids), max_size=3 * len(ids)))
    rgb = (table + np.array(noise, int).reshape(-1, 3)).clip(0, 255).astype(np.uint8)
    assert np.array_equal(encode_colours(rgb, TABLES[name]), ids)


@pytest.mark.known_bug(46)
def test_no_colour_leaves_the_eleven_classes():
    rgb = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for options in ({}, {"nearest": False, "unknown": 14}):
        common = KITTI_TO_COMMON[encode_colours(rgb, KITTI_COLOURS, **options)]
        assert common.max() < len(LABELS)
    assert set(common.ravel().tolist()) == {10}  # "undefined" is the class "default"


def test_unknown_colours_take_the_id_of_your_choice():
    rgb = np.array([[1, 2, 3], [140, 140, 140]], np.uint8)
    assert encode_colours(rgb, KITTI_COLOURS, nearest=False, unknown=14).tolist() == [14, 4]


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
    for options in ({"unknown": 3}, {"unknown": 11, "nearest": False}, {"unknown": -1, "nearest": False}):
        with pytest.raises(ValueError, match=r"unknown must be an id in 0\.\.10, with nearest=False"):
            encode_colours(np.zeros((2, 3), np.uint8), COLOURS["s"], **options)
    with pytest.raises(ValueError, match=r"ids must be in 0\.\.2"):
        decode_labels(np.array([3]), FLOOD_COLOURS)
    with pytest.raises(ValueError, match="colours must be one of"):
        decode_labels(np.zeros(2, int), "x")
    for ids in ([11], [-1]):
        with pytest.raises(ValueError, match=r"ids must be in 0\.\.10"):
            decode_labels(np.array(ids))
    assert decode_labels(np.zeros((0, 4), int)).shape == (0, 4, 3)
    assert encode_colours(np.zeros((0, 3), np.uint8), COLOURS["s"]).shape == (0,)
