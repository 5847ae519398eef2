import math

import pytest
import torch

from gancomponents.metrics import Accumulator, confusion_matrix, mean_iou


def test_weighted_means_without_undefined_values() -> None:
    accumulator = Accumulator("cpu")
    accumulator.add({"a": torch.tensor(1.0), "b": torch.tensor(math.nan)}, weight=3)
    accumulator.add({"a": torch.tensor(5.0), "b": torch.tensor(2.0)}, weight=1)
    accumulator.add({"c": torch.tensor(math.inf)})
    means = accumulator.means()
    assert means["a"] == 2.0
    assert means["b"] == 2.0
    assert math.isnan(means["c"])


@pytest.mark.known_bug(37)
def test_the_mean_is_over_all_batches_not_the_last() -> None:
    values = torch.rand(6, 5)
    accumulator = Accumulator()
    for batch in (values[:4], values[4:]):  # of unequal sizes
        accumulator.add({"loss": batch.mean()}, weight=len(batch))
    assert accumulator.means()["loss"] == pytest.approx(values.mean().item(), rel=1e-6)


def test_confusion_matrices_add_up() -> None:
    prediction, target = torch.randint(0, 3, (2, 4, 8, 8))
    accumulator = Accumulator()
    for i in range(4):
        accumulator.add({"confusion": confusion_matrix(prediction[i : i + 1], target[i : i + 1], 3)})
    whole = confusion_matrix(prediction, target, 3)
    assert torch.equal(accumulator.total("confusion").long(), whole)
    torch.testing.assert_close(mean_iou(accumulator.total("confusion")), mean_iou(whole))
    assert accumulator.means() == {}
