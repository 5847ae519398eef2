"""One domain's samples: files in, tensors in the ranges that every network here expects out."""

import inspect
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gancomponents.data.depth import DepthTarget
from gancomponents.data.images import plane, read_array, read_image, read_mask
from gancomponents.data.labels import COLOURS, KITTI_COLOURS, KITTI_TO_COMMON, LABELS, encode_colours
from gancomponents.data.lists import FileList, check_exist, list_of_rows, read_list
from gancomponents.errors import InputError

__all__ = ["DOMAINS", "DomainDataset"]

#: Real, simulated, real flooded, Virtual KITTI 2.
DOMAINS = ("r", "s", "rf", "kitti")
Array = npt.NDArray[Any]
Transform = Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]]
Files = str | os.PathLike[str] | Sequence[Mapping[str, str | os.PathLike[str]]]

#: What a depth file means where the caller does not say.
_DEPTH: dict[str, Callable[[Array], Array]] = {domain: DepthTarget(domain) for domain in DOMAINS}


class DomainDataset:
    """The samples of one list, of one domain.

    What ``sample(index, epoch)`` returns depends on its arguments and the seed alone, whatever was asked
    before and in whichever process or thread; torch's global generator is neither read nor moved.
    ``dataset[index]`` is ``sample(index)``, so that torch's ``DataLoader`` takes it too; it sees epoch 0 alone,
    each sample augmented in one way.

    Args:
        files: JSON or YAML list of ``{task: path}``, see ``read_list``; or the rows themselves, whose relative
            paths start in the working directory.
        domain: how labels and depth are stored: "r", "s", "rf" or "kitti"; "r" for plain images.
        tasks: what a sample holds, in this order: "x" image, "s" labels, "d" depth, "m" mask; "x" always comes
            first.
        transform: called with ``({field: (C, H, W)}, generator)``, returns such fields; usually a
            ``JointTransform``.
        depth: inverse depth (H, W) of the array stored in a depth file; None for the domain's rule: s, the
            simulator's RGB code or metres in floating point, inverted; kitti, 16-bit centimetres, inverted;
            r and rf, inverse depth of unknown scale, stretched to 0..1.
        stretch: stretch each image to its own darkest and brightest value, as upstream does.
        nearest_colours: whether unknown colours of a colour-coded label file take the nearest class;
            otherwise they are an error.
        min_size: shortest image side that ``check`` accepts; the transform's ``size`` where None.
        max_samples: use this many rows from the top of the list; all where None.
        skip_incomplete: leave out rows that lack one of the tasks; otherwise such a row is an error.
        partial: take rows that lack some of the tasks, too; their samples lack them.
        seed: first ingredient of every random decision.

    Raises:
        InputError: the list is missing or malformed, lacks a task or lists files that are not there.
        ValueError: an unknown domain or task, a transform that does not take two arguments.

    >>> import json, tempfile
    >>> from gancomponents.data import DomainDataset, JointTransform, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(Path(folder, "a.png"), np.full((40, 50, 3), 255, np.uint8))
    ...     files = Path(folder, "train_r.json")
    ...     _ = files.write_text('[{"x": "a.png"}]')
    ...     sample = DomainDataset(files, "r", tasks=["x"], transform=JointTransform(32)).sample(0)
    >>> sample["x"].shape, sample["x"].max().item()
    (torch.Size([3, 32, 32]), 1.0)
    """

    def __init__(
        self,
        files: Files,
        domain: str,
        *,
        tasks: Sequence[str],
        transform: Transform,
        depth: Callable[[Array], Array] | None = None,
        stretch: bool = False,
        nearest_colours: bool = False,
        min_size: int | None = None,
        max_samples: int | None = None,
        skip_incomplete: bool = False,
        partial: bool = False,
        seed: int = 0,
    ):
        if skip_incomplete and partial:
            raise ValueError(
                "skip_incomplete and partial must not both be True: skip such rows, or take them"
            )
        if domain not in DOMAINS:
            raise ValueError(
                f"domain must be one of {DOMAINS}, got {domain!r}: it says how labels and depth are stored; "
                "take 'r' for plain images"
            )
        unknown = [task for task in tasks if task not in ("x", "s", "d", "m")]
        if unknown:
            raise ValueError(
                f"tasks must be among 'x' (image), 's' (labels), 'd' (depth) and 'm' (mask), got {unknown}: name "
                "what the files hold"
            )
        _check_transform(transform)
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}: give a whole number")
        if max_samples is not None and max_samples < 1:
            raise ValueError(f"max_samples must be >= 1, got {max_samples}: None uses the whole list")
        self.domain, self.seed, self.stretch, self.transform = domain, seed, stretch, transform
        self.tasks = tuple(dict.fromkeys(("x", *tasks)))
        self.nearest_colours = nearest_colours
        self.min_size = getattr(transform, "size", 1) if min_size is None else min_size
        self.depth = _DEPTH[domain] if depth is None else depth
        self.rows = _complete_rows(files, self.tasks, skip_incomplete, partial)
        self._count = len(self.rows) if max_samples is None else min(max_samples, len(self.rows))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """``sample(index)``, of epoch 0."""
        return self.sample(index)

    @cached_property
    def digest(self) -> str:
        """Tells the rows in use from others, and from others' order; see ``FileList.digest``."""
        return self.rows.digest(self.tasks, len(self))

    def path(self, index: int) -> str:
        """File name of a sample's image, for messages."""
        return str(self.rows[range(len(self))[index]]["x"])

    def sample(self, index: int, epoch: int = 0) -> dict[str, Tensor]:
        """Read and transform one sample.

        Args:
            index: row of the list.
            epoch: another epoch is augmented otherwise.

        Shape: x (3, H, W) float32 in [-1, 1], or as the transform normalised it; s (h, w) int64, ids of
            ``LABELS``; d (1, h, w) float32, inverse depth, or (h, w) int64 where the transform made buckets;
            m (1, H, W) float32 in {0, 1}, 1 = water.

        Raises:
            InputError: a file that cannot be read, or does not fit the others; it names the file.
        """
        index = range(len(self))[index]
        row = self.rows[index]
        image = read_image(row["x"])
        fields = {"x": torch.from_numpy(image).permute(2, 0, 1)}
        for task in (task for task in self.tasks[1:] if task in row):
            array = self._read(task, row[task])
            _check_size(row[task], array.shape[:2], row["x"], image.shape[:2])
            fields[task] = torch.from_numpy(np.ascontiguousarray(array))[None]
        low, high = (int(image.min()), int(image.max())) if self.stretch else (0, 255)
        entropy = np.random.SeedSequence([self.seed, zlib.crc32(self.domain.encode()), epoch, index])
        generator = torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))
        fields = self.transform(fields, generator)
        if not isinstance(fields, Mapping):
            raise ValueError(
                f"transform must return {{field: tensor}}, got a {type(fields).__name__}: it is called with the "
                "fields and a generator, and gives back the fields alone"
            )
        return {task: self._finish(task, fields[task], low, high) for task in self.tasks if task in row}

    def check(self, limit: int | None = None) -> None:
        """Find what is wrong with the files before training does.

        Every file must be there and whole; labels, depth and mask must be readable, inside their ranges and
        of the image's size; images no smaller than ``min_size``.

        Args:
            limit: rows to look at, spread over the list; all where None.

        Raises:
            InputError: the first row's problem, naming the file, and how many more rows have one.
        """
        count = len(self) if limit is None else max(0, min(limit, len(self)))
        rows = [position * len(self) // count for position in range(count)]
        check_exist(self.rows, rows)
        problems: list[InputError] = []
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for problem in pool.map(self._problem, rows, chunksize=16):
                if problem is not None:
                    problems.append(problem)
        if problems:
            what, expected, got, fix = problems[0].args
            more = f" (and {len(problems) - 1} more samples are not right)" if len(problems) > 1 else ""
            raise InputError(what, expected=expected, got=f"{got}{more}", fix=fix) from problems[0]

    def _problem(self, index: int) -> InputError | None:
        row = self.rows[index]
        try:
            size = read_image(row["x"]).shape[:2]  # decoded whole: a header tells nothing of a damaged body
            if min(size) < self.min_size:
                expected, got = f"sides of at least {self.min_size} pixels", f"{size[0]} x {size[1]}"
                fix = "leave it out, or train at a smaller size"
                raise InputError(str(row["x"]), expected=expected, got=got, fix=fix)
            for task in (task for task in self.tasks[1:] if task in row):
                _check_size(row[task], self._read(task, row[task]).shape[:2], row["x"], size)
        except InputError as error:
            return error
        return None

    def _read(self, task: str, path: Path) -> Array:
        """(H, W) array of a task's file: mask and labels uint8, depth float32."""
        if task == "m":
            return read_mask(path)
        stored = read_array(path)
        with _about(path):
            return self._labels(stored, path) if task == "s" else self._inverse_depth(stored, path)

    def _labels(self, stored: Array, path: Path) -> Array:
        if stored.dtype == np.uint8 and stored.ndim == 3 and stored.shape[-1] == 3:
            if self.domain == "kitti":
                return KITTI_TO_COMMON[encode_colours(stored, KITTI_COLOURS, self.nearest_colours)]
            return encode_colours(stored, COLOURS["s" if self.domain == "s" else "r"], self.nearest_colours)
        ids = plane(stored, path)
        low, high = ids.min(), ids.max()
        if not 0 <= low <= high < len(LABELS) or (ids.dtype.kind == "f" and (ids != np.rint(ids)).any()):
            expected, got = f"whole class ids 0..{len(LABELS) - 1}", f"values {low:g} to {high:g}"
            raise InputError(
                str(path), expected=expected, got=got, fix="map the labels to the eleven classes"
            )
        return ids.astype(np.uint8)

    def _inverse_depth(self, stored: Array, path: Path) -> Array:
        coded = stored.ndim == 3 and stored.shape[-1] == 3
        inverse = plane(self.depth(stored if coded else plane(stored, path)), path)
        if not np.isfinite(inverse).all():
            raise ValueError("expected numbers, got NaN or infinity in the inverse depth")
        return inverse.astype(np.float32, copy=False)

    def _finish(self, task: str, field: Tensor, low: int, high: int) -> Tensor:
        if task == "x":
            if field.is_floating_point():
                return field  # the transform has normalised it
            scale = max(high - low, 1)
            return field.float().sub_(low).mul_(2 / scale).sub_(1).clamp_(-1, 1)
        if task == "s" or (task == "d" and not field.is_floating_point()):
            return field[0].long()
        return field.float().contiguous()


def _check_transform(transform: Transform) -> None:
    call = transform.forward if isinstance(transform, torch.nn.Module) else transform
    if not callable(transform):
        raise ValueError(
            f"transform must be callable with fields and a generator, got {transform!r}: JointTransform(256) is one"
        )
    try:
        signature = inspect.signature(call)
    except ValueError:
        return  # some built-in functions have none
    try:
        signature.bind({}, None)
    except TypeError as error:
        raise ValueError(
            f"transform must take two arguments, fields and generator, got {transform!r}, which takes {signature}: "
            "wrap one of fields alone in a function (fields, generator), or build it if it is a class"
        ) from error


def _complete_rows(files: Files, tasks: tuple[str, ...], skip_incomplete: bool, partial: bool) -> FileList:
    """The rows of a list that have all tasks (or some of them), whose files are there."""
    required = () if skip_incomplete or partial else tasks
    if isinstance(files, (str, os.PathLike)):
        files = read_list(files, tasks, required=required, must_exist=False)
    elif not isinstance(files, FileList):
        files = list_of_rows(files, tasks, required)
    if partial:
        for task in tasks:
            if not len(files.having("x", task)):
                expected, fix = f"at least one row with {task!r}", "list such a row, or leave the task out"
                raise InputError(str(files.source or "the list"), expected=expected, got="none", fix=fix)
        check_exist(files)
        return files
    whole = files.having(*tasks)
    what, wanted = str(files.source or "the list"), " and ".join(map(repr, tasks))
    if len(whole) < len(files) and not skip_incomplete:
        got = f"{len(files) - len(whole)} without"
        fix = "list them, leave the task out, or skip or keep incomplete rows"
        raise InputError(what, expected=f"{wanted} in all {len(files)} rows", got=got, fix=fix)
    if not len(whole):
        expected, fix = f"at least one row with {wanted}", "list such a row, or leave a task out"
        raise InputError(what, expected=expected, got="none", fix=fix)
    check_exist(whole)
    return whole


def _check_size(path: Path, size: tuple[int, ...], image_path: Path, image: tuple[int, ...]) -> None:
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
