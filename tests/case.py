"""What a conformance case says of one public name, and nests of tensors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Case:
    """One way of using a public block or function.

    Args:
        name: the public name, such as "layers.SPADE"; several cases may share it.
        make: a new block (or the function itself).
        inputs: positional arguments for a batch of so many samples; of odd sizes, where the block takes them.
        shapes: what comes out, the same nest with a shape tuple for each tensor.
        call: how to use what ``make`` made, where that is not calling it: ``call(made, *inputs)``.
        label: tells cases of one name apart.
        cannot: checks that this case must fail, each with the reason; a pass is then a failure.
        tolerance: of float32 results that another code path computed.
    """

    name: str
    make: Callable[[], Any]
    inputs: Callable[[int], tuple[Any, ...]]
    shapes: Callable[[int], Any]
    call: Callable[..., Any] | None = None
    label: str = ""
    cannot: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 1e-5

    def __str__(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name

    def module(self) -> nn.Module:
        """The case as one module from inputs to outputs, in evaluation mode."""
        return _Called(self.make(), self.call).eval()


@dataclass(frozen=True)
class Elsewhere:
    """A public name that is not a function from tensors to tensors, and the file of tests that covers it."""

    name: str
    tests: str

    def __str__(self) -> str:
        return self.name


class _Called(nn.Module):
    """A block, function or method behind ``forward``."""

    def __init__(self, made: Any, call: Callable[..., Any] | None):
        super().__init__()
        self.made = made
        self.call = call

    def forward(self, *inputs: Any) -> Any:
        return self.made(*inputs) if self.call is None else self.call(self.made, *inputs)


def tensors(value: Any) -> list[Tensor]:
    """Every tensor in a nest of lists, tuples and dictionaries, without what else is in it."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [t for item in value for t in tensors(item)] if isinstance(value, (list, tuple)) else []


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same nest with every tensor changed; what is neither tensor nor list, tuple or dict stays."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(mapped(item, change) for item in value)
    return value


def floats(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`mapped` over floating-point tensors alone: labels stay integers."""
    return mapped(value, lambda t: change(t) if t.is_floating_point() else t)


def same(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Fail unless two nests hold the same tensors, to a tolerance relative and absolute."""
    for a, b in zip(tensors(found), tensors(expected), strict=True):
        torch.testing.assert_close(a.double(), b.double(), rtol=tolerance, atol=tolerance)
