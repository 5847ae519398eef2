"""Numerical faults: found and undone on the device, and told to the host one step late, so that nothing waits."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

POLICIES = ("stop", "skip")
_UNREAD = 64  # steps
#: The flag of a fault that another of several processes has found.
ELSEWHERE = "a loss in some process"

#: Starts bringing a tensor to the host; what it returns waits for it (`Runtime.defer`).
Defer = Callable[[Tensor], Callable[[], Tensor]]


@dataclass(frozen=True)
class Fault:
    """What was not finite in a step, whose updates have been undone.

    Attributes:
        step: steps done before it.
        names: the loss terms, or "gradients of the <player>".
    """

    step: int
    names: tuple[str, ...]


class FaultWatch:
    """Gathers the flags of a step on the device, and reads those of the step before.

    Args:
        policy: "stop": after a fault every update is undone, so that the weights are those before it when the host
            hears of it. "skip": only the updates of that step are.
        defer: see `Runtime.defer`.
        device: of the flags.

    Raises:
        ValueError: an unknown policy.

    >>> watch = FaultWatch("skip", lambda tensor: lambda: tensor)
    >>> bad = watch.add(7, {"masker/d/depth/s": torch.tensor(False), "painter/p/gan/rf": torch.tensor(True)})
    >>> bad, watch.read()
    (tensor(True), None)
    >>> _ = watch.add(8, {"masker/d/depth/s": torch.tensor(False)})
    >>> watch.read()
    Fault(step=7, names=('painter/p/gan/rf',))
    """

    def __init__(self, policy: str, defer: Defer, device: torch.device | str = "cpu"):
        if policy not in POLICIES:
            raise ValueError(f"on_fault must be one of {POLICIES}, got {policy!r}: choose one")
        self._sticky, self._defer = policy == "stop", defer
        self._bad = torch.tensor(False, device=device)
        self._told: dict[int, list[tuple[tuple[str, ...], Callable[[], Tensor]]]] = {}

    def add(self, step: int, flags: Mapping[str, Tensor]) -> Tensor:
        """Enter flags, scalars that are True where something is not finite; return whether to undo the update.

        Raises:
            FloatingPointError: for a fault that nobody has read in many steps.
        """
        if len(self._told) > _UNREAD and (fault := self.read()) is not None:
            raise FloatingPointError(
                f"{', '.join(fault.names)} not finite in step {fault.step}, and nobody has asked: call fault() of "
                "the loop after every step"
            )
        stacked = torch.stack(list(flags.values()))
        bad = stacked.any()
        if self._sticky or step in self._told:
            bad = bad | self._bad
        self._bad = bad
        self._told.setdefault(step, []).append((tuple(flags), self._defer(stacked)))
        return bad

    def clear(self) -> None:
        """Start anew, as after weights from before a fault have been loaded."""
        self._bad = torch.zeros_like(self._bad)
        self._told.clear()

    def read(self, *, now: bool = False) -> Fault | None:
        """The first fault that is not read yet: of the steps before the last one, or with ``now`` of that too."""
        last = max(self._told, default=-1)
        for step in sorted(self._told):
            if step == last and not now:
                break
            found = [
                name
                for names, flags in self._told.pop(step)
                for name, flag in zip(names, flags().tolist(), strict=True)
                if flag
            ]
            if found:
                return Fault(step, tuple(found))
        return None


@torch.no_grad()
def step_unless(bad: Tensor, optimiser: Optimizer) -> None:
    """``optimiser.step()``, undone on the device where ``bad``, without waiting to know.

    On a CPU, where there is nothing to wait for, a good step is just made. Elsewhere weights and moments are copied
    before the step, when the activations are gone from memory. Where an optimiser has moved the weights off an
    anchor (`gancomponents.optim.ExtraAdam`), they go back to it. What it counts on another device than the weights
    (torch's Adam on CUDA does) goes on counting.

    >>> weight = nn.Parameter(torch.ones(1))
    >>> adam = torch.optim.Adam([weight], lr=0.5)
    >>> weight.grad = torch.tensor([float("nan")])
    >>> step_unless(torch.tensor(True), adam)
    >>> weight.item(), adam.state[weight]["exp_avg"].item()
    (1.0, 0.0)
    """
    if _known_good(bad):
        optimiser.step()
        return
    found = _tensors(optimiser)
    before = {(p, key): value.clone() for p, key, value in found}
    before |= {(p, _WEIGHT): copy for (p, key), copy in before.items() if key == _ANCHOR}
    optimiser.step()
    for p, key, value in _tensors(optimiser):
        if key == _ANCHOR or value.device != bad.device:
            continue  # an anchor is a copy of weights from before the step, which no gradient has touched
        old = before.get((p, key))
        value.copy_(torch.where(bad, torch.zeros_like(value) if old is None else old, value))


class Buffers:
    """The buffers of some modules, batch statistics and spectral vectors, kept to come back to.

    Those outside of checkpoints are constants, and left alone.

    >>> norm = nn.BatchNorm2d(1)
    >>> buffers = Buffers([norm])
    >>> buffers.keep()
    >>> _ = norm(torch.full((1, 1, 2, 2), float("nan")))
    >>> buffers.restore(torch.tensor(True)); norm.running_mean
    tensor([0.])
    """

    def __init__(self, modules: Iterable[nn.Module]):
        self._names = [(module, module.state_dict().keys()) for module in modules]
        self._kept: list[Tensor] = []

    @torch.no_grad()
    def keep(self) -> None:
        """Remember them as they stand."""
        self._kept = [buffer.clone() for buffer in self._current()]

    @torch.no_grad()
    def restore(self, bad: Tensor) -> None:
        """Put them back where ``bad``, on the device."""
        if _known_good(bad):
            return
        for buffer, kept in zip(self._current(), self._kept, strict=True):
            buffer.copy_(torch.where(bad, kept, buffer))

    def _current(self) -> list[Tensor]:
        # Looked up each time: a spectral norm in training replaces its vectors.
        return [b for module, names in self._names for n, b in module.named_buffers() if n in names]


def _known_good(bad: Tensor) -> bool:
    """Whether it takes no waiting to know that nothing is to be undone."""
    return bad.device.type == "cpu" and not bad


_WEIGHT, _ANCHOR = "weight", "anchor"


def _tensors(optimiser: Optimizer) -> list[tuple[Tensor, str, Tensor]]:
    """Every tensor that a step may change: parameter, what it is of it, tensor."""
    found = []
    for group in optimiser.param_groups:
        for p in group["params"]:
            found.append((p, _WEIGHT, p.detach()))
            state = optimiser.state.get(p, {})
            found += [(p, key, value) for key, value in state.items() if isinstance(value, Tensor)]
    return found
