"""Frames of the Town: exact depth, labels and masks; the flood that covers what its mask says and nothing else."""

import subprocess
import sys
from functools import lru_cache

import numpy as np
import pytest

from gancomponents.data import LABELS
from gancomponents.data.town import Frame, render_frame
from gancomponents.data.town.noise import Dice
from gancomponents.data.town.plan import LEVELS, Plan, draw_plan
from gancomponents.data.town.render import FAR

SIZE = 64
SEEDS = range(40, 52)


@lru_cache(maxsize=64)
def frame(seed: int, look: str = "s", flooded: bool = False) -> Frame:
    return render_frame(seed, size=SIZE, look=look, flooded=flooded)


def _plan(seed: int) -> Plan:
    return draw_plan(Dice(seed))


@pytest.mark.parametrize("look", ["s", "r"])
def test_shapes_and_types(look: str) -> None:
    made = render_frame(1, size=(40, 56), look=look)
    assert made.image.shape == (40, 56, 3)
    assert made.image.dtype == made.labels.dtype == np.uint8
    assert made.depth.dtype == made.height.dtype == np.float32
    assert made.mask.dtype == np.bool_
    assert made.depth.shape == made.labels.shape == made.mask.shape == made.height.shape == (40, 56)


@pytest.mark.parametrize("flooded", [False, True])
@pytest.mark.parametrize("look", ["s", "r"])
def test_the_same_seed_gives_the_same_frame(look: str, flooded: bool) -> None:
    first = render_frame(7, size=48, look=look, flooded=flooded)
    render_frame(8, size=48, look=look)  # another street in between
    second = render_frame(7, size=48, look=look, flooded=flooded)
    for name in ("image", "depth", "labels", "mask", "height"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_all_classes_occur() -> None:
    seen = {int(label) for seed in SEEDS for label in np.unique(frame(seed).labels)}
    assert seen == set(range(len(LABELS)))


def test_the_sky_is_far_and_the_rest_is_not_nearer_than_the_lens() -> None:
    for seed in SEEDS:
        made = frame(seed)
        sky = made.labels == LABELS.index("sky")
        assert (made.depth[sky] == FAR).all()
        assert np.isinf(made.height[sky]).all()
        assert made.depth.min() > 0.14
        assert np.isfinite(made.height[~sky]).all()


def test_depth_of_the_road_is_what_trigonometry_says() -> None:
    checked = 0
    for seed in SEEDS:
        made, pose = frame(seed), _plan(seed).pose
        flat = (made.labels == LABELS.index("ground")) & (np.abs(made.height) < 1e-3) & (made.depth < 60)
        rows, columns = np.nonzero(flat)
        pixel = 2 * np.tan(pose.fov / 2) / SIZE
        up = (SIZE / 2 - rows - 0.5) * pixel
        # Height above the road at depth t: y + t (sin pitch + up cos pitch) = 0.
        expected = -pose.y / (np.sin(pose.pitch) + up * np.cos(pose.pitch))
        np.testing.assert_allclose(made.depth[rows, columns], expected, rtol=2e-3)
        checked += len(rows)
    assert checked > 1000


def test_the_mask_is_what_lies_below_the_level() -> None:
    for seed in SEEDS:
        made = frame(seed)
        assert LEVELS[0] <= made.level <= LEVELS[1]
        clear = np.abs(made.height - made.level) > 1e-3
        np.testing.assert_array_equal(made.mask[clear], (made.height < made.level)[clear])
        assert not made.mask[made.labels == LABELS.index("sky")].any()


def test_the_mask_takes_a_fair_share_of_the_picture() -> None:
    shares = [frame(seed).mask.mean() for seed in SEEDS]
    assert all(0.1 < share < 0.65 for share in shares)


def test_the_mask_is_more_than_the_lower_part_of_the_picture() -> None:
    """Things that rise from the water, and land above it, are left out."""
    rows = np.concatenate([frame(seed).mask.mean(axis=1) for seed in SEEDS])
    assert ((rows > 0.05) & (rows < 0.95)).mean() > 0.2


@pytest.mark.parametrize("look", ["s", "r"])
def test_the_flood_covers_its_mask_and_nothing_else(look: str) -> None:
    changes = []
    for seed in SEEDS:
        dry, wet = frame(seed, look), frame(seed, look, flooded=True)
        np.testing.assert_array_equal(dry.mask, wet.mask)
        np.testing.assert_array_equal(dry.image[~dry.mask], wet.image[~dry.mask])
        np.testing.assert_array_equal(dry.depth[~dry.mask], wet.depth[~dry.mask])
        assert (wet.labels[wet.mask] == LABELS.index("water")).all()
        changes.append(np.abs(dry.image[dry.mask].astype(int) - wet.image[dry.mask]).mean())
    assert min(changes) > 4
    assert np.mean(changes) > 15


def test_the_water_lies_in_front_of_what_it_covers() -> None:
    for seed in SEEDS:
        dry, wet = frame(seed), frame(seed, flooded=True)
        assert (wet.depth[wet.mask] <= dry.depth[dry.mask] + 1e-3).all()
        pose = _plan(seed).pose
        rows, columns = np.nonzero(wet.mask & (wet.depth < 80))
        up = (SIZE / 2 - rows - 0.5) * 2 * np.tan(pose.fov / 2) / SIZE
        expected = (wet.level - pose.y) / (np.sin(pose.pitch) + up * np.cos(pose.pitch))
        np.testing.assert_allclose(wet.depth[rows, columns], expected, rtol=1e-3)


def test_a_higher_flood_covers_more() -> None:
    low, high = (render_frame(9, size=SIZE, water_level=level) for level in (0.2, 1.1))
    assert low.level == 0.2
    assert high.mask[low.mask].all()
    assert high.mask.sum() > low.mask.sum()


def test_the_water_mirrors_the_sky() -> None:
    """Under a bright sky, far water is closer to the sky's colour than the road was."""
    closer = 0
    for seed in SEEDS:
        dry, wet = frame(seed), frame(seed, flooded=True)
        sky = dry.image[dry.labels == LABELS.index("sky")].mean(axis=0)
        road = dry.image[dry.mask].mean(axis=0)
        water = wet.image[wet.mask].mean(axis=0)
        closer += (
            abs(road[2] - road[0] - (sky[2] - sky[0])) >= abs(water[2] - water[0] - (sky[2] - sky[0])) - 25
        )
    assert closer >= len(SEEDS) - 2


def test_the_looks_differ_and_streets_differ() -> None:
    assert np.abs(frame(41).image.astype(int) - frame(41, "r").image).mean() > 5
    np.testing.assert_array_equal(frame(41).mask, frame(41, "r").mask)
    assert np.abs(frame(41).image.astype(int) - frame(42).image).mean() > 10


def test_labels_do_not_depend_on_the_resolution() -> None:
    small, large = render_frame(44, size=32), render_frame(44, size=96)
    # Centre of every small pixel is the centre of every third large one.
    assert (small.labels == large.labels[1::3, 1::3]).mean() > 0.995
    np.testing.assert_array_equal(small.mask, large.mask[1::3, 1::3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"look": "q"}, "look must be one of"),
        ({"size": 8}, "size must be at least 16"),
        ({"water_level": 3.0}, "water_level must be in"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render_frame(0, **arguments)  # type: ignore[arg-type]


def test_rendering_needs_no_torch() -> None:
    code = "import sys, gancomponents.data.town; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
