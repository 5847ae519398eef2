"""Manners for fetching weights: don't wait for long, and tell once; and weights from files."""

import functools
import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

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
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise errors of many kinds for a broken file
        raise InputError(what, expected=expected, got=str(error), fix="fetch the file anew") from error
    wrong = [key for key, shape in shapes.items() if key not in state or state[key].shape != shape]
    if wrong:
        raise InputError(
            what,
            expected=expected,
            got=f"{len(wrong)} entries missing or of another shape, first {wrong[0]}",
            fix=f"save torchvision.models.{model}(weights='DEFAULT').state_dict()",
        )
    return {key: state[key].float() for key in shapes}
