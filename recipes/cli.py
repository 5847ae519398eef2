"""What every command shares: one clear line for a mistake, and an exit code that a script can read."""

import argparse
import errno
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from gancomponents.errors import InputError, unwritable

MISTAKE, INTERRUPTED = 2, 130
_PATIENCE = 3.0


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in the form of every other mistake, and takes no flag for another."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        raise InputError(self.prog, got=message, fix=f"see {self.prog} --help")


def run(command: Callable[[Sequence[str]], None], arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code: 0, 2 for a user's mistake, 130 when interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("gancomponents").setLevel(logging.INFO)
    try:
        command(sys.argv[1:] if arguments is None else arguments)
    except InputError as error:
        _complain(error)
        sys.exit(MISTAKE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that may not be read: the system's own words name it
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
        _complain(unwritable(error.filename or "a file", error) if full else error)
        sys.exit(MISTAKE)
    except KeyboardInterrupt as stop:
        print(f"\n{stop}" if stop.args else "interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _complain(error: Exception) -> None:
    """Tell a mistake once. Of several processes the first speaks for all, unless the mistake is another's alone."""
    rank = os.environ.get("RANK", "0")
    if rank == "0":
        print(f"error: {error}", file=sys.stderr)
        return
    time.sleep(_PATIENCE)  # the first one's end ends this one, too
    print(f"error: process {rank}: {error}", file=sys.__stderr__)
