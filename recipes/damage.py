"""Checkpoints that anybody may have written: whatever goes wrong while one is read is the checkpoint's fault."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from safetensors import SafetensorError

from gancomponents.errors import InputError

_SIGNS = (ArithmeticError, AttributeError, LookupError, RecursionError, RuntimeError, TypeError, ValueError)


@contextmanager
def blamed_on(what: object) -> Iterator[None]:
    """Read ``what`` in this context: an error is told as its damage.

    Raises:
        InputError: naming it.

    >>> with blamed_on("runs/flood"):
    ...     {}["loop"]
    Traceback (most recent call last):
    gancomponents.errors.InputError: runs/flood: expected a whole checkpoint, got a damaged one ('loop'). Fix: ...
    """
    try:
        yield
    except (InputError, torch.OutOfMemoryError):
        raise
    except (SafetensorError, OSError, *_SIGNS) as error:
        got = f"a damaged one ({' '.join(str(error).split())[:200]})"
        raise InputError(str(what), expected="a whole checkpoint", got=got, fix="use another") from error
