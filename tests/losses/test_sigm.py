import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gancomponents.losses import SIGMLoss, sigm_loss


def plain_sigm(pred: Tensor, target: Tensor, weight: float, scales: int) -> Tensor:
    """The formula for one image, word for word: medians, convolutions, nearest resizing."""
    height, width = pred.shape[2:]

    def normalised(depth: Tensor) -> Tensor:
        shift = depth.flatten().median()
        return (depth - shift) / (depth - shift).abs().mean()

    residual = normalised(pred) - normalised(target)
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]], dtype=pred.dtype)
    kernels = torch.stack([sobel, sobel.T])[:, None]
    loss = 0.5 * residual.abs().sum()
    for k in range(scales):
        coarse = functional.interpolate(residual, scale_factor=0.5**k, mode="nearest")
        loss = loss + weight * functional.conv2d(coarse, kernels).abs().sum()
    return loss / (height * width)


@pytest.mark.parametrize("size", [(24, 24), (37, 50), (40, 25)])
def test_matches_the_plain_formula(size: tuple[int, int]) -> None:
    pred, target = torch.randn(2, 3, 1, *size, dtype=torch.float64)
    pred.requires_grad_()
    expected = sum(plain_sigm(pred[i : i + 1], target[i : i + 1], 0.7, 4) for i in range(3)) / 3
    ours = sigm_loss(pred, target, gradient_weight=0.7)
    torch.testing.assert_close(ours, expected)
    gradients = [torch.autograd.grad(value, pred)[0] for value in (ours, expected)]
    torch.testing.assert_close(*gradients)


def test_invariant_to_scale_and_shift_of_both() -> None:
    pred, target = torch.randn(2, 2, 1, 24, 24, dtype=torch.float64)
    torch.testing.assert_close(sigm_loss(3 * pred - 5, 0.1 * target + 2), sigm_loss(pred, target))
    assert sigm_loss(3 * target - 5, target) < 1e-12
    assert sigm_loss(-target, target) > 0.5


@pytest.mark.known_bug(24)
def test_repeating_the_batch_changes_nothing() -> None:
    pred, target = torch.randn(2, 2, 1, 24, 24, dtype=torch.float64)
    torch.testing.assert_close(
        sigm_loss(pred.repeat(3, 1, 1, 1), target.repeat(3, 1, 1, 1)), sigm_loss(pred, target)
    )


@pytest.mark.known_bug(24)
def test_an_image_is_normalised_by_itself() -> None:
    pred, target = torch.randn(2, 2, 1, 24, 24, dtype=torch.float64)
    rescaled = torch.stack([pred[0], 100 * pred[1] + 7])
    torch.testing.assert_close(sigm_loss(rescaled, target), sigm_loss(pred, target))


def test_upstreams_coupling_scales_with_the_batch() -> None:
    pred, target = torch.randn(2, 1, 1, 24, 24, dtype=torch.float64)
    torch.testing.assert_close(sigm_loss(pred, target, batch_coupled=True), sigm_loss(pred, target))
    twice = [x.repeat(2, 1, 1, 1) for x in (pred, target)]
    data = sigm_loss(pred, target, gradient_weight=0.0)
    gradient = sigm_loss(pred, target) - data
    torch.testing.assert_close(sigm_loss(*twice, batch_coupled=True), 2 * data + 4 * gradient)


@pytest.mark.parametrize("constant", ["pred", "target"])
def test_constant_maps_stay_finite(constant: str) -> None:
    pred, target = torch.randn(2, 1, 1, 24, 24)
    pred = torch.ones_like(pred) if constant == "pred" else pred
    target = torch.ones_like(target) if constant == "target" else target
    pred.requires_grad_()
    loss = SIGMLoss()(pred, target)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(pred.grad).all()


def test_module_passes_its_arguments_on() -> None:
    pred, target = torch.randn(2, 2, 1, 24, 24)
    module = SIGMLoss(gradient_weight=0.1, scales=2, batch_coupled=True)
    assert module(pred, target) == sigm_loss(pred, target, gradient_weight=0.1, scales=2, batch_coupled=True)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="at least 24 for 4 scales, got 23 x 40"):
        sigm_loss(torch.zeros(1, 1, 23, 40), torch.zeros(1, 1, 23, 40))
    with pytest.raises(ValueError, match="same"):
        sigm_loss(torch.zeros(1, 1, 24, 24), torch.zeros(1, 1, 24, 25))
    for make in (lambda: SIGMLoss(scales=0), lambda: sigm_loss(*torch.zeros(2, 1, 1, 24, 24), scales=0)):
        with pytest.raises(ValueError, match="scales must be"):
            make()
