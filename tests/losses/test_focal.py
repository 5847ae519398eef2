import math

import pytest
import torch

from gancomponents.losses import FocalLoss, focal_loss, mask_bce, segmentation_cross_entropy


def _case() -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.randint(0, 3, (2, 4, 5))
    labels[0, 0] = 255
    return torch.randn(2, 3, 4, 5), labels


@pytest.mark.parametrize("weights", [None, [1.0, 0.2, 3.0]])
def test_gamma_zero_is_cross_entropy(weights: list[float] | None) -> None:
    logits, labels = _case()
    tensor = None if weights is None else torch.tensor(weights)
    expected = segmentation_cross_entropy(logits, labels, ignore_index=255, class_weights=tensor)
    module = FocalLoss(gamma=0.0, ignore_index=255, class_weights=weights)
    torch.testing.assert_close(module(logits, labels), expected)


def test_gamma_zero_of_one_channel_is_binary_cross_entropy() -> None:
    logits, labels = torch.randn(2, 1, 4, 5), torch.randint(0, 2, (2, 4, 5))
    torch.testing.assert_close(focal_loss(logits, labels, gamma=0.0), mask_bce(logits, labels[:, None]))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_closed_form(gamma: float) -> None:
    p = 0.8
    logits = torch.tensor([math.log(p), math.log(1 - p)], dtype=torch.float64).reshape(1, 2, 1, 1)
    value = focal_loss(logits, torch.zeros(1, 1, 1).long(), gamma=gamma)
    assert value.item() == pytest.approx(-((1 - p) ** gamma) * math.log(p))


def test_one_channel_is_that_of_segmentation_models_pytorch() -> None:
    from segmentation_models_pytorch.losses import FocalLoss as Theirs

    logits, labels = torch.randn(2, 1, 4, 5), torch.randint(0, 2, (2, 4, 5))
    theirs = Theirs("binary", gamma=2.0, alpha=0.25)(logits, labels)  # a mean over pixels, not over weights
    weights = torch.where(labels == 1, 0.25, 0.75)
    ours = focal_loss(logits, labels, class_weights=torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(ours * weights.mean(), theirs)


def test_why_that_of_several_classes_is_not_used() -> None:
    from segmentation_models_pytorch.losses import FocalLoss as Theirs

    logits, labels = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    difference = Theirs("multiclass", gamma=0.0)(logits, labels) - segmentation_cross_entropy(logits, labels)
    assert difference.abs() > 0.05  # not cross-entropy with gamma 0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_certain_predictions_have_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([1e4, -1e4]).reshape(1, 2, 1, 1).requires_grad_()
    for label in (0, 1):
        logits.grad = None
        focal_loss(logits, torch.full((1, 1, 1), label), gamma=gamma).backward()
        assert torch.isfinite(logits.grad).all()


def test_nothing_to_learn_from_is_zero() -> None:
    assert focal_loss(torch.randn(1, 3, 2, 2), torch.full((1, 2, 2), -100)) == 0


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="gamma must be at least 0"):
        FocalLoss(gamma=-1.0)
    with pytest.raises(ValueError, match="labels must be"):
        focal_loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 1, 3, 3))
    with pytest.raises(ValueError, match="one number for each of the 2 classes"):
        focal_loss(torch.zeros(1, 1, 3, 3), torch.zeros(1, 3, 3), class_weights=torch.ones(1))


def test_a_negative_gamma_is_refused_by_the_function_too() -> None:
    with pytest.raises(ValueError, match="gamma must be at least 0"):
        focal_loss(torch.zeros(1, 2, 3, 3), torch.ones(1, 3, 3).long(), gamma=-1.0)
