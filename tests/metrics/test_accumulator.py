import math

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


def test_confusion_matrices_add_up() -> None:
    prediction, target = torch.randint(0, 3, (2, 4, 8, 8))
    accumulator = Accumulator()
    for i in range(4):
        accumulator.add({"confusion": confusion_matrix(prediction[i : i + 1], target[i : i + 1], 3)})
    whole = confusion_matrix(prediction, target, 3)
    assert torch.equal(accumulator.total("confusion").long(), whole)
    torch.testing.assert_close(mean_iou(accumulator.total("confusion")), mean_iou(whole))
    assert accumulator.means() == {}
