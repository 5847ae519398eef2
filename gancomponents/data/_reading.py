"""A row's files: read as stored, and decoded where a sample wants them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gancomponents.data._places import Places
from gancomponents.data.depth import DepthTarget
from gancomponents.data.geometry import Resize
from gancomponents.data.images import plane, read_array, read_image, read_mask
from gancomponents.data.labels import COLOURS, KITTI_COLOURS, KITTI_TO_COMMON, LABELS, encode_colours
from gancomponents.errors import InputError

__all__ = ["Frame", "Move", "Reader"]

Array = npt.NDArray[Any]
Decode = Callable[[Places], Array]
Move = Callable[[Any, torch.Generator | None], Any]


class Frame:
    """A row's image, and of the maps beside it the places that a transform's first steps have left.

    Args:
        x: the image.
        maps: size of each map, and what decodes it at places.
        extremes: the darkest and brightest value of the image before it was resized.

    Shape: x (3, H, W) uint8.
    """

    def __init__(
        self, x: Tensor, maps: Mapping[str, tuple[tuple[int, ...], Decode]], extremes: tuple[int, int]
    ):
        self.extremes = extremes
        self._decode = {task: decode for task, (_, decode) in maps.items()}
        self._fields: dict[str, Any] = {"x": x}
        self._fields |= {task: Places.of(*size) for task, (size, _) in maps.items()}

    @classmethod
    def of(cls, kept: Mapping[str, Tensor]) -> "Frame":
        """What `tensors` has told."""
        maps = {task: kept[task].numpy() for task in kept if task not in ("x", "extremes")}
        low, high = kept["extremes"].tolist()
        told = {task: (array.shape, partial(_take, array)) for task, array in maps.items()}
        return cls(kept["x"].permute(2, 0, 1), told, (low, high))

    def tensors(self) -> dict[str, Tensor]:
        """All of it, maps decoded. Shape: x (H, W, 3) uint8; maps (h, w); extremes (2,)."""
        fields = self.decoded()
        image = fields.pop("x").permute(1, 2, 0).contiguous()
        maps = {task: field[0].contiguous() for task, field in fields.items()}
        return {"x": image, **maps, "extremes": torch.tensor(self.extremes)}

    def move(self, step: Move, generator: torch.Generator | None = None) -> None:
        """Apply a step that moves pixels."""
        for task in step.smooth if isinstance(step, Resize) else ():
            if isinstance(self._fields.get(task), Places):  # what is interpolated must be decoded
                self._fields[task] = self._tensor(task)
        self._fields = step(self._fields, generator)

    def decoded(self) -> dict[str, Tensor]:
        """The fields where they have been moved. Shape: {field: (C, H, W)}."""
        return {task: self._tensor(task) for task in self._fields}

    def _tensor(self, task: str) -> Tensor:
        field = self._fields[task]
        return torch.from_numpy(self._decode[task](field))[None] if isinstance(field, Places) else field


def _take(array: Array, places: Places) -> Array:
    return places.take(array)


class Reader:
    """Reads images, labels, depth and masks of a domain; see ``DomainDataset`` for the arguments."""

    def __init__(self, domain: str, depth: Callable[[Array], Array], nearest_colours: bool):
        self.domain, self.depth, self.nearest_colours = domain, depth, nearest_colours

    @property
    def settings(self) -> tuple[Any, ...]:
        """Whatever changes what files mean."""
        depth = self.depth
        told = (
            (depth.domain, depth.log, depth.stretch, depth.nearest) if isinstance(depth, DepthTarget) else ()
        )
        return self.domain, self.nearest_colours, told

    def open(self, row: Mapping[str, Path], moves: Sequence[Move] = ()) -> Frame:
        """A row's image and the maps beside it, of one size, after moves that hold no chance."""
        image = read_image(row["x"])
        size = image.shape[:2]
        maps = {}
        for task in (task for task in row if task != "x"):
            stored = self._read(task, row[task])
            _check_size(row[task], stored.shape[:2], row["x"], size)
            maps[task] = size, partial(self._decode, task, stored, row[task])
        frame = Frame(torch.from_numpy(image).permute(2, 0, 1), maps, (int(image.min()), int(image.max())))
        for move in moves:
            frame.move(move)
        return frame

    def check(self, task: str, path: Path, image_path: Path, image: tuple[int, int]) -> None:
        """Complain of a map that is not right, wherever that is in it."""
        stored = self._read(task, path)
        self._decode(task, stored, path, Places.of(*stored.shape[:2]))
        _check_size(path, stored.shape[:2], image_path, image)

    def _read(self, task: str, path: Path) -> Array:
        """The array of a task's file, undecoded apart from masks. Shape: returns (H, W) or (H, W, 3)."""
        if task == "m":
            return read_mask(path)
        stored = read_array(path)
        coded = stored.ndim == 3 and stored.shape[-1] == 3 and (task == "d" or stored.dtype == np.uint8)
        return stored if coded else plane(stored, path)

    def _decode(self, task: str, stored: Array, path: Path, places: Places) -> Array:
        """What `_read` gave, at these places: mask and labels uint8, depth float32. Shape: returns (h, w)."""
        if task == "m":
            return places.take(stored)
        with _about(path):
            if task == "s":
                return self._labels(places.take(stored), path)
            return self._inverse_depth(stored, path, places)

    def _labels(self, stored: Array, path: Path) -> Array:
        if stored.ndim == 3:
            if self.domain == "kitti":
                return KITTI_TO_COMMON[encode_colours(stored, KITTI_COLOURS, self.nearest_colours)]
            return encode_colours(stored, COLOURS["s" if self.domain == "s" else "r"], self.nearest_colours)
        low, high = stored.min(), stored.max()
        if not 0 <= low <= high < len(LABELS) or (
            stored.dtype.kind == "f" and (stored != np.rint(stored)).any()
        ):
            expected, got = f"whole class ids 0..{len(LABELS) - 1}", f"values {low:g} to {high:g}"
            raise InputError(
                str(path), expected=expected, got=got, fix="map the labels to the eleven classes"
            )
        return stored.astype(np.uint8)

    def _inverse_depth(self, stored: Array, path: Path, places: Places) -> Array:
        if type(self.depth) is DepthTarget:
            inverse = plane(self.depth.at(stored, places.take), path)
        else:
            inverse = places.take(plane(self.depth(stored), path))
        if not np.isfinite(inverse).all():
            raise ValueError("expected numbers, got NaN or infinity in the inverse depth")
        return inverse.astype(np.float32, copy=False)


def _check_size(path: Path, size: tuple[int, ...], image_path: Path, image: tuple[int, ...]) -> None:
    """Complain of a map that is not of its image's size."""
    if tuple(size) != tuple(image):
        expected = f"the size of its image {image_path.name}, {image[0]} x {image[1]}"
        got, fix = f"{size[0]} x {size[1]}", "write both at one size"
        raise InputError(str(path), expected=expected, got=got, fix=fix)


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Complaints about an array become complaints about its file."""
    try:
        yield
    except InputError as error:
        what, expected, got, fix = error.args
        about = str(path) if str(path) in what else f"{path}: {what}"
        raise InputError(about, expected=expected, got=got, fix=fix) from error
    except ValueError as error:
        raise InputError(f"{path}: {error}", fix="write the file again in the domain's encoding") from error
