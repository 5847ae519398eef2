"""What is measured: every metric of one mask, and what all masks of a run come to."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gancomponents.metrics import edge_coherence, flood_confusion, flood_scores, trimap_accuracy

MUST, MAY = 1, 2

Numbers = npt.NDArray[np.float64]


class Metric(NamedTuple):
    """A name of ``flood_scores`` or beside it.

    Attributes:
        name: as in every table.
        better: 1 where more is better, -1 where less is, 0 where neither is.
        threshold: published in the evaluation of Schmidt et al. 2022; a good mask lies on its better side.
    """

    name: str
    better: int
    threshold: float | None = None

    def passes(self, values: Numbers) -> npt.NDArray[np.bool_]:
        """Which values are as good as the threshold, or better; those that are undefined are not."""
        assert self.threshold is not None
        return self.better * values >= self.better * self.threshold

    @property
    def arrow(self) -> str:
        """Which way is better, for a table."""
        return {1: " ↑", -1: " ↓", 0: ""}[self.better]


METRICS = (
    Metric("f05", 1, 0.95),
    Metric("error", -1, 0.05),
    Metric("edge_coherence", -1, 0.02),
    Metric("mnr", 0),
    Metric("tpr", 1, 0.95),
    Metric("tnr", 1, 0.95),
    Metric("fpr", -1, 0.05),
    Metric("fnr", -1, 0.05),
    Metric("mpr", 0),
    Metric("tpt", 0),
    Metric("tnt", 0),
    Metric("fpt", -1, 0.01),
    Metric("fnt", -1, 0.01),
    Metric("accuracy", 1, 0.95),
    Metric("accuracy_must_may", 1, 0.5),
    Metric("precision", 1, 0.95),
    Metric("f1", 1),
    Metric("trimap_accuracy", 1),
)
NAMES = tuple(metric.name for metric in METRICS)
KEY = METRICS[:4]


def score(mask: Tensor, label: Tensor) -> tuple[Numbers, Numbers]:
    """All metrics of one mask, NaN where the label leaves them undefined, and its confusion matrix.

    Args:
        mask: water, 0 or 1, or its probability.
        label: 0 cannot, 1 must, 2 may.

    Shape: (1, 1, H, W) both; returns (metrics,) in the order of ``NAMES``, and (2, 3).

    >>> label = torch.tensor([0, 1, 1, 2]).reshape(1, 1, 1, 4)
    >>> values, _ = score(torch.tensor([0.0, 1.0, 0.0, 1.0]).reshape(1, 1, 1, 4), label)
    >>> float(values[NAMES.index("tpr")])
    0.5
    """
    must = (label == MUST).to(mask.dtype)
    values = flood_scores(mask, label)
    # By the height, as published: the threshold is one of such distances.
    values["edge_coherence"] = edge_coherence(mask, must, scale=label.shape[-2])
    values["trimap_accuracy"] = trimap_accuracy(mask, must, valid=(label != MAY).to(mask.dtype))
    table = torch.stack([values[name][0].double() for name in NAMES])
    return table.cpu().numpy(), flood_confusion(mask, label)[0].double().cpu().numpy()


class Summary(NamedTuple):
    """What one metric comes to over images.

    Attributes:
        mean, std: over the images where it is defined (``std`` divides by their number); NaN without any.
        images: how many these are.
        passed: the share of them that pass the threshold; NaN without either.
    """

    mean: float
    std: float
    images: int
    passed: float


def summarise(table: Numbers) -> dict[str, Summary]:
    """Means, deviations and shares that pass, by metric.

    Shape: (images, metrics).

    >>> summarise(np.array([[1.0] * len(NAMES), [float("nan")] * len(NAMES)]))["f05"]
    Summary(mean=1.0, std=0.0, images=1, passed=1.0)
    """
    return {metric.name: _summary(metric, table[:, i]) for i, metric in enumerate(METRICS)}


def _summary(metric: Metric, column: Numbers) -> Summary:
    known = column[~np.isnan(column)]
    if not len(known):
        return Summary(float("nan"), float("nan"), 0, float("nan"))
    passed = float("nan") if metric.threshold is None else float(metric.passes(known).mean())
    return Summary(float(known.mean()), float(known.std()), len(known), passed)


def mean_and_std(matrices: Sequence[Numbers]) -> tuple[Numbers, Numbers]:
    """Mean and deviation of confusion matrices, cell by cell, over the images whose label has the class.

    Shape: (2, 3) each; returns (2, 3) twice, NaN where no label has the class.
    """
    stacked = np.stack(matrices)
    known = ~np.isnan(stacked)
    count = np.where(known.any(0), known.sum(0), np.nan)
    mean = np.where(known, stacked, 0).sum(0) / count
    variance = (np.where(known, stacked - mean, 0) ** 2).sum(0) / count
    return mean, np.sqrt(variance)
