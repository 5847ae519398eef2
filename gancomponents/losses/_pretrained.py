"""Manners for fetching weights: don't wait for long, and tell once; and weights from files."""

import functools
import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from gancomponents._tensors import read_safetensors, read_torch_file
from gancomponents.errors import InputError


@functools.cache
def say_once(message: str) -> None:
    """Log a message the first time only.

    >>> say_once("This goes to the log of gancomponents.")
    """
    logging.getLogger("gancomponents").warning(message)


@contextmanager
def short_timeout(seconds: float = 10.0) -> Iterator[None]:
    """Connections opened inside give up after ``seconds``; torch.hub alone would wait for minutes.

    >>> with short_timeout(1.0):
    ...     socket.getdefaulttimeout()
    1.0
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def state_from_file(path: Path, model: str, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """The entries of ``shapes``, in fp32, from a .safetensors or .pth file with torchvision's keys.

    Raises:
        InputError: the file is missing, broken, or lacks an entry of that shape.
    """
    what, expected = (
        f"{model} weights {path}",
        f"a .safetensors or .pth file with torchvision's {model} weights",
    )
    if not path.is_file():
        raise InputError(what, expected=expected, got="no such file", fix="check the path")
    try:
        state = read_safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)
    except (OSError, ValueError) as error:
        raise InputError(what, expected=expected, got=str(error), fix="fetch the file anew") from error
    if not isinstance(state, Mapping):
        got, fix = f"a {type(state).__name__}", "save a state dict"
        raise InputError(what, expected=expected, got=got, fix=fix)
    wrong = [key for key, shape in shapes.items() if getattr(state.get(key), "shape", None) != shape]
    if wrong:
        raise InputError(
            what,
            expected=expected,
            got=f"{len(wrong)} entries missing or of another shape, first {wrong[0]}",
            fix=f"save torchvision.models.{model}(weights='DEFAULT').state_dict()",
        )
    return {key: state[key].float() for key in shapes}
