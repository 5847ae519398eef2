"""Painted floods as a set: FID and KID where a network can be had, a message where not."""

import logging

import torch

from gancomponents.metrics import ImageFeatures
from gancomponents.training import Runtime
from recipes.climategan import PaintedDistances

RUNTIME = Runtime("cpu", "fp32")


def _colours() -> ImageFeatures:
    return ImageFeatures(lambda x: x.float().mean((2, 3)) / 255, backbone="mean colour", resizer="none")


def _frames(count: int = 12):
    """Dry pictures with masks, and the floods."""
    dry = (torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1).split(4)
    return [(x, torch.ones(len(x), 1, 8, 8)) for x in dry], [x * 0.5 for x in dry]


def test_a_painter_that_paints_the_truth_is_close_and_another_is_not() -> None:
    true = PaintedDistances(_colours)(lambda x, m: x * 0.5, *_frames(), RUNTIME)
    wrong = PaintedDistances(_colours)(lambda x, m: torch.full_like(x, 0.9), *_frames(), RUNTIME)
    assert set(true) == {"fid", "kid"}
    assert abs(true["fid"]) < 1e-6
    assert wrong["fid"] > 0.1 > true["fid"]
    assert wrong["kid"] > true["kid"]


def test_the_painter_is_given_masks() -> None:
    seen = []

    def paint(x: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        seen.append(m)
        return x

    PaintedDistances(_colours)(paint, *_frames(), RUNTIME)
    assert all(m.shape[1] == 1 and bool((m == 1).all()) for m in seen)


def test_without_weights_a_message_says_so_once(caplog) -> None:
    attempts = []

    def unreachable() -> ImageFeatures:
        attempts.append(1)
        raise RuntimeError("the weights of Inception could not be downloaded")

    distances = PaintedDistances(unreachable)
    with caplog.at_level(logging.WARNING, "gancomponents"):
        assert distances(lambda x, m: x, *_frames(), RUNTIME) == {}
        assert distances(lambda x, m: x, *_frames(), RUNTIME) == {}
    assert len(attempts) == 1
    assert (
        caplog.text.count("FID and KID are left out: the weights of Inception could not be downloaded") == 1
    )
