"""Where the time goes: seconds by stage, of a device that works while Python goes on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Seconds spent in named stages, added up over all images.

    Args:
        device: it is waited for at the end of each stage, or its work would count for a later one.

    >>> watch = Stopwatch()
    >>> with watch.stage("read"): pass
    >>> list(watch.seconds)
    ['read']
    """

    def __init__(self, device: torch.device | None = None):
        self.device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        self._wait()
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._wait()
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin

    def _wait(self) -> None:
        if self.device is not None and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def table(self, images: int) -> str:
        """A line for each stage, and one for all of them: seconds, milliseconds an image, images a second.

        >>> watch = Stopwatch()
        >>> watch.seconds = {"read": 0.5, "paint": 1.5}
        >>> print(watch.table(4))
        stage        seconds    ms/image    images/s
        read           0.500       125.0        8.00
        paint          1.500       375.0        2.67
        all            2.000       500.0        2.00
        """
        lines = [f"{'stage':10s}{'seconds':>10s}{'ms/image':>12s}{'images/s':>12s}"]
        for name, seconds in {**self.seconds, "all": sum(self.seconds.values())}.items():
            rate = images / max(seconds, 1e-9)
            lines.append(f"{name:10s}{seconds:10.3f}{1000 * seconds / max(images, 1):12.1f}{rate:12.2f}")
        return "\n".join(lines)
