"""One domain's samples: files in, tensors in the ranges that every network here expects out."""

import inspect
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gancomponents.data._files import opencv
from gancomponents.data._reading import Frame, Move, Reader
from gancomponents.data.cache import SampleCache
from gancomponents.data.depth import DepthTarget
from gancomponents.data.images import read_image
from gancomponents.data.lists import FileList, check_exist, list_of_rows, read_list
from gancomponents.data.transforms import settled, split
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
        cache: where decoded samples are kept; None decodes each time. Samples are the same bit for bit.

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
        cache: SampleCache | None = None,
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
        self.cache = cache
        if cache is not None and type(self.depth) is not DepthTarget:
            raise ValueError(
                f"depth must be a DepthTarget with a cache, got {depth!r}: leave one of both out"
            )
        self._reader = Reader(domain, self.depth, nearest_colours)
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
            InputError: a file that cannot be read, or does not fit the others; it names the file. Labels and
                depth are looked at where the transform takes them, by `check` everywhere.
        """
        index = range(len(self))[index]
        row = {task: path for task, path in self.rows[index].items() if task in self.tasks}
        generator = self._generator(index, epoch)
        moves, rest = split(self.transform)
        first, moves = settled(moves, generator)
        frame = self._frame(row, first)
        for move in moves:
            frame.move(move, generator)
        low, high = frame.extremes if self.stretch else (0, 255)
        fields = frame.decoded()
        for step in rest:
            fields = step(fields, generator)
        if not isinstance(fields, Mapping):
            raise ValueError(
                f"transform must return {{field: tensor}}, got a {type(fields).__name__}: it is called with the "
                "fields and a generator, and gives back the fields alone"
            )
        return {task: self._finish(task, fields[task], low, high) for task in self.tasks if task in row}

    def _generator(self, index: int, epoch: int) -> torch.Generator:
        entropy = np.random.SeedSequence([self.seed, zlib.crc32(self.domain.encode()), epoch, index])
        return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))

    def _frame(self, row: Mapping[str, Path], first: Sequence[Move]) -> Frame:
        """A row's files after the first moves, which hold no chance, from the cache where they are there."""
        if self.cache is None:
            return self._reader.open(row, first)
        paths = [(task, os.path.abspath(path)) for task, path in row.items()]
        key = repr((_versions(), self._reader.settings, first, paths))
        stamp = _stamp(row.values())  # before they are read: whoever writes meanwhile makes it an old one
        kept = self.cache.get(key, stamp)
        if kept is None or kept.keys() != {*row, "extremes"}:
            kept = self._reader.open(row, first).tensors()
            self.cache.put(key, stamp, kept)
        return Frame.of(kept)

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
                self._reader.check(task, row[task], row["x"], size)
        except InputError as error:
            return error
        return None

    def _finish(self, task: str, field: Tensor, low: int, high: int) -> Tensor:
        if task == "x":
            return field if field.is_floating_point() else _in_range(field, low, high)  # or it is normalised
        if task == "s" or (task == "d" and not field.is_floating_point()):
            return field[0].long()
        return field.float().contiguous()


def _in_range(image: Tensor, low: int, high: int) -> Tensor:
    """Levels ``low`` to ``high`` as -1 to 1. Shape: (3, H, W) uint8 to float32."""
    levels = torch.arange(256.0).sub_(low).mul_(2 / max(high - low, 1)).sub_(1).clamp_(-1, 1)
    # By table, which is twice as fast as four passes in floating point, and the same bits.
    found = opencv().LUT(image.contiguous().numpy().reshape(1, -1), levels.numpy().reshape(1, 256))
    return torch.from_numpy(found).view(image.shape)


@lru_cache(maxsize=1)
def _versions() -> tuple[str, ...]:
    """Of what decides how files are decoded and resized; the first is this module's own."""
    import torchvision

    return ("1", torch.__version__, torchvision.__version__, opencv().__version__)


def _stamp(paths: Iterable[Path]) -> str:
    """Sizes and times of change of files; of one that is missing, reading it will tell."""
    found = []
    for path in paths:
        with suppress(OSError):
            status = os.stat(path)
            found.append((status.st_size, status.st_mtime_ns))
    return repr(found)


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
