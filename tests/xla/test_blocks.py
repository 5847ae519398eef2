"""Every public block and function on an XLA device: the CPU's numbers, and nothing that leaves the graph."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from gancomponents.training import xla
from tests.case import Case, floats, mapped, tensors
from tests.cases import CASES


def _each() -> list:
    return [
        pytest.param(case, id=str(case), marks=pytest.mark.xfail(reason=case.cannot["xla"], strict=True))
        if "xla" in case.cannot
        else pytest.param(case, id=str(case))
        for case in CASES
    ]


def _traced(case: Case, device: torch.device) -> Iterator[Tensor]:
    """Outputs in evaluation, then in training, then the gradients of parameters and inputs: all in one graph."""
    torch.manual_seed(0)
    module, inputs = xla.place(case.module(), device), mapped(case.inputs(2), lambda t: t.to(device))
    inputs = floats(inputs, lambda t: t.detach().requires_grad_())
    with torch.no_grad():
        yield from tensors(module(*inputs))
    outputs = tensors(module.train()(*inputs))
    yield from (t.detach() for t in outputs)
    # Smooth and of moderate slope, so that a gradient is as exact as what it is of.
    scored = [t.float().square().mean() for t in outputs if t.requires_grad]
    if scored:
        torch.stack(scored).sum().backward()
        sources = [*module.parameters(), *tensors(inputs)]
        yield from (t.grad for t in sources if t.grad is not None)


def _draws(case: Case) -> bool:
    """Whether the case has other outputs in each call of training, on the CPU."""
    torch.manual_seed(0)
    module, inputs = case.module().train(), case.inputs(2)
    first, second = (tensors(module(*inputs)) for _ in range(2))
    return not all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("case", _each())
def test_block(case: Case, device: torch.device) -> None:
    expected = list(_traced(case, torch.device("cpu")))
    before = xla.fallbacks()
    found = list(_traced(case, device))
    xla.finish_step()
    left = {name for name, count in xla.fallbacks().items() if count > before.get(name, 0)}
    assert not left
    found = [t.cpu() for t in found]
    assert [t.shape for t in found] == [t.shape for t in expected]
    if _draws(case):  # from another generator
        assert all(t.isfinite().all() for t in found if t.is_floating_point())
        return
    # Where a gradient is a sum that cancels (a bias before a batch norm), its size is that of its terms.
    largest = max(float(t.detach().double().norm()) for t in expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.double() - b.double()).norm() <= 3e-2 * b.double().norm() + 1e-5 * largest
