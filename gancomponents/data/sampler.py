"""Which samples each step reads, a pure function of the step (numpy only)."""

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gancomponents.data.mixing import DomainSize, Mixing, StopAtShortest, check_mixing
from gancomponents.data.permutation import Permutation

__all__ = ["DomainSampler", "Draw"]


class Draw(NamedTuple):
    """A domain's samples in one step, and the domain's own epoch."""

    epoch: int
    indices: list[int]


class DomainSampler:
    """The rows that a step reads from every domain; it knows lengths alone, no data.

    ``draw(step)`` depends on the arguments and the step: there is no state, so any step can be asked for at any
    time, in any process. In each of its epochs a domain is a new `Permutation`; a last incomplete batch is left
    out, and holds other samples in every epoch. Memory and the cost of a step do not grow with the lengths.

    With several processes every step's batch of ``world_size * batch_size`` samples is cut into ``world_size``
    pieces in the order of the ranks: P processes with batches of b read what one with P * b reads.

    Args:
        lengths: samples of each domain.
        batch_size: samples per domain, step and process, one number or one for each domain.
        mixing: which domains share a step, and where an epoch ends; `StopAtShortest` where None.
        seed: decides every order.
        rank: which piece of the batches is this process's.
        world_size: number of processes.

    Raises:
        ValueError: no domains, a batch size below one or for other domains, a domain shorter than the batch of
            all processes, a negative seed, a rank outside ``0..world_size - 1``, no mixing.

    >>> sampler = DomainSampler({"s": 10_000_000, "r": 7}, {"s": 4, "r": 2})
    >>> {name: (draw.epoch, len(draw.indices)) for name, draw in sampler.draw(5).items()}
    {'s': (0, 4), 'r': (1, 2)}
    >>> halves = [DomainSampler({"r": 7}, 1, rank=rank, world_size=2) for rank in (0, 1)]
    >>> [i for half in halves for i in half.draw(5)["r"].indices] == sampler.draw(5)["r"].indices
    True
    """

    def __init__(
        self,
        lengths: Mapping[str, int],
        batch_size: int | Mapping[str, int],
        *,
        mixing: Mixing | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ):
        if not lengths:
            raise ValueError("lengths must hold one or more domains, got none: name a list")
        self.batch_size = sizes_by_domain(batch_size, lengths)
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}: give a whole number")
        if not 0 <= rank < world_size:
            raise ValueError(
                f"rank must be in 0..world_size - 1, got rank {rank} of {world_size}: ranks are counted from 0"
            )
        self.lengths, self.seed, self.rank, self.world_size = dict(lengths), seed, rank, world_size
        for name, length in lengths.items():
            if length < (whole := self.whole_batch(name)):
                raise ValueError(
                    f"lengths must be at least one batch, got {length} of {whole} for {name!r}: "
                    "give more samples or lower batch_size"
                )
        sizes = {n: DomainSize(length, length // self.whole_batch(n)) for n, length in lengths.items()}
        self.mixing: Mixing = StopAtShortest() if mixing is None else mixing
        check_mixing(self.mixing)
        self.schedule = self.mixing.schedule(sizes, seed)
        self._orders: dict[str, tuple[int, Permutation]] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Steps until an epoch ends, see the mixing."""
        return self.schedule.steps_per_epoch

    def whole_batch(self, domain: str) -> int:
        """Samples of a domain that all processes together read in a step."""
        return self.batch_size[domain] * self.world_size

    def draw(self, step: int) -> dict[str, Draw]:
        """What this process reads in a step: domains in the order of their batches.

        Raises:
            ValueError: a negative step.
        """
        if step < 0:
            raise ValueError(f"step must be >= 0, got {step}: steps are counted from 0")
        draws = {}
        for name, epoch, place in self.schedule.turns(step):
            start = place * self.whole_batch(name) + self.rank * self.batch_size[name]
            places = np.arange(start, start + self.batch_size[name])
            draws[name] = Draw(epoch, self._order(name, epoch)[places].tolist())
        return draws

    def _order(self, name: str, epoch: int) -> Permutation:
        """The domain's order in one of its epochs; the last one is kept."""
        known = self._orders.get(name)  # read once: two threads may draw at the same time
        if known is None or known[0] != epoch:
            entropy = (self.seed, zlib.crc32(name.encode()), epoch)
            known = epoch, Permutation(self.lengths[name], entropy)
            self._orders[name] = known
        return known[1]


def sizes_by_domain(batch_size: int | Mapping[str, int], domains: Mapping[str, object]) -> dict[str, int]:
    """The batch size of every domain.

    Raises:
        ValueError: a batch size below one, or for other domains.
    """
    sizes = dict(batch_size) if isinstance(batch_size, Mapping) else dict.fromkeys(domains, batch_size)
    if set(sizes) != set(domains) or min(sizes.values()) < 1:
        raise ValueError(
            f"batch_size must be >= 1 for each of {list(domains)}, got {batch_size}: give one number"
        )
    return sizes
