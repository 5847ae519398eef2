"""One run at a time in a folder."""

import errno
import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path

from gancomponents.errors import InputError, unwritable

_TAKEN = (errno.EACCES, errno.EAGAIN)


class Lock:
    """A file that this process has locked until `release`, or until it ends in whatever way.

    It is a record lock, not flock's: processes that are forked from this one, such as a loader's, do not have it,
    so that they cannot keep it beyond a SIGKILL. The file stays; alone it means nothing.

    Args:
        path: of the file.

    Raises:
        InputError: where another process has it, or the file cannot be written.
    """

    def __init__(self, path: Path):
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._file, 20, 0).decode(errors="replace")
            self.release()
            if error.errno in _TAKEN:
                got = f"another run, process {owner or 'unknown'}, that is writing there"
                fix = "wait until it ends, or choose another --output"
                raise InputError(
                    str(path.parent), expected="a folder of this run alone", got=got, fix=fix
                ) from None
            # Some network filesystems have no locks.
            print(
                f"{path.parent} cannot be locked ({error.strerror}): start no second run in it",
                file=sys.stderr,
            )
            return
        with suppress(OSError):  # a full disk: the number is for the message alone
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let others have it; once is enough."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
