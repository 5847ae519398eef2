"""The files of one frame, by domain: which there are, how they are written, what the lists say of them."""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gancomponents.data.depth import encode_simulator_depth
from gancomponents.data.images import write_image
from gancomponents.data.labels import KITTI_COLOURS
from gancomponents.data.town.pseudo import pseudo_depth, pseudo_ground, pseudo_labels
from gancomponents.data.town.render import Frame, render_frame

__all__ = ["DOMAINS", "SPLITS", "Job", "list_rows", "write_frame"]

DOMAINS = ("s", "r", "rf", "kitti")
SPLITS = ("train", "val")

# Virtual KITTI 2's id for each common id; water and people, which it lacks, are undefined there.
_COMMON_TO_KITTI = np.array([14, 5, 4, 7, 3, 0, 12, 2, 14, 1, 10])

_FILES = {
    "s": {"x": "x.png", "m": "m.png", "s": "s.png", "d": "d.png"},
    "r": {"x": "x.png", "m": "m.png", "s": "s.npy", "d": "d.npy"},
    "rf": {"x": "x.png", "m": "m.png"},
}
_TRUTH = {
    "r": {"x": "x.png", "m": "true_m.png", "s": "true_s.png", "d": "metres.npy"},
    "rf": {"x": "dry.png", "m": "m.png"},
}


@dataclass(frozen=True)
class Job:
    """One frame to render.

    Args:
        domain: of `DOMAINS`.
        split: of `SPLITS`.
        index: of the frame in its list.
        size: height and width, pixels.
        seed: of the town.
    """

    domain: str
    split: str
    index: int
    size: int
    seed: int

    def rng(self, purpose: str) -> np.random.Generator:
        """Random numbers that belong to this frame and purpose alone."""
        # r and rf show other streets than s; val other ones than train.
        words = (self.domain, self.split, purpose)
        return np.random.default_rng([self.seed, self.index, *(zlib.crc32(w.encode()) for w in words)])


def list_rows(job: Job) -> tuple[dict[str, str], dict[str, str] | None]:
    """The frame's row in its list, and its row in the list of truths where there is one; relative paths.

    >>> list_rows(Job("rf", "val", 3, 128, 0))[1]
    {'x': 'rf/val/00003_dry.png', 'm': 'rf/val/00003_m.png'}
    """
    if job.domain == "kitti":
        return _kitti_paths(job), None
    stem = f"{job.domain}/{job.split}/{job.index:05d}_"
    truth = _TRUTH.get(job.domain)
    row = {task: stem + name for task, name in _FILES[job.domain].items()}
    return row, None if truth is None else {task: stem + name for task, name in truth.items()}


def _kitti_paths(job: Job) -> dict[str, str]:
    """Virtual KITTI 2's own layout: a scene for each split, one variation, one camera."""
    frames = f"vkitti/Scene{1 + SPLITS.index(job.split):02d}/clone/frames"
    number = f"{job.index:05d}"
    return {
        "x": f"{frames}/rgb/Camera_0/rgb_{number}.jpg",
        "s": f"{frames}/classSegmentation/Camera_0/classgt_{number}.png",
        "d": f"{frames}/depth/Camera_0/depth_{number}.png",
    }


def write_frame(folder: Path, job: Job) -> bool:
    """Render a frame and write its files, each atomically; a frame that is there already is left alone.

    Returns:
        Whether it was rendered.
    """
    row, truth = list_rows(job)
    paths = {folder / name for name in (*row.values(), *(truth or {}).values())}
    if job.domain == "s":
        paths.add(folder / row["d"].replace("d.png", "metres.npy"))
    if all(path.exists() for path in paths):
        return False
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    street = int(job.rng("street").integers(2**31))
    real = job.domain in ("r", "rf")
    frame = render_frame(street, size=job.size, look="r" if real else "s", flooded=job.domain == "rf")
    {"s": _write_s, "r": _write_r, "rf": _write_rf, "kitti": _write_kitti}[job.domain](
        folder, job, frame, row, street
    )
    return True


def _write_s(folder: Path, job: Job, frame: Frame, row: dict[str, str], street: int) -> None:
    write_image(folder / row["x"], frame.image)
    write_image(folder / row["m"], _grey(frame.mask))
    write_image(folder / row["s"], frame.labels)
    write_image(folder / row["d"], encode_simulator_depth(frame.depth))
    _write_array(folder / row["d"].replace("d.png", "metres.npy"), frame.depth)


def _write_r(folder: Path, job: Job, frame: Frame, row: dict[str, str], street: int) -> None:
    truth = list_rows(job)[1] or {}
    guess = pseudo_labels(frame.labels, job.rng("labels"))
    write_image(folder / row["x"], frame.image)
    write_image(folder / row["m"], _grey(pseudo_ground(guess)))
    _write_array(folder / row["s"], guess)
    _write_array(folder / row["d"], pseudo_depth(frame.depth, job.rng("depth")))
    write_image(folder / truth["m"], _grey(frame.mask))
    write_image(folder / truth["s"], frame.labels)
    _write_array(folder / truth["d"], frame.depth)


def _write_rf(folder: Path, job: Job, frame: Frame, row: dict[str, str], street: int) -> None:
    truth = list_rows(job)[1] or {}
    dry = render_frame(street, size=job.size, look="r", flooded=False)
    write_image(folder / truth["x"], dry.image)
    write_image(folder / row["m"], _grey(frame.mask))
    write_image(folder / row["x"], frame.image)


def _write_kitti(folder: Path, job: Job, frame: Frame, row: dict[str, str], street: int) -> None:
    write_image(folder / row["x"], frame.image)
    write_image(folder / row["s"], KITTI_COLOURS[_COMMON_TO_KITTI[frame.labels]])
    write_image(folder / row["d"], np.minimum(np.rint(frame.depth * 100), 65535).astype(np.uint16))


def _grey(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    return np.where(mask, np.uint8(255), np.uint8(0))


def _write_array(path: Path, array: npt.NDArray[np.generic]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.save(file, array)
    os.replace(partial, path)
