"""The paired bootstrap: signs, intervals, and images that only one run has a number for."""

import numpy as np
import pytest

from recipes.evaluation.compare import differences, paired_difference
from recipes.evaluation.scores import NAMES


def test_a_difference_that_is_the_same_everywhere_is_certain() -> None:
    values = np.linspace(0, 1, 9)
    assert paired_difference(values, values + 0.25) == pytest.approx((0.25, 0.25, 0.25, 9))


def test_the_interval_is_that_of_the_mean() -> None:
    """Of many images, close to the normal one: mean +- 1.96 deviations over the root of their number."""
    rng = np.random.default_rng(3)
    first = rng.normal(0, 1, 400)
    gaps = rng.normal(0.3, 0.5, 400)
    found = paired_difference(first, first + gaps)
    half = 1.96 * gaps.std() / 20
    assert found.mean == pytest.approx(gaps.mean())
    assert found.low == pytest.approx(gaps.mean() - half, abs=0.004)
    assert found.high == pytest.approx(gaps.mean() + half, abs=0.004)
    assert found == paired_difference(first, first + gaps)


@pytest.mark.parametrize(("second", "images"), [([1.0, np.nan], 1), ([np.nan, np.nan], 0)])
def test_too_few_images_have_no_interval(second: list[float], images: int) -> None:
    found = paired_difference(np.array([0.5, 0.5]), np.array(second))
    assert found.images == images
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(found.mean) == (images == 0)


def test_every_later_run_is_set_against_the_first() -> None:
    tables = [np.full((4, len(NAMES)), value) for value in (0.5, 0.75, 0.25)]
    found = differences(tables)
    assert [gap["f05"].mean for gap in found] == [0.25, -0.25]
    assert set(found[0]) == {"f05", "error", "edge_coherence", "mnr"}
