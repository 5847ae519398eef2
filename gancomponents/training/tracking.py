"""The tracker protocol: where scalars and pictures of a run go."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Tracker(Protocol):
    """Anything that records a run. A service's adapter lives in `recipes.trackers`."""

    def start(self, name: str, folder: Path, config: str) -> None:
        """Open the record of the run ``name`` whose files are in ``folder``."""

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Record named scalars of one step."""

    def image(self, step: int, name: str, path: Path) -> None:
        """Record a picture that was written to ``path``."""

    def finish(self) -> None:
        """Close the record; nothing is lost after this."""


class Trackers:
    """Several trackers as one; with none, a tracker that records nothing.

    >>> Trackers([]).log(0, {"loss": 1.0})
    """

    def __init__(self, trackers: Sequence[Tracker]):
        self._trackers = list(trackers)

    def start(self, name: str, folder: Path, config: str) -> None:
        for tracker in self._trackers:
            tracker.start(name, folder, config)

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        for tracker in self._trackers:
            tracker.log(step, scalars)

    def image(self, step: int, name: str, path: Path) -> None:
        for tracker in self._trackers:
            tracker.image(step, name, path)

    def finish(self) -> None:
        for tracker in self._trackers:
            tracker.finish()
