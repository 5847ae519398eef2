"""Confidence intervals against known values."""

import doctest
import math
import random
import statistics

import pytest

from benchmarks import intervals
from benchmarks.intervals import interval, paired, t_quantile


@pytest.mark.parametrize(
    ("freedom", "quantile"),  # any printed table of Student's t, two-sided 5 %
    [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (10, 2.228),
        (11, 2.201),
        (15, 2.131),
        (30, 2.042),
        (120, 1.980),
    ],
)
def test_quantiles_of_students_t(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, abs=6e-4)


def test_no_quantile_without_freedom() -> None:
    with pytest.raises(ValueError, match="two repetitions"):
        t_quantile(0)


def test_interval_of_a_known_sample() -> None:
    # Mean 5, standard deviation sqrt(32/7), t(7) = 2.3646.
    found = interval([2, 4, 4, 4, 5, 5, 7, 9])
    assert found.mean == 5
    assert found.half == pytest.approx(2.3646 * math.sqrt(32 / 7) / math.sqrt(8), abs=1e-4)
    assert found.count == 8


def test_intervals_cover_the_true_mean_as_often_as_they_say() -> None:
    draw = random.Random(0)
    found = [interval([draw.gauss(3, 2) for _ in range(4)]) for _ in range(4000)]
    covered = statistics.fmean(abs(one.mean - 3) <= one.half for one in found)
    assert covered == pytest.approx(0.95, abs=0.012)


def test_one_repetition_has_a_mean_and_is_never_clear() -> None:
    found = interval([7.0])
    assert found.mean == 7.0
    assert math.isnan(found.half)
    assert not found.clear


def test_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        interval([])


def test_pairing_removes_what_seeds_share() -> None:
    base = {0: 0.1, 1: 0.5, 2: 0.9}
    better = {seed: value + 0.02 + 0.001 * seed for seed, value in base.items()}
    found = paired(better, base)
    assert found is not None
    assert found.mean == pytest.approx(0.021)
    assert found.clear
    assert not interval(list(better.values())).half < 0.5  # unpaired, the seeds drown it


def test_pairing_uses_common_seeds_alone() -> None:
    found = paired({0: 1.0, 1: 2.0, 5: 50.0}, {1: 1.0, 0: 0.5, 9: -50.0})
    assert found is not None
    assert (found.mean, found.count) == (0.75, 2)
    assert paired({0: 1.0}, {1: 1.0}) is None


def test_a_constant_difference_is_clear_unless_it_is_zero() -> None:
    assert interval([0.5, 0.5, 0.5]).clear
    assert not interval([0.0, 0.0, 0.0]).clear


def test_the_examples() -> None:
    found = doctest.testmod(intervals, optionflags=doctest.ELLIPSIS)
    assert found.attempted >= 3
    assert found.failed == 0
