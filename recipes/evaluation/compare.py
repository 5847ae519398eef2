"""Several runs on the same photos: differences, and how far chance alone could have made them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recipes.evaluation.scores import KEY, NAMES, Numbers

_DRAWS = 4000


class Difference(NamedTuple):
    """A metric of one run less that of another, over the images where both have it.

    Attributes:
        mean: of the differences, NaN without such images.
        low, high: the middle 95 % of that mean over bootstrap samples of the images; NaN with fewer than two.
        images: how many there are.
    """

    mean: float
    low: float
    high: float
    images: int


def differences(tables: Sequence[Numbers]) -> list[dict[str, Difference]]:
    """The key metrics of every run but the first, less those of the first.

    Shape: (images, metrics) each, image by image the same.
    """
    first, *others = tables
    columns = {metric.name: NAMES.index(metric.name) for metric in KEY}
    return [
        {name: paired_difference(first[:, i], other[:, i]) for name, i in columns.items()} for other in others
    ]


def paired_difference(first: Numbers, second: Numbers, *, seed: int = 0) -> Difference:
    """``second - first`` with its percentile bootstrap interval, images drawn with replacement, in pairs.

    Shape: (images,) both; NaN where an image has no such number.

    >>> paired_difference(np.array([0.0, 0.0, 0.0]), np.array([1.0, 1.0, float("nan")]))
    Difference(mean=1.0, low=1.0, high=1.0, images=2)
    """
    gaps = second - first
    gaps = gaps[~np.isnan(gaps)]
    count = len(gaps)
    if count < 2:
        return Difference(float(gaps[0]) if count else float("nan"), float("nan"), float("nan"), count)
    rng = np.random.default_rng(seed)
    means = [gaps[rng.integers(count, size=count)].mean() for _ in range(_DRAWS)]
    low, high = np.percentile(means, (2.5, 97.5))
    return Difference(float(gaps.mean()), float(low), float(high), count)
