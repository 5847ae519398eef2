"""What every block must do, in one call per block."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def tensors(value: Any) -> list[Tensor]:
    """Every tensor in a nest of lists and tuples, without what else is in it."""
    if isinstance(value, Tensor):
        return [value]
    return [t for item in value for t in tensors(item)] if isinstance(value, (list, tuple)) else []


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same nest with every tensor changed; what is neither tensor nor list stays."""
    if isinstance(value, Tensor):
        return change(value)
    return [mapped(item, change) for item in value] if isinstance(value, list) else value


def same(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    for a, b in zip(tensors(found), tensors(expected), strict=True):
        torch.testing.assert_close(a.double(), b.double(), rtol=tolerance, atol=tolerance)


def check_block(make: Callable[[], nn.Module], *inputs: Any, compiled: bool = True) -> None:
    """Gradients, inputs, dtypes, memory format, copies, evaluation mode and compilation of one block."""
    module = make().train()
    untouched = [t.clone() for t in tensors(list(inputs))]
    loss(module(*inputs)).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, f"no gradient for {name}"
        assert parameter.grad.isfinite().all(), f"gradient of {name} is not finite"
    for before, after in zip(untouched, tensors(list(inputs)), strict=True):
        assert torch.equal(before, after), "an input was changed"

    with torch.autocast("cpu", torch.bfloat16):
        outputs = module(*inputs)
    assert all(t.isfinite().all() for t in tensors(outputs))
    loss(outputs).backward()

    module.zero_grad()
    module.eval()
    expected = module(*inputs)
    same(module(*inputs), expected, 0)
    same(copy.deepcopy(module)(*inputs), expected, 0)
    same(pickle.loads(pickle.dumps(module))(*inputs), expected, 0)
    other = make().eval()
    other.load_state_dict(module.state_dict(), strict=True)
    same(other(*inputs), expected, 0)
    same(copy.deepcopy(module).double()(*[mapped(x, Tensor.double) for x in inputs]), expected, 1e-4)

    last = copy.deepcopy(module).to(memory_format=torch.channels_last)
    outputs = last(*[mapped(x, lambda t: t.contiguous(memory_format=torch.channels_last)) for x in inputs])
    same(outputs, expected)
    assert all(t.is_contiguous(memory_format=torch.channels_last) for t in tensors(outputs)), (
        "not channels last"
    )

    if compiled:
        for training in (False, True):
            torch._dynamo.reset()
            ours, theirs = copy.deepcopy(module).train(training), copy.deepcopy(module).train(training)
            run = torch.compile(theirs, fullgraph=True, backend="aot_eager")
            same(run(*inputs), ours(*inputs))
            same(list(theirs.state_dict().values()), list(ours.state_dict().values()))


def loss(outputs: Any) -> Tensor:
    """A scalar that every entry of every output has a part in."""
    return torch.stack([(t.float() * t.float().sin()).mean() for t in tensors(outputs)]).sum()
