from collections.abc import Mapping
from pathlib import Path

from gancomponents.training import Tracker, Trackers


class _Notebook:
    """A tracker that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def start(self, name: str, folder: Path, config: str) -> None:
        self.told.append(("start", name, folder, config))

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        self.told.append(("log", step, dict(scalars)))

    def image(self, step: int, name: str, path: Path) -> None:
        self.told.append(("image", step, name, path))

    def finish(self) -> None:
        self.told.append(("finish",))


def test_each_tracker_hears_everything_in_order() -> None:
    notebooks = [_Notebook(), _Notebook()]
    trackers: list[Tracker] = list(notebooks)
    together: Tracker = Trackers(trackers)
    together.start("run", Path("folder"), "config")
    together.log(3, {"loss": 0.5})
    together.image(3, "flood", Path("flood.png"))
    together.finish()
    told = [
        ("start", "run", Path("folder"), "config"),
        ("log", 3, {"loss": 0.5}),
        ("image", 3, "flood", Path("flood.png")),
        ("finish",),
    ]
    assert [notebook.told for notebook in notebooks] == [told, told]
