"""Which domains a step sees: all of them, or one drawn by weight (numpy only)."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

__all__ = [
    "CycleToLongest",
    "DomainSize",
    "Mixing",
    "Schedule",
    "ShuffledDomains",
    "StopAtShortest",
    "TemperatureMixing",
    "Turn",
    "WeightedMixing",
]


class DomainSize(NamedTuple):
    """How much a domain has: its samples, and the whole batches (over all processes) that they make."""

    samples: int
    batches: int


class Turn(NamedTuple):
    """A domain's part of a step: batch ``place`` of the domain's own ``epoch``, both counted from 0."""

    domain: str
    epoch: int
    place: int


class Schedule(Protocol):
    """A `Mixing` of certain domains. It must pickle: worker processes are sent one."""

    @property
    def steps_per_epoch(self) -> int:
        """What ends an epoch; steps go on beyond it."""

    def turns(self, step: int) -> list[Turn]:
        """The turns of a step, in the order in which its batches come; a function of the step alone."""


class Mixing(Protocol):
    """How domains share the steps. Anything with this method will do.

    Its repr should say all that it depends on: a loader's state holds it, to be resumed with the same alone.
    """

    def schedule(self, sizes: Mapping[str, DomainSize], seed: int) -> Schedule:
        """The schedule for domains of these sizes; everything random in it derives from ``seed``."""


def check_mixing(mixing: object) -> None:
    """Raise a ValueError for what is no mixing: a name, or a class that was not called."""
    if isinstance(mixing, type):
        raise ValueError(
            f"mixing must be a mixing, got the class {mixing.__name__}: build one, {mixing.__name__}(...)"
        )
    if not callable(getattr(mixing, "schedule", None)):
        raise ValueError(
            f"mixing must be a mixing, got {mixing!r}: build one, for example TemperatureMixing(2.0)"
        )


@dataclass(frozen=True)
class StopAtShortest:
    """Every domain in every step; an epoch ends with the shortest domain.

    Args:
        restart: whether every domain begins a new order with each epoch, as a loop over zipped loaders does, so
            that a longer one is sampled from. By default a longer domain goes on where it was and is shuffled
            when it has been gone through, so that it is seen whole.

    >>> sizes = {"s": DomainSize(11, 5), "r": DomainSize(7, 3)}
    >>> schedule = StopAtShortest().schedule(sizes, seed=0)
    >>> schedule.steps_per_epoch, [tuple(turn) for turn in schedule.turns(3)]
    (3, [('s', 0, 3), ('r', 1, 0)])
    >>> [tuple(turn) for turn in StopAtShortest(restart=True).schedule(sizes, seed=0).turns(3)]
    [('s', 1, 0), ('r', 1, 0)]
    """

    restart: bool = False

    def schedule(self, sizes: Mapping[str, DomainSize], seed: int) -> Schedule:
        shortest = min(size.batches for size in sizes.values())
        lengths = {name: shortest if self.restart else size.batches for name, size in sizes.items()}
        return _Together(lengths, shortest)


@dataclass(frozen=True)
class CycleToLongest:
    """Every domain in every step; an epoch ends with the longest domain, and shorter ones are cycled.

    Step by step the batches are those of `StopAtShortest`: what differs is where an epoch ends.

    >>> sizes = {"s": DomainSize(11, 5), "r": DomainSize(7, 3)}
    >>> schedule = CycleToLongest().schedule(sizes, seed=0)
    >>> schedule.steps_per_epoch, [tuple(turn) for turn in schedule.turns(4)]
    (5, [('s', 0, 4), ('r', 1, 1)])
    """

    def schedule(self, sizes: Mapping[str, DomainSize], seed: int) -> Schedule:
        lengths = {name: size.batches for name, size in sizes.items()}
        return _Together(lengths, max(lengths.values()))


@dataclass(frozen=True)
class WeightedMixing:
    """One domain per step, drawn independently with probability in proportion to its weight.

    An epoch has as many steps as all domains together have batches. Each domain goes through its own epochs.

    Args:
        weights: a weight above 0 for every domain; they need not add up to 1.

    Raises:
        ValueError: a weight that is not a finite number above 0; when used, weights for other domains.

    >>> mixing = WeightedMixing({"s": 4, "r": 1})
    >>> schedule = mixing.schedule({"s": DomainSize(11, 5), "r": DomainSize(7, 3)}, seed=0)
    >>> drawn = [schedule.turns(step)[0].domain for step in range(4000)]
    >>> schedule.steps_per_epoch, round(drawn.count("s") / 4000, 1)
    (8, 0.8)
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.weights or not all(0 < weight < math.inf for weight in self.weights.values()):
            given = dict(self.weights)
            raise ValueError(
                f"weights must be finite and > 0, got {given}: leave out what is never to be drawn"
            )
        # One repr for all that are equal.
        given = {name: float(weight) for name, weight in sorted(self.weights.items())}
        object.__setattr__(self, "weights", given)

    def schedule(self, sizes: Mapping[str, DomainSize], seed: int) -> Schedule:
        if set(self.weights) != set(sizes):
            raise ValueError(
                f"weights must be given for each of {list(sizes)}, got {list(self.weights)}: name the same domains"
            )
        return _OneByOne(sizes, np.array([self.weights[name] for name in sizes], dtype=np.float64), seed)


