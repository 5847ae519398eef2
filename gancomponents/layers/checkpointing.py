"""Activations computed again in the backward pass instead of kept, exactly."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

T = TypeVar("T")


def checkpointed(function: Callable[..., T], module: nn.Module, *inputs: Any) -> T:
    """``function(*inputs)``, a pass through ``module``, of which only the inputs are kept for the backward pass.

    Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", section 4; the backward pass computes the
    rest again. Values, gradients and buffers are those of the plain call, bit for bit: the second pass sees the
    buffers, the frozen parameters, the autocast and the random numbers of the first, and leaves no trace in the
    statistics of batch norms and the vectors of spectral norms. Without gradients it is the plain call; under
    torch.compile and on XLA too, where the compiler chooses what to compute again.

    Args:
        function: what to compute; what it returns depends on its inputs and the module alone.
        module: whose parameters and buffers it uses.
        inputs: its arguments.

    >>> layer = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    >>> checkpointed(layer, layer, torch.randn(2, 1, 3, 3)).sum().backward()
    >>> layer[1].num_batches_tracked
    tensor(1)
    """
    compiled = torch.compiler.is_compiling() or any(p.device.type == "xla" for p in module.parameters())
    if compiled or not torch.is_grad_enabled():
        return function(*inputs)
    # As it is now: a graph may be gone through later, and more than once.
    seen = _Seen(module)

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), seen

    result: T = checkpoint(function, *inputs, use_reentrant=False, context_fn=contexts)
    return result


class _Seen:
    """A context, entered as often as wanted: in it a module has the buffers that it had when this was made."""

    def __init__(self, module: nn.Module):
        owned = ((part, name, b) for part in module.modules() for name, b in part._buffers.items())
        self._buffers = [(part, name, b.detach().clone()) for part, name, b in owned if b is not None]
        self._parameters = [(p, p.requires_grad) for p in module.parameters()]
        self._live: list[tuple[nn.Module, str, Any]] = []
        self._trained: list[bool] = []

    def __enter__(self) -> None:
        self._live = [(part, name, part._buffers[name]) for part, name, _ in self._buffers]
        self._trained = [p.requires_grad for p, _ in self._parameters]
        # Other tensors in the place of the buffers: nothing is written over that a graph may have kept.
        for part, name, buffer in self._buffers:
            part._buffers[name] = buffer.clone()
        for p, trained in self._parameters:
            p.requires_grad_(trained)

    def __exit__(self, *error: object) -> None:
        for part, name, buffer in self._live:
            part._buffers[name] = buffer
        for (p, _), trained in zip(self._parameters, self._trained, strict=True):
            p.requires_grad_(trained)
