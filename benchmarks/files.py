"""Results of benchmarks in files: read with one clear error, and refused before anything is measured in vain."""

import json
from pathlib import Path
from typing import Any

from gancomponents.errors import InputError


def read_result(flag: str, name: str, *keys: str) -> dict[str, Any]:
    """What a benchmark has written by ``--json``.

    Args:
        flag: that names the file.
        name: the file.
        keys: that such a result has.

    Raises:
        InputError: a file that cannot be read, or holds something else.
    """
    expected, fix = "what --json of this benchmark has written", "give such a file"
    try:
        result = json.loads(Path(name).read_text())
    except OSError as error:
        raise InputError(f"{flag} {name}", expected=expected, got=str(error.strerror), fix=fix) from None
    except ValueError:
        raise InputError(f"{flag} {name}", expected=expected, got="no JSON", fix=fix) from None
    missing = [key for key in keys if not isinstance(result, dict) or key not in result]
    if missing:
        raise InputError(f"{flag} {name}", expected=expected, got=f"none of its {missing[0]!r}", fix=fix)
    found: dict[str, Any] = result
    return found


def check_target(name: str | None) -> None:
    """Make the folder of ``--json NAME``, to be called before anything takes long.

    Raises:
        InputError: no file can be written there.
    """
    if name is None:
        return
    path, expected, fix = Path(name), "a file that can be written", "name another"
    if path.is_dir():
        raise InputError(f"--json {name}", expected=expected, got="a folder", fix=fix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--json {name}", expected=expected, got=str(error.strerror), fix=fix) from None
