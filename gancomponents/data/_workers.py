"""Batches from processes beside this one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from gancomponents.errors import InputError

Load = Callable[[int], Any]


def from_processes(load: Load, steps: range, workers: int, prefetch: int) -> Iterator[Any]:
    """What ``load`` gives for every step, in order, loaded ahead; ending the iterator ends the processes."""
    from torch.utils.data import DataLoader

    loader = DataLoader(
        _Steps(partial(_guarded, load)),
        sampler=steps,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=prefetch,
        generator=torch.Generator(),  # otherwise the global one is drawn from
    )
    for batch in loader:
        if isinstance(batch, InputError):
            raise batch
        yield batch


@contextmanager
def deaths_told() -> Iterator[None]:
    """A worker that died as an InputError; torch raises a RuntimeError, anywhere, from a signal's handler."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        got = "one that was killed, often by the system, for want of memory or of shared memory"
        fix = "use fewer workers or smaller batches, or give them more memory (/dev/shm is shared memory)"
        raise InputError("a loader worker", expected="one that lives", got=got, fix=fix) from error


class _Steps(torch.utils.data.Dataset[Any]):
    def __init__(self, load: Load):
        self.load = load

    def __getitem__(self, step: int) -> Any:
        return self.load(step)


def _guarded(load: Load, step: int) -> Any:
    """The batch, or the mistake in the user's files: raised in a worker it comes wrapped in a traceback."""
    try:
        return load(step)
    except InputError as error:
        return error
