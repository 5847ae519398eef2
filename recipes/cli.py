"""What every command shares: one clear line for a mistake, and an exit code that a script can read."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from gancomponents.errors import InputError

MISTAKE, INTERRUPTED = 2, 130


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in the form of every other mistake."""

    def error(self, message: str) -> NoReturn:
        raise InputError(self.prog, got=message, fix=f"see {self.prog} --help")


def run(command: Callable[[Sequence[str]], None], arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code: 0, 2 for a user's mistake, 130 when interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("gancomponents").setLevel(logging.INFO)
    try:
        command(sys.argv[1:] if arguments is None else arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISTAKE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that may not be read: the system's own words name it
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISTAKE)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(0)
