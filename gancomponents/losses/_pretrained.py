"""Manners for fetching weights: don't wait for long, and tell once."""

import functools
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager


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
