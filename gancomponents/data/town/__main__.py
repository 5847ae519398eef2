"""Render a town: ``python -m gancomponents.data.town --output DIR --size 128 --count 200 --seed 0``."""

import argparse
import sys
from typing import NoReturn

from gancomponents.data.town.files import describe, write_town
from gancomponents.data.town.frames import DOMAINS
from gancomponents.errors import InputError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError("town", got=message, fix=f"see {self.prog} --help")


def main(arguments: list[str]) -> None:
    """Parse the command line and render."""
    parser = _Parser(
        "python -m gancomponents.data.town",
        description="Render street scenes with depth, labels and flood masks, and JSON lists of them.",
        epilog="A render that was stopped continues when the same command is given again.",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="new or empty folder")
    parser.add_argument("--size", type=int, default=128, help="height and width of a frame, pixels (128)")
    parser.add_argument("--count", type=int, default=200, help="training frames of each domain (200)")
    parser.add_argument("--val-count", type=int, help="held-out frames of each domain (count / 8)")
    parser.add_argument("--seed", type=int, default=0, help="of the streets (0)")
    parser.add_argument(
        "--domains", default=",".join(DOMAINS), help="comma-separated, of s, r, rf, kitti (all)"
    )
    parser.add_argument("--workers", type=int, help="processes (one a core)")
    flags = parser.parse_args(arguments)
    if flags.workers is not None and flags.workers < 1:
        raise InputError(
            "workers", expected="a whole number >= 1", got=str(flags.workers), fix="raise workers"
        )
    summary = write_town(
        flags.output,
        size=flags.size,
        count=flags.count,
        seed=flags.seed,
        val_count=flags.val_count,
        domains=[domain.strip() for domain in flags.domains.split(",") if domain.strip()],
        workers=flags.workers,
    )
    print(describe(summary))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; run again to continue", file=sys.stderr)
        sys.exit(130)
