"""The benchmark of loading: the plain form loads what ours does, and the guide shows what was measured."""

import doctest
import json
from pathlib import Path

import pytest
import torch

from benchmarks import loader, plain_loader
from benchmarks.loader import measure, table
from benchmarks.loader_files import SOURCES, write_files
from gancomponents.data import Compose, DepthTarget, DomainDataset, JointTransform, RandomHorizontalFlip

_RESULT = Path("benchmarks/results/loader_cpu.json")
_SIZES = {"r": (90, 120), "rf": (108, 192), "s": (90, 120), "kitti": (60, 150)}


def test_examples() -> None:
    assert doctest.testmod(loader).failed == 0


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_files(tmp_path_factory.mktemp("files"), 2, _SIZES)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("domain", SOURCES)
def test_plain_and_ours_are_equal(domain: str, flip: bool, lists: dict[str, Path]) -> None:
    """Maps are equal, depth up to rounding; of images ours makes whole levels after each of two resizings."""
    joint = JointTransform(64, train=False, align_corners=True)
    transform = Compose([RandomHorizontalFlip(float(flip)), joint])
    tasks = list(SOURCES[domain][2])
    depth = DepthTarget(domain, nearest=1e-3)  # plain does not bound it
    data = DomainDataset(lists[domain], domain, tasks=tasks, transform=transform, stretch=True, depth=depth)
    for index in range(2):
        ours = data.sample(index)
        row = {task: data.rows[index][task] for task in data.tasks}
        plain = plain_loader.sample(row, domain, size=64, crop=60, small=16, flip=flip)
        assert ours.keys() == plain.keys()
        level = 2 / 255
        torch.testing.assert_close(ours["x"], plain["x"], atol=1.3 * level, rtol=0)
        assert (ours["x"] - plain["x"]).abs().mean() < 0.5 * level
        for task in tasks:
            if task == "d":
                torch.testing.assert_close(ours[task], plain[task], rtol=1e-5, atol=0)
            else:
                assert torch.equal(ours[task], plain[task])


def test_the_default_differs_from_plain_by_antialiasing_alone(lists: dict[str, Path]) -> None:
    """Ours averages the pixels that a smaller one covers; plain skips between them."""
    data = DomainDataset(
        lists["rf"], "rf", tasks=["m"], transform=JointTransform(64, train=False), stretch=True
    )
    ours, row = data.sample(0), data.rows[0]
    plain = plain_loader.sample({"x": row["x"], "m": row["m"]}, "rf", size=64, crop=60, small=16)
    assert torch.equal(ours["m"], plain["m"])
    assert 0 < (ours["x"] - plain["x"]).abs().mean() < 0.1


def test_a_result_has_every_stage() -> None:
    result = measure(32, 1, sizes=_SIZES)
    assert list(result["domains"]) == list(SOURCES)
    for name, domain in result["domains"].items():
        assert domain["cache_bytes"] > 32 * 32 * 3
        for variant, found in domain["variants"].items():
            maps = {"s": "labels", "d": "depth", "m": "mask"}
            reading = {"image", *(maps[task] for task in SOURCES[name][2])}
            assert set(found["milliseconds"]) >= {
                *({"entry"} if variant == "cached" else reading),
                "transform",
            }
            assert found["samples_per_second"]["min"] > 0
    assert table(result).count("\n") == 1 + 4 * 3 + 3


def test_the_guide_shows_what_was_measured() -> None:
    assert table(json.loads(_RESULT.read_text())) in Path("docs/throughput.md").read_text()
