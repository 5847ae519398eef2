"""Progress of a run on the terminal, or in a log file."""

import sys
import time
from collections.abc import Mapping

from tqdm import tqdm

from gancomponents.training import Batch

_QUIET_SECONDS = 20.0


class Progress:
    """A bar with loss, images/s and time left on a terminal; a line every twenty seconds elsewhere.

    Args:
        first: the number of steps done before.
        total: the number of steps in all.
    """

    def __init__(self, first: int, total: int):
        self._total = total
        self._terminal = sys.stderr.isatty()
        self._start, self._first, self._said = time.monotonic(), first, -_QUIET_SECONDS
        self._bar = tqdm(
            total=total, initial=first, unit="step", disable=not self._terminal, dynamic_ncols=True
        )

    def tick(self, step: int) -> None:
        """Note that ``step`` is done."""
        self._bar.update(step - self._bar.n)

    def show(self, step: int, scalars: Mapping[str, float]) -> None:
        """Note that ``step`` is done, with its losses."""
        rate = scalars["images_per_second"]
        sides = {"G": ("masker/", "painter/"), "D": ("critic/",)}
        sums = {
            side: sum(v for k, v in scalars.items() if k.startswith(names)) for side, names in sides.items()
        }
        text = (
            "  ".join(f"loss {side} {value:.3f}" for side, value in sums.items()) + f"  {rate:.1f} images/s"
        )
        self._bar.set_postfix_str(text, refresh=False)
        self.tick(step)
        now = time.monotonic()
        if not self._terminal and (now - self._said >= _QUIET_SECONDS or step == self._total):
            left = (now - self._start) / (step - self._first) * (self._total - step)
            print(f"step {step}/{self._total}  {text}  {_clock(left)} left", file=sys.stderr, flush=True)
            self._said = now

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bar.close()


class Clock:
    """Seconds and images of a run, samples and checkpoints included.

    Args:
        before: seconds that earlier parts of the run took.
        processes: how many see as many images as this one.
    """

    def __init__(self, before: float, processes: int = 1):
        self._processes = processes
        self._mark = time.perf_counter()
        self._start = self._mark - before
        self._images = 0

    def count(self, batch: Batch) -> None:
        self._images += self._processes * sum(len(fields["x"]) for fields in batch.values())

    def elapsed(self) -> float:
        return time.perf_counter() - self._start

    def images_per_second(self) -> float:
        """The rate since the last call."""
        now = time.perf_counter()
        rate = self._images / max(now - self._mark, 1e-9)
        self._mark, self._images = now, 0
        return round(rate, 3)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
