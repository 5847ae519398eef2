"""Phases of a run as data: what is on from when, and which moment a step is."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from gancomponents.errors import check_whole

#: The phase in which a run trains on Virtual KITTI 2 alone.
PRETRAIN = "pretrain"
UNITS = ("step", "epoch")

Span = tuple[int, int | None]


@dataclass(frozen=True)
class Moment:
    """Where a run is before one of its steps.

    Attributes:
        epoch: epochs finished, pre-training included; steps, where those are the unit.
        time: what learning-rate schedules count: epochs (or steps) since pre-training ended.
        on: the phases that are on.
    """

    epoch: int
    time: int
    on: frozenset[str]


class Phases:
    """What is on from when.

    Args:
        spans: for each phase the epoch it starts with and the epoch before which it ends, None for never:
            ``{"pretrain": (0, 10), "painter_for_masker": (49, None)}``.
        unit: what is counted, "epoch" or "step"; in the latter case an epoch is one step, here and in `Moment`.

    Raises:
        ValueError: an unknown unit, a span that is none, or pre-training that does not begin and end a run's start.

    >>> phases = Phases({"pretrain": (0, 2), "pseudo/s": (1, 3)}, unit="epoch")
    >>> timeline = phases.timeline(steps_per_epoch=5, pretrain_steps_per_epoch=3)
    >>> [(step, timeline.moment(step).epoch, sorted(timeline.moment(step).on)) for step in (0, 3, 6, 11)]
    [(0, 0, ['pretrain']), (3, 1, ['pretrain', 'pseudo/s']), (6, 2, ['pseudo/s']), (11, 3, [])]
    """

    def __init__(self, spans: Mapping[str, Span] | None = None, *, unit: str = "step"):
        if unit not in UNITS:
            raise ValueError(f"unit must be one of {UNITS}, got {unit!r}: choose one")
        self.unit = unit
        if not isinstance(spans or {}, Mapping):
            raise ValueError(f"phases must be {{name: (first, last + 1)}}, got {spans!r}: write a dictionary")
        self.spans: dict[str, Span] = {}
        for name, span in (spans or {}).items():
            self.spans[name] = _checked(name, span)
        start, end = self.spans.get(PRETRAIN, (0, 0))
        if start != 0 or end is None:
            raise ValueError(
                f"phases[{PRETRAIN!r}] must start at 0 and end, got {(start, end)}: such as (0, 10)"
            )
        self.pretraining = end

    def check(self, known: Collection[str]) -> None:
        """Raise a ValueError for a phase that is not among the known ones."""
        for name in self.spans:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
                hint = f"did you mean {near[0]!r}?" if near else "this system has no phases"
                raise ValueError(f"phases must be among {', '.join(known)}, got {name!r}: {hint}")

    def timeline(self, *, steps_per_epoch: int, pretrain_steps_per_epoch: int = 1) -> "Timeline":
        """The phases over the steps of a run whose epochs are of these lengths."""
        if self.unit == "step":
            steps_per_epoch = pretrain_steps_per_epoch = 1
        return Timeline(self, steps_per_epoch, pretrain_steps_per_epoch)


@dataclass(frozen=True)
class Timeline:
    """Phases laid out over steps; everything it says is a function of the step, so a run resumes exactly.

    Attributes:
        phases: what is laid out.
        steps_per_epoch: length of an epoch after pre-training.
        pretrain_steps_per_epoch: length of one within.
    """

    phases: Phases
    steps_per_epoch: int
    pretrain_steps_per_epoch: int

    @property
    def pretrain_steps(self) -> int:
        """Steps of pre-training, an even number: extragradient steps come in pairs."""
        steps = self.phases.pretraining * self.pretrain_steps_per_epoch
        return steps + steps % 2

    def steps(self, epochs: int) -> int:
        """The number of steps of so many epochs, pre-training included."""
        return self.pretrain_steps + max(0, epochs - self.phases.pretraining) * self.steps_per_epoch

    def moment(self, step: int) -> Moment:
        """The moment before step ``step``, counted from 0."""
        first = self.phases.pretraining
        if step < self.pretrain_steps:
            epoch, time = min(step // self.pretrain_steps_per_epoch, first - 1), 0
        else:
            time = (step - self.pretrain_steps) // self.steps_per_epoch
            epoch = first + time
        spans = self.phases.spans.items()
        on = frozenset(n for n, (start, end) in spans if start <= epoch and (end is None or epoch < end))
        return Moment(epoch, time, on)

    def units(self, step: int) -> int:
        """Steps, or whole epochs, that are over when ``step`` steps are done."""
        return step if self.phases.unit == "step" else self.moment(step).epoch

    def due(self, step: int, every: int) -> bool:
        """Whether something that happens every so many units is due after ``step`` steps."""
        done = self.units(step)
        return done != self.units(step - 1) and done % every == 0

    def stages(self, first: int, stop: int) -> Iterator[tuple[bool, int, int]]:
        """The steps from ``first`` to ``stop - 1`` by where their data comes from.

        Yields:
            Whether it is pre-training, and the stage's first and last-but-one step, counted from its own start.
        """
        boundary = self.pretrain_steps
        if first < min(boundary, stop):
            yield True, first, min(boundary, stop)
        if max(first, boundary) < stop:
            yield False, max(first, boundary) - boundary, stop - boundary


def _checked(name: str, span: object) -> Span:
    fix = f"write phases[{name!r}] = (first, last + 1), or (first, None) for one that never ends"
    if not isinstance(span, (tuple, list)) or len(span) != 2:
        raise ValueError(f"phases[{name!r}] must be a pair, got {span!r}: {fix}")
    start = check_whole(f"phases[{name!r}]", span[0], minimum=0, fix=fix)
    end = None if span[1] is None else check_whole(f"phases[{name!r}]", span[1], minimum=start + 1, fix=fix)
    return start, end
