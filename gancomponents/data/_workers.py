"""Batches from processes beside this one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from typing import Any

import torch

from gancomponents.errors import InputError

Load = Callable[[int], Any]


def from_processes(
    load: Load, steps: range, workers: int, prefetch: int, pin_memory: bool = False
) -> Iterator[Any]:
    """What ``load`` gives for every step, in order, loaded ahead; ending the iterator ends the processes."""
    from torch.utils.data import DataLoader

    loader = DataLoader(
        _Steps(partial(_guarded, load)),
        sampler=steps,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=prefetch,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # otherwise the global one is drawn from
        worker_init_fn=_leave_signals_to_the_run,
    )
    with _undisturbed():
        batches = iter(loader)
    try:
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (RuntimeError, OSError, EOFError) as error:
                # Cut short by a death? What a process holds is closed a moment before it is gone.
                if not wait([worker.sentinel for worker in batches._workers], timeout=1):  # type: ignore[attr-defined]
                    raise
                got = "one that was killed, often by the system, for want of memory or of shared memory"
                fix = "use fewer workers or smaller batches, or give them more memory (/dev/shm is shared memory)"
                raise InputError("a loader worker", expected="one that lives", got=got, fix=fix) from error
            if isinstance(batch, InputError):
                raise batch
            yield batch
    finally:
        # Otherwise they would live for as long as anybody keeps the error and its traceback.
        batches._shutdown_workers()  # type: ignore[attr-defined]
        for worker in batches._workers:  # type: ignore[attr-defined]
            worker.kill()  # one that hangs


def _leave_signals_to_the_run(worker: int) -> None:
    """Ctrl-C and what most schedulers send reach workers as well, whose batches a run needs to end its step."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Leave the handler of SIGCHLD as it is.

    When a worker dies, torch's raises an error in the midst of whatever the main thread does, such as a save.
    Without it a missing batch tells, in 5 s.
    """
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)


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
