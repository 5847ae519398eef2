"""Lists of files: JSON or YAML, one row per sample, one path per task."""

import difflib
import hashlib
import os
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from gancomponents.data._columns import Column, ColumnBuilder
from gancomponents.data._rows import rows_of
from gancomponents.errors import InputError

__all__ = ["FileList", "read_list"]


_PIECE = 1 << 16  # rows hashed at a time: a digest needs little memory


class FileList(Sequence[dict[str, Path]]):
    """The rows of a list, ``{task: path}`` each, made when they are asked for.

    Kept as one run of bytes per task, so that a row costs the length of its paths and eight bytes for each;
    paths and dictionaries for every row would cost twelve times as much.

    Args:
        folder: where relative paths start.
        columns: for each task the path in each row, None where a row lacks it.
        source: the file or folder that the list came from, for messages.

    Raises:
        ValueError: no columns, or columns of several lengths.

    >>> files = FileList(Path("data"), {"x": ["a.png", "/b.png"], "m": ["c.png", None]})
    >>> [{task: path.as_posix() for task, path in row.items()} for row in files]
    [{'x': 'data/a.png', 'm': 'data/c.png'}, {'x': '/b.png'}]
    >>> len(files.having("m")), files.nbytes
    (1, 64)
    """

    def __init__(self, folder: Path, columns: Mapping[str, Sequence[str | None]], source: Path | None = None):
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise ValueError(
                f"columns must be one or more of equal length, got lengths {sorted(lengths)}: pad with None"
            )
        self.folder, self.source = folder, source
        self.columns = {
            task: column if isinstance(column, Column) else Column.of(column)
            for task, column in columns.items()
        }
        self._length = lengths.pop()
        self._kept: npt.NDArray[np.int64] | None = None  # rows of the columns; all where None

    def __len__(self) -> int:
        return self._length if self._kept is None else len(self._kept)

    @property
    def nbytes(self) -> int:
        """Memory that the rows take."""
        kept = 0 if self._kept is None else self._kept.nbytes
        return kept + sum(column.nbytes for column in self.columns.values())

    def number(self, index: int) -> int:
        """What a row is called in messages: its place in the source, counted from 1."""
        return (index if self._kept is None else int(self._kept[index])) + 1

    def having(self, *tasks: str) -> "FileList":
        """The rows that have a path for each of these tasks, in their order; the columns are shared.

        >>> [row["x"].name for row in FileList(Path(), {"x": ["a", "b"], "m": [None, "c"]}).having("m")]
        ['b']
        """
        whole = np.ones(self._length, dtype=np.bool_)
        for task in tasks:
            whole &= self.columns[task].present() if task in self.columns else False
        files = FileList(self.folder, self.columns, self.source)
        files._kept = np.flatnonzero(whole) if self._kept is None else self._kept[whole[self._kept]]
        return files

    def digest(self, tasks: Sequence[str], count: int | None = None) -> str:
        """A short text that tells these rows, in this order, from all others.

        Paths count as they are written in the list, so that a list with relative ones may move with its files.

        Args:
            tasks: whose paths count.
            count: rows from the top; all where None.

        >>> first, second = (FileList(Path(), {"x": paths}) for paths in (["a", "b"], ["b", "a"]))
        >>> first.digest(["x"]) == second.digest(["x"]), first.digest(["x"], 0) == second.digest(["x"], 0)
        (False, True)
        """
        count = len(self) if count is None else min(count, len(self))
        found = hashlib.blake2b(digest_size=8)
        for task in tasks:
            found.update(f"{task}\0{count}\0".encode())
            if task in self.columns:
                for start in range(0, count, _PIECE):
                    rows = np.arange(start, min(start + _PIECE, count))
                    rows = rows if self._kept is None else self._kept[rows]
                    found.update(self.columns[task].packed(rows))
        return found.hexdigest()

    @overload
    def __getitem__(self, index: int) -> dict[str, Path]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Path]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Path] | list[dict[str, Path]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return {task: self.folder / name for task, name in self.names(index).items()}

    def names(self, index: int) -> dict[str, str]:
        """A row's paths as they are written in the list."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of a list of {len(self)}")
        place = self.number(index % len(self)) - 1
        row = ((task, column[place]) for task, column in self.columns.items())
        return {task: name for task, name in row if name is not None}

    def __iter__(self) -> Iterator[dict[str, Path]]:
        return (self[index] for index in range(len(self)))


def read_list(
    path: str | os.PathLike[str],
    tasks: Sequence[str],
    *,
    required: Sequence[str] = ("x",),
    must_exist: bool = True,
) -> FileList:
    """Read a list of samples: a JSON or YAML list of ``{task: path}``.

    Relative paths start at the list's folder; ``$VARIABLE``, ``${VARIABLE}`` and a leading ``~`` are
    expanded. Keys other than the tasks asked for are left out. Every row needs an image "x"; every other task
    is optional, row by row: a row that lacks it leaves the key out or has null there. The file is read row by
    row and kept as `FileList` keeps it, so that millions of rows fit.

    Args:
        path: a .json, .yaml or .yml file.
        tasks: the task letters to keep where a row has them; "x" is always kept.
        required: tasks that every row must have; "x" is always required.
        must_exist: whether every file listed must be there.

    Raises:
        InputError: a missing, malformed or empty list, a row of another kind, a missing task or file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "train_r.json").write_text('[{"x": "a.png", "note": "dull"}]')
    ...     [row["x"].name for row in read_list(Path(folder, "train_r.json"), ["x", "m"], must_exist=False)]
    ['a.png']
    """
    source = Path(path)
    files = _collect(rows_of(source), str(source), source.parent, source, tasks, required)
    if must_exist:
        check_exist(files)
    return files


def list_of_rows(
    rows: Iterable[Mapping[str, str | os.PathLike[str]]], tasks: Sequence[str], required: Sequence[str]
) -> FileList:
    """The same of rows in memory; relative paths start in the working directory.

    Raises:
        InputError: no rows, a row of another kind, a missing task.

    >>> len(list_of_rows([{"x": "a.png"}, {"x": Path("b.png"), "m": "c.png"}], ["m"], required=["x"]))
    2
    """
    return _collect(rows, "files", Path(), None, tasks, required)


def _collect(
    rows: Iterable[Any],
    what: str,
    folder: Path,
    source: Path | None,
    tasks: Sequence[str],
    required: Sequence[str],
) -> FileList:
    required = tuple(dict.fromkeys(("x", *required)))
    columns = {name: ColumnBuilder() for name in (*required, *tasks)}
    count = 0
    for count, row in enumerate(rows, start=1):
        _check_row(what, count, row, required)
        for name, column in columns.items():
            path_there = row.get(name)
            if path_there is None and name not in required:
                column.append(None)
            else:
                column.append(_expand(what, count, name, path_there))
    if not count:
        raise InputError(what, expected="at least one row", got="an empty list", fix="list some files")
    built = {name: column.build() for name, column in columns.items()}
    return FileList(folder, {n: c for n, c in built.items() if c.present().any()}, source)


def check_exist(files: FileList, rows: Sequence[int] | None = None) -> None:
    """Raise an InputError that names the first listed file that is missing, and counts the others."""
    first, missing = "", 0
    folder = str(files.folder)
    for index in range(len(files)) if rows is None else rows:
        for task, name in files.names(index).items():
            if not os.path.isfile(os.path.join(folder, name)):  # a Path for each would take twice as long
                missing += 1
                first = first or f"row {files.number(index)}, {task!r}: {files.folder / name}"
    if missing:
        more = f" (and {missing - 1} more missing)" if missing > 1 else ""
        fix = "correct the paths (relative ones start at the list's folder)"
        raise InputError(f"{files.source or 'list'}, {first}", expected="a file", got=f"none{more}", fix=fix)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def _check_row(what: str, number: int, row: Any, required: Sequence[str]) -> None:
    if not isinstance(row, Mapping):
        got, fix = _SHORT.repr(row), "write every row as a mapping"
        raise InputError(_where(what, number), expected="{task: path}", got=got, fix=fix)
    for task in required:
        if task not in row:
            keys = [str(key) for key in row]
            near = difflib.get_close_matches(task, keys, n=1, cutoff=0.5)
            fix = f"rename {near[0]!r}" if near else "add it, or leave the task out"
            where, got = _where(what, number), f"only {_SHORT.repr(sorted(keys))}"
            raise InputError(where, expected=f"a path for {task!r}", got=got, fix=fix)


_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})")


def _expand(what: str, number: int, task: str, name: Any) -> str:
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if isinstance(name, str) and name.strip() and "\0" not in name:
        if "$" not in name and name[0] != "~":
            return name
        for variable in _VARIABLE.findall(name):
            if variable.strip("{}") not in os.environ:
                got, fix = f"{name!r} with no such variable", f"export {variable.strip('{}')}"
                where, expected = _where(what, number, task), "environment variables that are set"
                raise InputError(where, expected=expected, got=got, fix=fix)
        if expanded := os.path.expanduser(os.path.expandvars(name)):
            return expanded
    got, fix = _SHORT.repr(name), "write the file's name in quotes"
    raise InputError(_where(what, number, task), expected="a path", got=got, fix=fix)


def _where(what: str, number: int, task: str | None = None) -> str:
    return f"{what}, row {number}" + (f", {task!r}" if task else "")
