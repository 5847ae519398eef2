"""Means of a few repetitions with 95 % confidence intervals, and paired differences."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# 97.5 % quantiles of Student's t for 1 to 10 degrees of freedom; above, the expansion in `t_quantile` is as exact.
_QUANTILES = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
_NORMAL = 1.959964


@dataclass(frozen=True)
class Interval:
    """A mean and the half width of its 95 % confidence interval; NaN for a single repetition."""

    mean: float
    half: float
    count: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return abs(self.mean) > self.half


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t, to three decimals.

    Args:
        freedom: degrees of freedom, 1 or more.

    Raises:
        ValueError: fewer than one degree of freedom.

    >>> [round(t_quantile(n), 3) for n in (2, 10, 30)]
    [4.303, 2.228, 2.042]
    """
    if freedom < 1:
        raise ValueError(f"freedom must be >= 1, got {freedom}: an interval needs two repetitions")
    if freedom <= len(_QUANTILES):
        return _QUANTILES[freedom - 1]
    z, n = _NORMAL, freedom
    # Abramowitz and Stegun 1964, eq. 26.7.5.
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / n + second / n**2 + third / n**3


def interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval of repetitions: half width t * s / sqrt(n), with n - 1 degrees of freedom.

    Raises:
        ValueError: for no values.

    >>> interval([1.0, 2.0, 3.0])
    Interval(mean=2.0, half=2.4841..., count=3)
    """
    if not values:
        raise ValueError("values must hold at least one repetition, got none")
    count = len(values)
    if count == 1:
        return Interval(values[0], math.nan, 1)
    spread = statistics.stdev(values) / math.sqrt(count)
    return Interval(statistics.fmean(values), t_quantile(count - 1) * spread, count)


def paired(values: Mapping[int, float], base: Mapping[int, float]) -> Interval | None:
    """The interval of ``values - base`` over the seeds that both have; None where there are none.

    >>> paired({0: 1.0, 1: 2.0, 7: 9.0}, {0: 0.5, 1: 1.5}).mean
    0.5
    """
    seeds = sorted(values.keys() & base.keys())
    return interval([values[seed] - base[seed] for seed in seeds]) if seeds else None
