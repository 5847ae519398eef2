"""Numbers: by hand, undefined ones left out, thresholds on their right side."""

import numpy as np
import pytest
import torch

from recipes.evaluation.scores import METRICS, NAMES, mean_and_std, score, summarise
from tests.recipes.evaluation.scenes import CANNOT, EXPECTED, LABEL, MAY, WATER


def _score(water: np.ndarray, label: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    mask, classes = (
        torch.from_numpy(a)[None, None] for a in (water.astype(np.float32), label.astype(np.int64))
    )
    values, confusion = score(mask, classes)
    return dict(zip(NAMES, values.tolist(), strict=True)), confusion


def test_every_metric_by_hand() -> None:
    values, confusion = _score(WATER, LABEL)
    assert {name: values[name] for name in EXPECTED} == pytest.approx(EXPECTED)
    assert sorted(NAMES) == sorted([*EXPECTED, "trimap_accuracy"])
    assert confusion.tolist() == [[0.875, 0.25, 1.0], [0.125, 0.75, 0.0]]


def test_the_trimap_counts_no_may_pixels() -> None:
    """Water over all of may: nothing near the edge of must that counts is wrong."""
    values, _ = _score((LABEL != CANNOT).astype(np.uint8), LABEL)
    assert values["trimap_accuracy"] == 1


def test_a_soft_mask_counts_by_its_probability() -> None:
    values, _ = _score(np.full(LABEL.shape, 0.25), LABEL)
    assert (values["tpr"], values["fpr"], values["mnr"]) == (0.25, 0.25, 0.75)


@pytest.mark.known_bug(50)
def test_what_a_label_leaves_undefined() -> None:
    values, confusion = _score(np.zeros_like(LABEL), np.full_like(LABEL, CANNOT))
    undefined = {name for name, value in values.items() if np.isnan(value)}
    by_must = {"tpr", "fnr", "precision", "f1", "f05", "edge_coherence", "trimap_accuracy"}
    assert undefined == {*by_must, "mpr", "mnr", "accuracy_must_may"}
    assert (values["error"], values["tnr"], values["accuracy"]) == (0, 1, 1)
    assert np.isnan(confusion).tolist() == [[False, True, True]] * 2
    assert np.isnan(_score(WATER, np.full_like(LABEL, MAY))[0]["tnr"])


def test_the_summary_leaves_out_what_is_undefined() -> None:
    table = np.full((3, len(NAMES)), np.nan)
    table[:, NAMES.index("f05")] = [0.95, 0.85, np.nan]
    table[:, NAMES.index("error")] = [0.05, 0.06, 0.01]
    table[:, NAMES.index("mnr")] = [0.5, 0.5, 0.5]
    found = summarise(table)
    assert found["f05"] == pytest.approx((0.9, 0.05, 2, 0.5))  # equal to the threshold passes
    assert found["error"][2:] == pytest.approx((3, 2 / 3))
    assert found["mnr"].images == 3
    assert np.isnan(found["mnr"].passed)  # no threshold
    assert found["tpr"].images == 0
    assert np.isnan(found["tpr"].mean)


def test_the_thresholds_are_the_published_ones() -> None:
    high = {m.name for m in METRICS if m.better > 0 and m.threshold == 0.95}
    assert high == {"tpr", "tnr", "accuracy", "f05", "precision"}
    low = {m.name: m.threshold for m in METRICS if m.better < 0}
    rest = {"error": 0.05, "fpr": 0.05, "fnr": 0.05, "fpt": 0.01, "fnt": 0.01, "edge_coherence": 0.02}
    assert low == rest
    assert {m.name: m.threshold for m in METRICS}["accuracy_must_may"] == 0.5


def test_confusion_over_images_skips_absent_classes() -> None:
    first, second = np.array([[1.0, 0.5, np.nan], [0.0, 0.5, np.nan]]), np.array([[0.0, np.nan, np.nan]] * 2)
    mean, std = mean_and_std([first, second])
    np.testing.assert_allclose(mean, [[0.5, 0.5, np.nan], [0.0, 0.5, np.nan]])
    np.testing.assert_allclose(std, [[0.5, 0.0, np.nan], [0.0, 0.0, np.nan]])
