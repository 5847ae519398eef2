"""The one exception for mistakes that a user can mend: in a file, a flag or a config."""

import errno
import os
import re

__all__ = ["InputError", "check_whole", "printable", "unwritable"]

_MENDED = {
    "free space there": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    "make it writable, or choose another place": (errno.EROFS, errno.EACCES, errno.EPERM),
    "raise the limit of open files, see ulimit -n": (errno.EMFILE, errno.ENFILE),
}


class InputError(ValueError):
    """A mistake in what the user gave us, told in one message: what, expected, got, fix.

    Commands catch it, print the message and leave with exit code 2; library users may catch it as a ``ValueError``.

    Args:
        what: the thing that is wrong, a file or flag by name.
        expected: what would have been right.
        got: what was found instead.
        fix: what to do about it.

    >>> print(InputError("--steps", expected="a whole number >= 1", got="0", fix="pass --steps 1 or more"))
    --steps: expected a whole number >= 1, got 0. Fix: pass --steps 1 or more.
    """

    def __init__(self, what: str, *, expected: str = "", got: str = "", fix: str = ""):
        super().__init__(what, expected, got, fix)
        self.what, self.expected, self.got, self.fix = what, expected, got, fix

    def __str__(self) -> str:
        found = ", ".join(
            f"{k} {v}" for k, v in (("expected", self.expected), ("got", self.got.rstrip("."))) if v
        )
        message = f"{self.what}: {found}" if found else self.what
        return printable(f"{message}. Fix: {self.fix}." if self.fix else f"{message}.")

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments survive pickling (from a loader's worker) only when told how.
        return _rebuild, (self.what, self.expected, self.got, self.fix)


def printable(text: object) -> str:
    """A text that only shows itself: escapes stand for line breaks, control and invisible characters.

    A file's name may hold any character, some of which a terminal obeys.

    >>> printable("street\\x1b[2J\\n.png")
    'street\\\\x1b[2J\\\\n.png'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def check_whole(name: str, value: object, *, minimum: int, maximum: int | None = None, fix: str = "") -> int:
    """Give back ``value`` if it is a whole number in range (True and False are none).

    Raises:
        InputError: naming ``name`` and the range.

    >>> check_whole("count", 3, minimum=1)
    3
    >>> check_whole("count", 2.5, minimum=1)
    Traceback (most recent call last):
    gancomponents.errors.InputError: count: expected a whole number >= 1, got 2.5. Fix: give count such a number.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < minimum or (maximum is not None and value > maximum):  # type: ignore[operator]
        range_ = f">= {minimum}" + ("" if maximum is None else f" and <= {maximum}")
        raise InputError(
            name,
            expected=f"a whole number {range_}",
            got=repr(value),
            fix=fix or f"give {name} such a number",
        )
    return value  # type: ignore[return-value]


def unwritable(path: str | os.PathLike[str], error: Exception) -> InputError:
    """The mistake behind a file that could not be written, in the system's own words.

    Args:
        path: of the file.
        error: what came of writing: an ``OSError``, or another's that tells the system's ("os error 28").

    >>> print(unwritable("run/report.md", OSError(errno.ENOSPC, "No space left on device")))
    run/report.md: expected a file that can be written, got No space left on device. Fix: free space there.
    """
    told = re.search(r"os error (\d+)", str(error))
    number = error.errno if isinstance(error, OSError) else int(told[1]) if told else None
    got = os.strerror(number) if number else " ".join(str(error).split()) or type(error).__name__
    fix = next((fix for fix, known in _MENDED.items() if number in known), "make sure that it can be written")
    return InputError(str(path), expected="a file that can be written", got=got, fix=fix)


def _rebuild(what: str, expected: str, got: str, fix: str) -> InputError:
    return InputError(what, expected=expected, got=got, fix=fix)
