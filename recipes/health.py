"""Is the game going well? A watch over what a run logs: spikes, critics that win or lose, collapse."""

import math
import statistics
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self

from gancomponents.errors import check_whole
from gancomponents.metrics import HEALTHY_RANGES, HealthRange

#: A critic's first loss below this is taken for that of a Wasserstein game, whose zero is no scale.
_LEAST_CHANCE = 0.05


@dataclass(frozen=True)
class Event:
    """A signal has left its range.

    Attributes:
        step, signal, value: which, when, how far.
        threshold: the end of the range that it passed.
        text: a sentence for people.
        first: whether this signal has never left it before; not part of what is written.
    """

    step: int
    signal: str
    value: float
    threshold: float
    text: str
    first: bool = field(default=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """For a line of metrics.jsonl."""
        return {key: value for key, value in asdict(self).items() if key != "first"}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(**entry)


@dataclass
class Track:
    """What is known of one signal so far.

    Attributes:
        range: its healthy values at the worst step.
        worst, worst_step: the value nearest to an end of its range, or furthest beyond.
        spans: the first and last step of each time that it was outside for long enough, and what that is called.
        was_healthy: whether it ever was.
    """

    range: HealthRange
    worst: float = math.nan
    worst_step: int = 0
    spans: list[tuple[int, int, str]] = field(default_factory=list)
    was_healthy: bool = False
    _state: str = "healthy"
    _since: int = 0
    _lines: int = 0

    def observe(self, step: int, value: float, range: HealthRange, patience: int) -> str | None:
        """The name of the state that the signal is in, where it has just been in it for long enough."""
        if math.isnan(self.worst) or _strain(value, range) > _strain(self.worst, self.range):
            self.worst, self.worst_step, self.range = value, step, range
        state = range.status(value)
        if state != self._state:
            self._state, self._since, self._lines = state, step, 0
        self._lines += 1
        self.was_healthy |= state == "healthy"
        if state == "healthy" or self._lines < patience:
            return None
        if self._lines == patience:
            self.spans.append((self._since, step, state))
            return state
        self.spans[-1] = (self._since, step, state)
        return None


class _Reading(NamedTuple):
    signal: str
    value: float
    range: HealthRange
    patience: int


class Health:
    """Watches the scalars of metrics.jsonl, line by line; a pure function of them, so there is nothing to save.

    These signals, by name:

    - ``spike/<total>`` and ``spike/grad_norm/<player>``: a part's total or a player's gradient norm is far above
      its running median: by ``spike_deviations`` median absolute deviations, and ``spike_ratio`` times as large
      (``norm_ratio`` for norms, which flipped labels alone raise fivefold). Lines are compared with lines of the
      same loss terms, so a new phase is no spike.
    - ``level/<critic's term>``: the term over its value in its first line. A new critic knows nothing, so that is
      chance, whatever the kind of game, its label noise and its weight. Critics at chance are common
      in healthy runs; so only those far below ("critic won") and above it ("critic lost") are named. Wasserstein
      games have no such level and are left out: their losses begin near zero, or turn negative. Penalties too.
    - ``gradient_norm_ratio``: generator over critic, see `gancomponents.metrics.HEALTHY_RANGES`.
    - ``still/<term>``: a loss does not move at all, relative to its size, over a whole window.
    - what the system measures on held-out frames, ``health/<name>``, against the ranges that come with it. A
      signal that has not been healthy yet is given twice as long: networks begin flat.

    Args:
        ranges: of the system's signals.
        window: lines that a running median and a standing loss look back on.
        warm_up: lines that must be there before anything is called a spike.
        spike_deviations, spike_ratio: how far above the median a spike is; it must pass both.
        norm_ratio: the second for gradient norms.
        patience: consecutive lines that a critic's level or the ratio must be outside.
        looks: the same for what is measured on held-out frames.
        critic_won, critic_lost: the healthy range of ``level``.
        least_change: a loss that moves less than this stands still.

    Raises:
        ValueError: a number out of range.

    >>> health = Health(warm_up=3)
    >>> for step in range(5):
    ...     _ = health.observe(step, {"painter": 5.0 + step % 2, "painter/p/gan/rf": 1.0})
    >>> [event.signal for event in health.observe(5, {"painter": 50.0, "painter/p/gan/rf": 1.0})]
    ['spike/painter']
    """

    def __init__(
        self,
        ranges: Mapping[str, HealthRange] | None = None,
        *,
        window: int = 20,
        warm_up: int = 5,
        spike_deviations: float = 10.0,
        spike_ratio: float = 4.0,
        norm_ratio: float = 10.0,
        patience: int = 5,
        looks: int = 2,
        critic_won: float = 0.1,
        critic_lost: float = 1.5,
        least_change: float = 1e-6,
    ):
        for name, value, minimum in (
            ("window", window, 2),
            ("warm_up", warm_up, 2),
            ("patience", patience, 1),
        ):
            check_whole(name, value, minimum=minimum)
        check_whole("looks", looks, minimum=1)
        if warm_up > window:
            raise ValueError(f"warm_up must be at most window, got {warm_up} and {window}: raise window")
        if not (spike_ratio > 1 and norm_ratio > 1 and spike_deviations > 0):
            raise ValueError(
                "spike_ratio and norm_ratio must be above 1, spike_deviations above 0, got "
                f"{spike_ratio}, {norm_ratio} and {spike_deviations}: 4, 10 and 10 are usual"
            )
        if not (0 < critic_won < 1 < critic_lost):
            raise ValueError(
                f"critic_won must be in (0, 1) and critic_lost above 1, got {critic_won} and {critic_lost}: "
                "1 is chance"
            )
        if not least_change >= 0:
            raise ValueError(f"least_change must be >= 0, got {least_change}: 1e-6 is usual")
        self.ranges = dict(ranges or {})
        self.window, self.warm_up, self.patience, self.looks = window, warm_up, patience, looks
        self.spike_deviations, self.spike_ratio, self.norm_ratio = spike_deviations, spike_ratio, norm_ratio
        self.level = HealthRange(critic_won, critic_lost, "critic won", "critic lost")
        self.change = HealthRange(least_change, math.inf, "standing still", "")
        self._clear()

    def _clear(self) -> None:
        #: Every signal seen so far, by name, and every event.
        self.tracks: dict[str, Track] = {}
        self.events: list[Event] = []
        self._history: dict[tuple[str, frozenset[str]], deque[float]] = {}
        self._chance: dict[str, float] = {}

    def replay(self, records: Iterable[Mapping[str, Any]]) -> list[Event]:
        """Forget everything, then observe lines of metrics.jsonl; return all events, as when they were live."""
        self._clear()
        for record in records:
            # Whatever is no number of the game is of no signal's name, or not a number.
            numbers = {k: v for k, v in record.items() if isinstance(v, (int, float)) and k != "step"}
            self.observe(record["step"], numbers)
        return list(self.events)

    def observe(self, step: int, scalars: Mapping[str, float]) -> list[Event]:
        """Look at one line; return what has just left its range."""
        events = []
        for signal, value, healthy, patience in self._readings(scalars):
            track = self.tracks.setdefault(signal, Track(healthy))
            first = not track.spans
            if (state := track.observe(step, value, healthy, patience)) is not None:
                threshold = healthy.high if value > healthy.high else healthy.low
                side = "at most" if value > healthy.high else "at least"
                text = f"{signal} is {value:.3g}, {state}; {side} {threshold:.3g} is healthy"
                events.append(Event(step, signal, value, threshold, text, first))
        self.events += events
        return events

    def _readings(self, scalars: Mapping[str, float]) -> Iterator[_Reading]:
        finite = {name: value for name, value in scalars.items() if math.isfinite(value)}
        parts = {name.split("/", 1)[0] for name in finite if "/" in name} & set(finite)
        terms = frozenset(name for name in finite if name.split("/", 1)[0] in parts and "/" in name)
        for name in sorted(parts):
            own = frozenset(term for term in terms if term.startswith(f"{name}/"))
            yield from self._spike(name, finite[name], own, self.spike_ratio)
        for name in sorted(terms):
            yield from self._still(name, finite[name])
            if name.startswith("critic/"):
                yield from self._level(name, finite[name])
        norms = [finite.get(f"grad_norm/{player}") for player in ("generator", "critic")]
        for player, norm in zip(("generator", "critic"), norms, strict=True):
            if norm is not None:
                yield from self._spike(f"grad_norm/{player}", norm, terms, self.norm_ratio)
        ratio = HEALTHY_RANGES["gradient_norm_ratio"]
        if None not in norms and any(norms):
            generator, critic = (float(norm or 0.0) for norm in norms)
            # Of a critic without any gradient the ratio is as good as infinite, which JSON cannot say.
            yield _Reading("gradient_norm_ratio", generator / max(critic, 1e-12), ratio, self.patience)
        for name in sorted(set(self.ranges) & set(finite)):
            begun = name in self.tracks and self.tracks[name].was_healthy
            yield _Reading(name, finite[name], self.ranges[name], self.looks * (1 if begun else 2))

    def _past(self, name: str, terms: frozenset[str]) -> deque[float]:
        return self._history.setdefault((name, terms), deque(maxlen=self.window))

    def _spike(self, name: str, value: float, terms: frozenset[str], ratio: float) -> Iterator[_Reading]:
        past = self._past(name, terms)
        if len(past) >= self.warm_up:
            median = statistics.median(past)
            deviation = statistics.median(abs(x - median) for x in past)
            above = max((ratio - 1) * abs(median), self.spike_deviations * deviation)
            yield _Reading(f"spike/{name}", value, HealthRange(-math.inf, median + above, "", "a spike"), 1)
        past.append(value)

    def _still(self, name: str, value: float) -> Iterator[_Reading]:
        past = self._past(name, frozenset())
        past.append(value)
        middle = abs(statistics.median(past))
        # A loss of nothing is content, not stuck.
        if len(past) == self.window and middle > 0:
            yield _Reading(f"still/{name}", (max(past) - min(past)) / middle, self.change, 1)

    def _level(self, name: str, value: float) -> Iterator[_Reading]:
        if "penalty" in name:
            return
        chance = self._chance.setdefault(name, value)
        if value < 0:
            self._chance[name] = -1.0
        elif chance >= _LEAST_CHANCE:
            yield _Reading(f"level/{name}", value / chance, self.level, self.patience)


def _strain(value: float, healthy: HealthRange) -> float:
    """How near to an end of its range a value is, or how far beyond, relative to that end."""
    below = (healthy.low - value) / (abs(healthy.low) or 1.0) if math.isfinite(healthy.low) else -math.inf
    above = (value - healthy.high) / (abs(healthy.high) or 1.0) if math.isfinite(healthy.high) else -math.inf
    return max(below, above)
