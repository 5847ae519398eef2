"""Learning-rate schedules as pure functions of the step, so that resuming is exact."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.optim import Optimizer

#: From the number of steps already done to the factor on the base learning rate.
Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """The same learning rate throughout.

    >>> Constant()(1000)
    1.0
    """

    def __call__(self, step: int) -> float:
        return 1.0


@dataclass(frozen=True)
class StepDecay:
    """gamma^floor(step / every).

    Args:
        every: steps between decays, at least 1.
        gamma: factor of a decay, positive.

    Raises:
        ValueError: a value out of range.

    >>> [StepDecay(every=5)(step) for step in (0, 4, 5, 10)]
    [1.0, 1.0, 0.5, 0.25]
    """

    every: int
    gamma: float = 0.5

    def __post_init__(self) -> None:
        _check("every", self.every, at_least=1)
        _check_gamma(self.gamma)

    def __call__(self, step: int) -> float:
        return float(self.gamma ** (step // self.every))


@dataclass(frozen=True)
class MultiStep:
    """gamma^(number of milestones reached).

    With ``start`` and ``every`` there is no last milestone, where upstream has none from 1000 on.

    Args:
        milestones: the steps at which to decay.
        start, every: in place of milestones: decay at ``start`` and then every ``every`` steps.
        gamma: factor of a decay, positive.

    Raises:
        ValueError: neither or both ways of saying when, or a value out of range.

    >>> [MultiStep((3, 7))(step) for step in (2, 3, 7)]
    [1.0, 0.5, 0.25]
    >>> [MultiStep(start=10, every=5)(step) for step in (9, 10, 14, 15)]
    [1.0, 0.5, 0.5, 0.25]
    """

    milestones: tuple[int, ...] | None = None
    start: int | None = None
    every: int | None = None
    gamma: float = 0.5

    def __post_init__(self) -> None:
        repeating = self.start is not None and self.every is not None
        partly = self.start is not None or self.every is not None
        if (self.milestones is None) != repeating or (self.milestones is not None and partly):
            raise ValueError(
                f"milestones must be given, or both start and every instead, got "
                f"milestones={self.milestones}, start={self.start}, every={self.every}: choose one way"
            )
        if self.milestones is not None:
            object.__setattr__(self, "milestones", tuple(self.milestones))
        if self.start is not None and self.every is not None:
            _check("start", self.start, at_least=0)
            _check("every", self.every, at_least=1)
        _check_gamma(self.gamma)

    def __call__(self, step: int) -> float:
        if self.start is not None and self.every is not None:
            reached = 0 if step < self.start else 1 + (step - self.start) // self.every
        else:
            reached = sum(milestone <= step for milestone in self.milestones or ())
        return float(self.gamma**reached)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 to ``final`` over ``steps``, then ``final``.

    Loshchilov & Hutter 2017 ("SGDR"), Eq. (5), without restarts.

    Args:
        steps: length of the decay, at least 1.
        final: the factor at its end, in [0, 1].

    Raises:
        ValueError: a value out of range.

    >>> [round(Cosine(10)(step), 3) for step in (0, 5, 10, 11)]
    [1.0, 0.5, 0.0, 0.0]
    """

    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        _check("steps", self.steps, at_least=1)
        if not 0 <= self.final <= 1:
            raise ValueError(f"final must be in [0, 1], got {self.final}: it is a factor")

    def __call__(self, step: int) -> float:
        progress = min(step / self.steps, 1.0)
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Warmup:
    """Another schedule times (step + 1) / ``steps``, until that reaches 1.

    Goyal et al. 2017 ("Accurate, Large Minibatch SGD"), section 2.2. The other schedule is not delayed.

    Args:
        steps: length of the warm-up, at least 1.
        schedule: what to warm up to.

    Raises:
        ValueError: a value out of range.

    >>> [Warmup(4, StepDecay(every=5))(step) for step in (0, 1, 3, 4, 5)]
    [0.25, 0.5, 1.0, 1.0, 0.5]
    """

    steps: int
    schedule: Schedule = Constant()

    def __post_init__(self) -> None:
        _check("steps", self.steps, at_least=1)

    def __call__(self, step: int) -> float:
        return min(1.0, (step + 1) / self.steps) * self.schedule(step)


def set_learning_rate(optimizer: Optimizer, schedule: Schedule, step: int) -> None:
    """Give every group its base learning rate times ``schedule(step)``.

    The base is the rate at the first call, kept as the group's ``initial_lr`` and hence in the state dict.

    Args:
        optimizer: any.
        schedule: from the step to a factor.
        step: steps already done.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    >>> set_learning_rate(optimizer, StepDecay(every=5), 5)
    >>> optimizer.param_groups[0]["lr"]
    0.05
    """
    factor = schedule(step)
    for group in optimizer.param_groups:
        rate = group["lr"]
        base = group.setdefault("initial_lr", rate.clone() if isinstance(rate, Tensor) else rate)
        if isinstance(rate, Tensor):
            rate.copy_(base * factor)
        else:
            group["lr"] = base * factor


def _check(name: str, value: int, *, at_least: int) -> None:
    if value < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {value}: count in steps")


def _check_gamma(gamma: float) -> None:
    if gamma <= 0:
        raise ValueError(f"gamma must be positive, got {gamma}: 1 keeps the rate")
