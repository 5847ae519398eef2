import pytest
import torch

from gancomponents.metrics import (
    confusion_matrix,
    f_score_per_class,
    iou_per_class,
    mask_iou,
    mean_iou,
    pixel_accuracy,
)


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


def test_renaming_the_classes_changes_no_mean() -> None:
    prediction, target = torch.randint(0, 5, (2, 3, 10, 10))
    renamed = torch.tensor([3, 1, 4, 0, 2])
    plain = confusion_matrix(prediction, target, 5)
    other = confusion_matrix(renamed[prediction], renamed[target], 5)
    torch.testing.assert_close(mean_iou(other), mean_iou(plain))
    torch.testing.assert_close(pixel_accuracy(other), pixel_accuracy(plain))
    torch.testing.assert_close(iou_per_class(other)[renamed], iou_per_class(plain))


def test_weighted_mean_iou() -> None:
    confusion = torch.tensor([[6, 2, 0], [0, 2, 0], [0, 0, 0]])
    iou = torch.tensor([6 / 8, 2 / 4])
    torch.testing.assert_close(mean_iou(confusion, weight=torch.ones(3)), mean_iou(confusion))
    torch.testing.assert_close(mean_iou(confusion, weight=confusion.sum(1)), (8 * iou[0] + 2 * iou[1]) / 10)
    torch.testing.assert_close(mean_iou(confusion, weight=confusion.sum(0)), (6 * iou[0] + 4 * iou[1]) / 10)
    nothing = torch.zeros(3, 3, dtype=torch.long)
    assert mean_iou(nothing).isnan()
    assert mean_iou(nothing, weight=torch.ones(3)).isnan()
    assert pixel_accuracy(nothing).isnan()


def test_f_scores() -> None:
    confusion = torch.tensor([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    precision, recall = 3 / 5, 3 / 4
    for beta in (0.5, 1.0, 2.0):
        scores = f_score_per_class(confusion, beta=beta)
        expected = (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
        assert scores[1].item() == pytest.approx(expected, rel=1e-6)
        assert scores[2].isnan()
    iou = iou_per_class(confusion)
    torch.testing.assert_close(f_score_per_class(confusion), 2 * iou / (1 + iou), equal_nan=True)
    with pytest.raises(ValueError, match="beta must be positive"):
        f_score_per_class(confusion, beta=0.0)


@pytest.mark.known_bug(49)
def test_labels_with_a_channel_count_in_every_image() -> None:
    logits, target = torch.randn(3, 4, 5, 6), torch.randint(0, 4, (3, 5, 6))
    plain = confusion_matrix(logits, target, 4)
    assert torch.equal(confusion_matrix(logits, target[:, None], 4), plain)
    assert torch.equal(confusion_matrix(logits.argmax(1, keepdim=True), target[:, None], 4), plain)
    assert plain.sum() == target.numel()


@pytest.mark.known_bug(49)
def test_one_map_of_probabilities_is_not_read_as_class_zero() -> None:
    probability, target = torch.rand(2, 1, 5, 6), torch.randint(0, 2, (2, 5, 6))
    for labels in (target, target[:, None]):
        with pytest.raises(ValueError, match=r"must have 2 channels.*\(probability > 0.5\)"):
            confusion_matrix(probability, labels, 2)
    with pytest.raises(ValueError, match="threshold probabilities"):
        confusion_matrix(probability[:, 0], target, 2)
    hard = confusion_matrix((probability > 0.5).long(), target, 2)
    assert hard.sum() == 60
    assert (hard.sum(0) > 0).all()


@pytest.mark.known_bug(49)
def test_both_of_two_classes_are_scored() -> None:
    confusion = torch.tensor([[6, 2], [1, 3]])
    torch.testing.assert_close(iou_per_class(confusion), torch.tensor([6 / 9, 3 / 6]))
    torch.testing.assert_close(mean_iou(confusion), torch.tensor((6 / 9 + 3 / 6) / 2))


def test_bad_shapes() -> None:
    with pytest.raises(ValueError, match="must have 3 channels"):
        confusion_matrix(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4), 3)
    with pytest.raises(ValueError, match="size of target"):
        confusion_matrix(torch.zeros(1, 4, 5), torch.zeros(1, 4, 4), 3)
    with pytest.raises(ValueError, match="shape of target"):
        mask_iou(torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4))


def test_predictions_of_no_class_count_nowhere() -> None:
    labels = torch.tensor([[[0, 1], [1, 1]]])
    found = confusion_matrix(torch.tensor([[[0, 1], [7, 2]]]), labels, 2)
    assert found.tolist() == [[1, 0], [0, 1]]