@dataclass(frozen=True)
class TemperatureMixing:
    """One domain per step, drawn independently with probability in proportion to n^(1/T), n its samples.

    Arivazhagan et al. 2019, "Massively Multilingual Neural Machine Translation in the Wild", section 4.2.
    T = 1 draws every sample equally often, T = infinity every domain. An epoch is that of `WeightedMixing`.

    Args:
        temperature: T, above 0; ``math.inf`` is allowed.

    Raises:
        ValueError: a temperature not above 0.

    >>> sizes = {"s": DomainSize(160, 40), "r": DomainSize(10, 2)}
    >>> schedule = TemperatureMixing(2.0).schedule(sizes, seed=0)  # 4 to 1, not 16 to 1
    >>> drawn = [schedule.turns(step)[0].domain for step in range(4000)]
    >>> schedule.steps_per_epoch, round(drawn.count("s") / 4000, 1)
    (42, 0.8)
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(
                f"temperature must be > 0, got {self.temperature}: 1 is proportional, math.inf uniform"
            )
        object.__setattr__(self, "temperature", float(self.temperature))  # one repr for all that are equal

    def schedule(self, sizes: Mapping[str, DomainSize], seed: int) -> Schedule:
        logs = np.log([size.samples for size in sizes.values()])
        return _OneByOne(sizes, np.exp((logs - logs.max()) / self.temperature), seed)


@dataclass(frozen=True)
class ShuffledDomains:
    """Another mixing with the order of a step's domains drawn anew in every step.

    Args:
        mixing: which domains a step sees.

    Raises:
        ValueError: no mixing.

    >>> sizes = {"s": DomainSize(11, 5), "r": DomainSize(7, 3)}
    >>> schedule = ShuffledDomains(CycleToLongest()).schedule(sizes, seed=0)
    >>> {tuple(turn.domain for turn in schedule.turns(step)) for step in range(9)} == {("s", "r"), ("r", "s")}
    True
    """

    mixing: Mixing = field(default_factory=StopAtShortest)

    def __post_init__(self) -> None:
        check_mixing(self.mixing)

    def schedule(self, sizes: Mapping[str, DomainSize], seed: int) -> Schedule:
        return _Shuffled(self.mixing.schedule(sizes, seed), seed)


@dataclass(frozen=True)
class _Together:
    """All domains in every step, each in epochs of its own number of batches."""

    lengths: Mapping[str, int]
    steps_per_epoch: int

    def turns(self, step: int) -> list[Turn]:
        return [Turn(name, *divmod(step, length)) for name, length in self.lengths.items()]


_BLOCK = 4096


class _OneByOne:
    """One domain drawn in every step.

    Draws are made a block of steps at a time. A turn needs to know how often its domain was drawn before; that
    is counted once, block by block, and kept for the block last asked for.
    """

    def __init__(self, sizes: Mapping[str, DomainSize], weights: npt.NDArray[np.float64], seed: int):
        self.names = tuple(sizes)
        self.lengths = tuple(size.batches for size in sizes.values())
        self.steps_per_epoch = sum(self.lengths)
        self._upper = np.cumsum(weights)[:-1] / weights.sum()  # the last domain takes what is left
        self._entropy = (seed, zlib.crc32(b"mixing"))
        self._known = (0, np.zeros(len(self.names), dtype=np.int64), self._draws(0))

    def turns(self, step: int) -> list[Turn]:
        block, position = divmod(step, _BLOCK)
        before, draws = self._block(block)
        drawn = int(draws[position])
        visits = int(before[drawn]) + int((draws[:position] == drawn).sum())
        return [Turn(self.names[drawn], *divmod(visits, self.lengths[drawn]))]

    def _draws(self, block: int) -> npt.NDArray[np.intp]:
        uniform = np.random.default_rng([*self._entropy, block]).random(_BLOCK)
        return np.searchsorted(self._upper, uniform, side="right")

    def _block(self, block: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp]]:
        known, before, draws = self._known  # read once: two threads may ask at the same time
        if block < known:
            known, before, draws = 0, np.zeros_like(before), self._draws(0)
        while known < block:
            before = before + np.bincount(draws, minlength=len(self.names))
            known, draws = known + 1, self._draws(known + 1)
        self._known = known, before, draws
        return before, draws


class _Shuffled:
    def __init__(self, schedule: Schedule, seed: int):
        self.inner, self._entropy = schedule, (seed, zlib.crc32(b"order of domains"))

    @property
    def steps_per_epoch(self) -> int:
        return self.inner.steps_per_epoch

    def turns(self, step: int) -> list[Turn]:
        turns = self.inner.turns(step)
        order = np.random.default_rng([*self._entropy, step]).permutation(len(turns))
        return [turns[place] for place in order.tolist()]
