"""The loss table that the mission asks for, built from public names: every entry runs and has a gradient."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancomponents import losses

DOMAINS = ("rf", "rn", "sf", "sn")

TABLES: dict[str, dict[str, Any]] = {
    "first choice": {
        "G": {
            "gan": {"a": losses.LeastSquaresGANLoss(), "t": losses.HingeLoss()},
            "cycle": {"a": losses.CycleLoss(), "t": losses.CycleLoss(norm=2)},
            "auto": {"a": losses.AutoEncodingLoss(norm=2), "t": losses.AutoEncodingLoss()},
            "tasks": {
                "d": losses.SIGMLoss(),
                "h": losses.ReverseHuberLoss(),
                "s": losses.SegmentationCrossEntropy(),
                "w": losses.ReconstructionLoss(),
            },
            "classifier": losses.ClassifierLoss("l1"),
        },
        "D": losses.HingeLoss(),
        "C": losses.ClassifierLoss("cross_entropy"),
    },
    "second choice": {
        "G": {
            "gan": {"a": losses.RelativisticLoss(), "t": losses.BCEGANLoss()},
            "cycle": {"a": losses.CycleLoss(norm=2), "t": losses.CycleLoss()},
            "auto": {"a": losses.AutoEncodingLoss(), "t": losses.AutoEncodingLoss(norm=2)},
            "tasks": {
                "d": losses.ScaleInvariantLoss(),
                "h": losses.AutoEncodingLoss(norm=2),
                "s": losses.DiceLoss(),
                "w": losses.ContextLoss(),
            },
            "classifier": losses.ClassifierLoss("cross_entropy"),
        },
        "D": losses.WassersteinLoss(),
        "C": losses.ClassifierLoss("l2"),
    },
}


def _images() -> tuple[Tensor, Tensor]:
    return torch.rand(2, 3, 32, 40) * 2 - 1, torch.rand(2, 3, 32, 40) * 2 - 1


def _maps() -> tuple[Tensor, Tensor]:
    return torch.rand(2, 1, 32, 40), torch.rand(2, 1, 32, 40)


def _scores() -> tuple[Tensor, Tensor]:
    return torch.randn(2, 1, 4, 5), torch.randn(2, 1, 4, 5)


def _logits() -> tuple[Tensor, Tensor]:
    return torch.randn(2, 11, 32, 40), torch.randint(0, 11, (2, 32, 40))


# For each entry, what is predicted and what else its loss needs, and the call that a training loop makes.
Call = Callable[[Any, Tensor, Any], Tensor]
ROWS: dict[tuple[str, ...], tuple[Callable[[], tuple[Tensor, Any]], Call]] = {
    **{
        ("G", "gan", player): (_scores, lambda loss, fake, real: loss.generator(fake, real))
        for player in ("a", "t")
    },
    **{
        ("G", way, player): (_images, lambda loss, made, original: loss(made, original))
        for way in ("cycle", "auto")
        for player in ("a", "t")
    },
    ("G", "tasks", "d"): (_maps, lambda loss, depth, target: loss(depth, target)),
    ("G", "tasks", "h"): (_maps, lambda loss, height, target: loss(height, target)),
    ("G", "tasks", "s"): (_logits, lambda loss, logits, labels: loss(logits, labels)),
    ("G", "tasks", "w"): (
        _images,
        lambda loss, painted, image: loss(painted, image, (image[:, :1] > 0).float()),
    ),
    ("G", "classifier"): (
        lambda: (torch.randn(2, len(DOMAINS)), None),
        lambda loss, logits, _: loss.generator(logits),
    ),
    ("D",): (_scores, lambda loss, fake, real: loss.discriminator(real, fake)),
    ("C",): (
        lambda: (torch.randn(2, len(DOMAINS)), torch.tensor([DOMAINS.index("rn"), DOMAINS.index("sf")])),
        lambda loss, logits, domains: loss.classifier(logits, domains),
    ),
}


def _leaves(table: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], nn.Module]]:
    if isinstance(table, Mapping):
        for key, value in table.items():
            yield from _leaves(value, (*path, key))
    else:
        yield path, table


def test_the_table_is_complete() -> None:
    for table in TABLES.values():
        assert {path for path, _ in _leaves(table)} == set(ROWS)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("path", ROWS, ids="/".join)
def test_every_entry_is_a_finite_scalar_with_a_gradient(table: str, path: tuple[str, ...]) -> None:
    loss = dict(_leaves(TABLES[table]))[path]
    make, call = ROWS[path]
    predicted, other = make()
    predicted.requires_grad_()
    value = call(loss, predicted, other)
    value.backward()
    assert value.shape == ()
    assert torch.isfinite(value)
    assert torch.isfinite(predicted.grad).all()
    assert predicted.grad.abs().sum() > 0
