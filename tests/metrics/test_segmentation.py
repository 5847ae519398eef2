import pytest
import torch

from gancomponents.metrics import confusion_matrix, iou_per_class, mask_iou, mean_iou, pixel_accuracy


def test_confusion_counts_every_pair() -> None:
    prediction, target = torch.randint(0, 4, (2, 3, 10, 10))
    counted = confusion_matrix(prediction, target, 4)
    for i in range(4):
        for j in range(4):
            assert counted[i, j] == ((target == i) & (prediction == j)).sum()


def test_logits_and_ignored_labels() -> None:
    logits, target = torch.randn(2, 4, 5, 5), torch.randint(0, 4, (2, 5, 5))
    labels = confusion_matrix(logits.argmax(1), target, 4)
    assert torch.equal(confusion_matrix(logits, target, 4), labels)
    target[0] = 255
    target[1, 0] = -1
    assert confusion_matrix(logits, target, 4).sum() == 20


def test_perfect_and_worst() -> None:
    target = torch.tensor([[[0, 1], [3, 3]]])
    perfect = confusion_matrix(target, target, 5)
    assert mean_iou(perfect) == 1
    assert pixel_accuracy(perfect) == 1
    worst = confusion_matrix((target + 1) % 4, target, 5)
    assert mean_iou(worst) == 0
    assert iou_per_class(perfect).isnan().tolist() == [False, False, True, False, True]


def test_mask_iou() -> None:
    a, b = torch.tensor([0.9, 0.6, 0.2, 0.1]), torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert mask_iou(a, b).item() == pytest.approx(1 / 3)
    assert mask_iou(a, b, threshold=0.7).item() == pytest.approx(1 / 2)
    assert mask_iou(b, b) == 1
    assert mask_iou(torch.zeros(4), torch.zeros(4)) == 1
    assert mask_iou(torch.ones(4), torch.zeros(4)) == 0
    hard = confusion_matrix((a > 0.5).long()[None], b.long()[None], 2)
    torch.testing.assert_close(iou_per_class(hard)[1], mask_iou(a, b))


def test_bad_shapes() -> None:
    with pytest.raises(ValueError, match="must have 3 channels"):
        confusion_matrix(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4), 3)
    with pytest.raises(ValueError, match="size of target"):
        confusion_matrix(torch.zeros(1, 4, 5), torch.zeros(1, 4, 4), 3)
    with pytest.raises(ValueError, match="shape of target"):
        mask_iou(torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4))
