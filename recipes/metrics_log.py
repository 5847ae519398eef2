"""metrics.jsonl: a record a line, each written at once; a line that a killed run left torn spoils no other."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gancomponents.errors import unwritable


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Add a line, whole or not at all.

    Raises:
        InputError: where the file cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            line = (("\n" if torn else "") + text([record])).encode()
            try:
                while line:  # once, unless the disk is full, when the second time says so
                    line = line[os.write(descriptor, line) :]
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(path, error) from error


def sync(path: Path) -> None:
    """Make sure that a power cut loses no line written so far, as a checkpoint of that step will not be lost."""
    if path.exists():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def read(path: Path) -> list[dict[str, Any]]:
    """The records; what is no whole line is passed over, and a file that is not there has none."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(errors="replace").split("\n"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append(record)
    return records


def text(records: Iterable[Mapping[str, Any]]) -> str:
    """Records as lines; a number that is not finite, which JSON does not know, becomes null.

    >>> text([{"step": 1, "loss": math.nan}])
    '{"step": 1, "loss": null}\\n'
    """
    return "".join(json.dumps(_finite(record), allow_nan=False) + "\n" for record in records)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value
