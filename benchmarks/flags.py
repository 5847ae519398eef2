"""What flags of benchmarks may say."""

import argparse
from collections.abc import Callable


def whole(minimum: int) -> Callable[[str], int]:
    """The type of a flag that is a whole number of at least ``minimum``.

    >>> whole(1)("3")
    3
    """

    def whole(text: str) -> int:
        number = int(text)
        if number < minimum:
            raise argparse.ArgumentTypeError(f"{number} is less than {minimum}")
        return number

    return whole
