"""What every loss must do: right gradients, a scalar in at least fp32 even under autocast, one graph."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gancomponents import losses


def _map(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64) * 2 - 1


def _probabilities(*shape: int) -> Tensor:
    return torch.softmax(_map(*shape), 1)


MASK = (torch.arange(16, dtype=torch.float64).reshape(1, 1, 4, 4) % 3 > 0).double()

# name: (inputs the gradient is checked for, the loss as a function of them)
CASES: dict[str, tuple[Callable[[], tuple[Tensor, ...]], Callable[..., Tensor]]] = {
    "bce_generator": (lambda: (_map(2, 1, 3, 3),), losses.BCEGANLoss(0.0, 0.0).generator),
    "bce_discriminator": (
        lambda: (_map(2, 1, 3, 3), _map(2, 1, 3, 3)),
        losses.BCEGANLoss(0.0, 0.0).discriminator,
    ),
    "least_squares_generator": (lambda: (_map(2, 1, 3, 3),), losses.LeastSquaresGANLoss().generator),
    "least_squares_discriminator": (
        lambda: (_map(2, 1, 3, 3), _map(2, 1, 3, 3)),
        losses.LeastSquaresGANLoss().discriminator,
    ),
    "hinge_generator": (lambda: (_map(2, 1, 3, 3),), losses.HingeLoss().generator),
    "hinge_discriminator": (
        lambda: (2 * _map(2, 1, 3, 3), 2 * _map(2, 1, 3, 3)),
        losses.HingeLoss().discriminator,
    ),
    "feature_matching": (
        lambda: (_map(2, 3, 4, 4),),
        lambda fake: losses.FeatureMatchingLoss()([[0 * fake, fake]], [[fake, fake]]),
    ),
    "entropy_map": (lambda: (_probabilities(1, 3, 2, 2),), lambda p: losses.entropy_map(p).square().sum()),
    "min_entropy": (lambda: (_probabilities(2, 3, 2, 2),), losses.MinEntropyLoss()),
    "min_entropy_variance": (lambda: (_probabilities(2, 3, 2, 2),), losses.MinEntropyLoss(0.1)),
    "advent_input": (
        lambda: (_probabilities(1, 3, 2, 2), _map(1, 1, 2, 2)),
        lambda p, d: losses.advent_input(p, d).square().mean(),
    ),
    "advent_bce_generator": (lambda: (_map(2, 1, 3, 3),), losses.AdvEntLoss().generator),
    "advent_bce_discriminator": (
        lambda: (_map(2, 1, 3, 3), _map(2, 1, 3, 3)),
        losses.AdvEntLoss().discriminator,
    ),
    "advent_linear_generator": (lambda: (_map(2, 1, 3, 3),), losses.AdvEntLoss("linear").generator),
    "advent_linear_discriminator": (
        lambda: (_map(2, 1, 3, 3), _map(2, 1, 3, 3)),
        losses.AdvEntLoss("linear").discriminator,
    ),
    "cross_entropy": (
        lambda: (_map(2, 3, 4, 4),),
        lambda x: losses.SegmentationCrossEntropy()(x, torch.arange(32).reshape(2, 4, 4) % 3),
    ),
    "mask_bce": (lambda: (_map(1, 1, 4, 4),), lambda x: losses.MaskBCE()(x, MASK)),
    "sigm": (
        lambda: (_map(2, 1, 12, 13),),
        lambda x: losses.SIGMLoss(scales=3)(x, torch.sin(torch.arange(312.0).double()).reshape(2, 1, 12, 13)),
    ),
    "sigm_batch_coupled": (
        lambda: (_map(2, 1, 12, 13),),
        lambda x: losses.SIGMLoss(scales=3, batch_coupled=True)(
            x, torch.sin(torch.arange(312.0).double()).reshape(2, 1, 12, 13)
        ),
    ),
    "scale_invariant": (
        lambda: (_map(2, 1, 4, 4), _map(2, 1, 4, 4)),
        lambda p, g: losses.scale_invariant_loss(p, g, invariance=0.5),
    ),
    "total_variation": (lambda: (_map(2, 3, 4, 5),), losses.TotalVariationLoss()),
    "ground": (lambda: (_map(1, 1, 4, 4),), lambda x: losses.GroundIntersectionLoss()(x, MASK)),
    "context": (lambda: (_map(1, 3, 4, 4), _map(1, 3, 4, 4)), lambda a, b: losses.ContextLoss()(a, b, MASK)),
    "reconstruction": (
        lambda: (_map(1, 3, 4, 4), _map(1, 3, 4, 4)),
        lambda a, b: losses.ReconstructionLoss(over_mask=False)(a, b, MASK),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str) -> None:
    inputs, loss = CASES[name]
    assert torch.autograd.gradcheck(loss, [x.requires_grad_() for x in inputs()])


@pytest.mark.parametrize("name", CASES)
def test_scalar_in_fp32_under_autocast(name: str) -> None:
    inputs, loss = CASES[name]
    xs = inputs()
    exact = loss(*xs)
    assert exact.shape == ()
    assert exact.dtype is torch.float64
    low = [x.bfloat16() for x in xs]
    with torch.autocast("cpu", torch.bfloat16):
        rough = loss(*low)
    assert rough.shape == ()
    assert rough.dtype in (torch.float32, torch.float64)
    # Only the inputs were rounded, not the arithmetic.
    assert rough.item() == pytest.approx(loss(*[x.float() for x in low]).item(), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_compiles_into_one_graph(name: str) -> None:
    inputs, loss = CASES[name]
    xs = inputs()
    torch._dynamo.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    assert compiled(*xs).item() == pytest.approx(loss(*xs).item(), rel=1e-9)
