"""Bits that repeat: torch's deterministic algorithms alone, or an error that names what has none."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gancomponents.errors import InputError

_MISSING = re.compile(r"(\S+) does not have a deterministic implementation")
_WORKSPACE, _FIXED = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Compute in this context with deterministic algorithms alone, where wanted; torch is as before afterwards.

    cuBLAS reads its variable when it is first used: on a GPU, enter before anything has been multiplied there.

    Args:
        wanted: False changes nothing.

    Raises:
        InputError: for an operation that has no such algorithm, by its name.

    >>> with deterministic(True):
    ...     torch.are_deterministic_algorithms_enabled()
    True
    >>> torch.are_deterministic_algorithms_enabled()
    False
    """
    if not wanted:
        yield
        return
    cudnn, variable = torch.backends.cudnn, os.environ.get(_WORKSPACE)
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    before_cudnn = cudnn.deterministic, cudnn.benchmark
    if variable not in _FIXED:
        os.environ[_WORKSPACE] = _FIXED[0]
    torch.use_deterministic_algorithms(True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    except RuntimeError as error:
        operation = lacking(error)
        if operation is None:
            raise
        raise InputError(
            "--deterministic",
            expected="operations that have a deterministic algorithm on this device",
            got=operation,
            fix="bind a part that does without it, use --device cpu, or leave the flag out",
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark = before_cudnn
        if variable is None:
            del os.environ[_WORKSPACE]
        else:
            os.environ[_WORKSPACE] = variable


def lacking(error: Exception) -> str | None:
    """The operation that torch's error says to have no deterministic algorithm; None for any other error."""
    found = _MISSING.search(str(error))
    return found[1] if found else None
