import pytest
import torch
from torch import Tensor

from gancomponents.losses import DiceLoss, LovaszLoss, dice_loss, lovasz_loss

BOTH = pytest.mark.parametrize("loss", [dice_loss, lovasz_loss])


def _perfect(labels: Tensor, classes: int) -> Tensor:
    return 200.0 * torch.stack([labels == c for c in range(classes)], 1) - 100


@BOTH
def test_perfect_and_hopeless(loss) -> None:
    labels = torch.randint(0, 3, (2, 5, 4))
    assert loss(_perfect(labels, 3), labels).item() == pytest.approx(0.0, abs=1e-6)
    assert loss(_perfect((labels + 1) % 3, 3), labels).item() == pytest.approx(1.0, abs=1e-6)


def test_dice_by_hand() -> None:
    # Class 1: p = 1/2, 1/2, 1/4 of truths 1, 0, 0: 2 (1/2) / (5/4 + 1) = 4/9; class 0: 2 (5/4) / (7/4 + 2).
    p = torch.tensor([0.5, 0.5, 0.25], dtype=torch.float64)
    logits = torch.stack([(1 - p).log(), p.log()]).reshape(1, 2, 1, 3)
    labels = torch.tensor([[[1, 0, 0]]])
    class_1, class_0 = 1 - 4 / 9, 1 - 2.5 / 3.75
    assert dice_loss(logits, labels).item() == pytest.approx((class_0 + class_1) / 2)
    weighted = DiceLoss(class_weights=[1.0, 3.0])(logits, labels)
    assert weighted.item() == pytest.approx((class_0 + 3 * class_1) / 4)
    smoothed = 1 - (1 + 2) / (2.25 + 2), 1 - (2.5 + 2) / (3.75 + 2)
    assert DiceLoss(smooth=1.0)(logits, labels).item() == pytest.approx(sum(smoothed) / 2)
    binary = torch.log(p / (1 - p)).reshape(1, 1, 1, 3)
    assert dice_loss(binary, labels).item() == pytest.approx(class_1)


def test_lovasz_by_hand() -> None:
    # Class 1: errors 1/2, 1/2, 1/4 of truths 1, 0, 0. Jaccard losses of the sorted prefixes: 1, 1, 1, so that the
    # first error counts alone. Class 0: the same errors of truths 0, 1, 1, prefixes 1/3, 2/3, 1: a third each.
    p = torch.tensor([0.5, 0.5, 0.25], dtype=torch.float64)
    logits = torch.stack([(1 - p).log(), p.log()]).reshape(1, 2, 1, 3)
    labels = torch.tensor([[[1, 0, 0]]])
    class_1, class_0 = 0.5, (0.5 + 0.5 + 0.25) / 3
    assert lovasz_loss(logits, labels).item() == pytest.approx((class_0 + class_1) / 2)
    weighted = LovaszLoss(class_weights=[1.0, 3.0])(logits, labels)
    assert weighted.item() == pytest.approx((class_0 + 3 * class_1) / 4)
    # One channel, hinge: logits 0, 0, -2 of truths 1, 0, 0 have errors 1, 1, 0.
    hinge = torch.tensor([0.0, 0.0, -2.0]).reshape(1, 1, 1, 3)
    assert lovasz_loss(hinge, labels).item() == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(4))
def test_hard_predictions_cost_one_minus_the_jaccard_index(seed: int) -> None:
    torch.manual_seed(seed)
    labels, predicted = torch.randint(0, 3, (2, 2, 5, 4))
    terms = []
    for c in labels.unique():
        both, either = (labels == c) & (predicted == c), (labels == c) | (predicted == c)
        terms.append(1 - both.sum() / either.sum())
    torch.testing.assert_close(lovasz_loss(_perfect(predicted, 3), labels), torch.stack(terms).mean())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [1, 3])
def test_agree_with_segmentation_models_pytorch_where_every_class_occurs(classes: int, seed: int) -> None:
    import segmentation_models_pytorch as smp

    torch.manual_seed(seed)
    logits, labels = torch.randn(2, classes, 6, 7), torch.randint(0, max(classes, 2), (2, 6, 7))
    labels[:, 0] = 255
    mode = "binary" if classes == 1 else "multiclass"
    for ours, theirs in ((dice_loss, smp.losses.DiceLoss), (lovasz_loss, smp.losses.LovaszLoss)):
        expected = theirs(mode, ignore_index=255)(logits, labels)
        torch.testing.assert_close(ours(logits, labels, ignore_index=255), expected)


@BOTH
def test_absent_classes_have_no_part_in_the_mean(loss) -> None:
    # segmentation-models-pytorch's Dice counts them as perfect: adding empty classes would lower the loss.
    logits, labels = torch.randn(2, 2, 5, 4), torch.randint(0, 2, (2, 5, 4))
    wider = torch.cat([logits, torch.full((2, 3, 5, 4), -100.0)], 1)
    torch.testing.assert_close(loss(wider, labels), loss(logits, labels))


@BOTH
@pytest.mark.parametrize("ignore_index", [-100, 0, 255])
def test_ignored_pixels_might_as_well_be_cut_off(loss, ignore_index: int) -> None:
    logits, labels = torch.randn(2, 3, 5, 4), torch.randint(1, 3, (2, 5, 4))
    labels[:, 3:] = ignore_index
    cut = loss(logits[:, :, :3], labels[:, :3], ignore_index=ignore_index)
    torch.testing.assert_close(loss(logits, labels, ignore_index=ignore_index), cut)


@BOTH
def test_nothing_to_learn_from_is_zero(loss) -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    value = loss(logits, torch.full((1, 2, 2), -100))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


@BOTH
def test_bad_arguments(loss) -> None:
    with pytest.raises(ValueError, match="labels must be"):
        loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 1, 3, 3))
    with pytest.raises(ValueError, match="one number for each of the 2 classes"):
        loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3), class_weights=torch.ones(3))
