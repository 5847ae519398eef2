"""Lists of files: JSON or YAML, one row per sample, one path per task."""

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from gancomponents.errors import InputError

__all__ = ["FileList", "read_list"]

_SUFFIXES = (".json", ".yaml", ".yml")


class FileList(Sequence[dict[str, Path]]):
    """The rows of a list, ``{task: path}`` each, made when they are asked for.

    Kept as one column of strings per task: paths and dictionaries for every row would cost ten times as much.

    Args:
        folder: where relative paths start.
        columns: for each task the path in each row, None where a row lacks it.
        source: the file that the list came from, for messages.

    >>> files = FileList(Path("data"), {"x": ["a.png", "/b.png"], "m": ["c.png", None]})
    >>> [{task: path.as_posix() for task, path in row.items()} for row in files]
    [{'x': 'data/a.png', 'm': 'data/c.png'}, {'x': '/b.png'}]
    """

    def __init__(self, folder: Path, columns: Mapping[str, Sequence[str | None]], source: Path | None = None):
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise ValueError(
                f"columns must be one or more of equal length, got lengths {sorted(lengths)}: pad with None"
            )
        self.folder, self.columns, self.source = folder, dict(columns), source
        self._length = lengths.pop()

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> dict[str, Path]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Path]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Path] | list[dict[str, Path]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of a list of {len(self)}")
        row = ((task, column[index]) for task, column in self.columns.items())
        return {task: self.folder / name for task, name in row if name is not None}

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
    expanded. Keys other than the tasks asked for are left out.

    Args:
        path: a .json, .yaml or .yml file.
        tasks: the task letters to keep where a row has them; "x" is always kept.
        required: tasks that every row must have.
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
    names = tuple(dict.fromkeys(("x", *required, *tasks)))
    rows = _parse(source)
    if not isinstance(rows, list):
        got = f"a {type(rows).__name__}" if rows is not None else "an empty file"
        raise InputError(
            str(source), expected="a list of {task: path}", got=got, fix='write [{"x": "a.png", ...}, ...]'
        )
    if not rows:
        raise InputError(str(source), expected="at least one row", got="an empty list", fix="list some files")
    columns: dict[str, list[str | None]] = {name: [None] * len(rows) for name in names}
    for index, row in enumerate(rows):
        _check_row(source, index, row, required)
        for name in names:
            if name in row:
                columns[name][index] = _expand(source, index, name, row[name])
    files = FileList(source.parent, {name: c for name, c in columns.items() if any(c)}, source)
    if must_exist:
        check_exist(files)
    return files


def check_exist(files: FileList, rows: Sequence[int] | None = None) -> None:
    """Raise an InputError that names the first listed file that is missing, and counts the others."""
    first, missing = "", 0
    for index in range(len(files)) if rows is None else rows:
        for task, name in files[index].items():
            if not name.is_file():
                missing += 1
                first = first or f"row {index + 1}, {task!r}: {name}"
    if missing:
        more = f" (and {missing - 1} more missing)" if missing > 1 else ""
        fix = "correct the paths (relative ones start at the list's folder)"
        raise InputError(f"{files.source or 'list'}, {first}", expected="a file", got=f"none{more}", fix=fix)


def _parse(source: Path) -> Any:
    if source.suffix.lower() not in _SUFFIXES:
        got = source.suffix or "no suffix"
        raise InputError(
            str(source), expected="a .json, .yaml or .yml list", got=got, fix="name a list of files"
        )
    try:
        text = source.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(
            str(source), expected="a list of files", got="nothing of that name", fix="correct it"
        ) from error
    except (OSError, ValueError) as error:
        got = getattr(error, "strerror", None) or str(error)
        raise InputError(
            str(source), expected="a readable text file", got=got, fix="correct path or file"
        ) from error
    if source.suffix.lower() == ".json":
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            got = f"line {error.lineno}, column {error.colno}: {error.msg}"
            raise InputError(
                str(source), expected="well-formed JSON", got=got, fix="mend that line"
            ) from error
        except RecursionError as error:
            raise InputError(
                str(source), expected="a flat list", got="deep nesting", fix="write rows"
            ) from error
    import yaml

    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        got = where + (getattr(error, "problem", None) or str(error).splitlines()[0])
        raise InputError(str(source), expected="well-formed YAML", got=got, fix="mend that line") from error


def _check_row(source: Path, index: int, row: Any, required: Sequence[str]) -> None:
    where = f"{source}, row {index + 1}"
    if not isinstance(row, dict):
        raise InputError(
            where, expected="{task: path}", got=repr(row)[:60], fix="write every row as a mapping"
        )
    for task in required:
        if task not in row:
            keys = [str(key) for key in row]
            near = difflib.get_close_matches(task, keys, n=1, cutoff=0.5)
            fix = f"rename {near[0]!r}" if near else "add it, or leave the task out"
            raise InputError(where, expected=f"a path for {task!r}", got=f"only {sorted(keys)}", fix=fix)


_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})")


def _expand(source: Path, index: int, task: str, name: Any) -> str:
    where = f"{source}, row {index + 1}, {task!r}"
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise InputError(where, expected="a path", got=repr(name)[:60], fix="write the file's name in quotes")
    if "$" not in name and name[0] != "~":
        return name
    expanded = os.path.expanduser(os.path.expandvars(name))
    for variable in _VARIABLE.findall(name):
        if variable.strip("{}") not in os.environ:
            got, fix = f"{name!r} with no such variable", f"export {variable.strip('{}')}"
            raise InputError(where, expected="environment variables that are set", got=got, fix=fix)
    return expanded
