"""What every loss must do beside `tests.test_conformance`: right gradients, arithmetic in at least fp32."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from gancomponents import losses
from tests.case import Case, mapped, tensors
from tests.losses.cases import CASES

# By name, the inputs whose gradient is zero by design: they count as constants. Networks are no losses.
CONSTANT = {
    "feature_matching": {0},
    "FeatureMatchingLoss": {0},
    "VGGLoss": {1},
    "LPIPSLoss": {1},
    **{f"{way}_penalty": {1, 2} for way in ("gradient", "r1", "r2", "dragan")},
    **{f"{way}Penalty": {1, 2} for way in ("Gradient", "R1", "R2", "DRAGAN")},
}
NETWORKS = {"VGGFeatures", "VGGLoss", "LPIPSLoss"}
WITHOUT_GRADIENT = {"GroundIntersectionLoss-upstream"}
KINK_MOVES = {"reverse_huber_loss", "ReverseHuberLoss"}  # see below


def _name(case: Case) -> str:
    return case.name.removeprefix("losses.")


ALL = [case for case in CASES if isinstance(case, Case)]
LOSSES = [
    case
    for case in ALL
    if str(case).removeprefix("losses.") not in WITHOUT_GRADIENT
    and _name(case) not in KINK_MOVES | {"VGGFeatures"}
]


def _function(case: Case) -> tuple[Callable[..., Any], list[Tensor]]:
    """The case in float64 as a function of those of its inputs that want a gradient."""
    module = case.module().double()
    inputs = mapped(case.inputs(2), lambda t: t.double() if t.is_floating_point() else t)
    constant = {id(t) for i in CONSTANT.get(_name(case), ()) for t in tensors(inputs[i])}
    free = [t for t in tensors(inputs) if t.is_floating_point() and id(t) not in constant]

    def run(*values: Tensor) -> Any:
        given = {id(t): value for t, value in zip(free, values, strict=True)}
        return module(*mapped(inputs, lambda t: given.get(id(t), t)))

    return run, free


@pytest.mark.parametrize("case", LOSSES, ids=str)
def test_gradients(case: Case) -> None:
    run, free = _function(case)
    start = [t.clone().requires_grad_() for t in free]
    unused = torch.autograd.grad(sum(t.sum() for t in tensors(run(*start))), start, allow_unused=True)
    assert any(g is not None for g in unused)

    def all_used(*values: Tensor) -> Any:
        # Features that a loss skips still want a gradient, of zero.
        return [t + 0 * torch.stack([v.sum() for v in values]).sum() for t in tensors(run(*values))]

    fast = _name(case) in NETWORKS  # thousands of pixels: along a random direction
    assert torch.autograd.gradcheck(lambda *v: tuple(all_used(*v)), start, fast_mode=fast)


@pytest.mark.parametrize(
    "loss", [losses.reverse_huber_loss, losses.ReverseHuberLoss()], ids=["function", "module"]
)
def test_gradient_of_reverse_huber(loss: Callable[..., Tensor]) -> None:
    # The kink follows the largest error and counts as a constant: that pixel stays put.
    largest, target = torch.full((2, 1, 1, 5), 3.0).double(), torch.zeros(2, 1, 4, 5).double()
    pred = torch.rand(2, 1, 3, 5, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(torch.cat([largest, x], 2), target), [pred])


@pytest.mark.parametrize("case", [c for c in ALL if _name(c) not in NETWORKS], ids=str)
def test_fp32_under_autocast(case: Case) -> None:
    module = case.module()
    low = mapped(case.inputs(2), lambda t: t.bfloat16() if t.is_floating_point() else t)
    if _name(case) in CONSTANT and "enalty" in case.name:
        low = (low[0].float(), *low[1:])  # the critic's weights stay in fp32, its samples need not
    with torch.autocast("cpu", torch.bfloat16):
        rough = module(*low)
    # Only the inputs were rounded, not the arithmetic.
    exact = module(*mapped(low, lambda t: t.float() if t.is_floating_point() else t))
    for a, b in zip(tensors(rough), tensors(exact), strict=True):
        if _name(case) != "vgg_preprocess":  # an image, which may be in whatever precision networks run in
            assert a.dtype is torch.float32
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def _public_losses() -> Iterator[str]:
    yield from (name for name in losses.__all__ if name.endswith(("Loss", "_loss", "Penalty", "_penalty")))


def test_no_loss_is_left_out() -> None:
    protocols = {"AdversarialLoss", "Penalty"}
    assert set(_public_losses()) - protocols <= {_name(case) for case in LOSSES} | KINK_MOVES
