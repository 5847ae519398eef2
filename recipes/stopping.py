"""What ends a run from outside: Ctrl-C and SIGTERM, between two steps and never inside one; torchrun's death."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

import recipes


class StopRequest:
    """While entered, the first SIGINT or SIGTERM is only noted; a second one acts at once.

    A step that is cut in the middle would leave one player updated and the other not, so the loop asks
    `asked` after each step and stops there.

    Args:
        patient: note all of them: torchrun passes on what the terminal has sent already.

    >>> with StopRequest() as stop:
    ...     stop.asked
    False
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.asked, self._patient = False, patient
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if not self._patient:
            self.__exit__()


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end what is done in this context as Ctrl-C does: by a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_with_torchrun() -> None:
    """End this process within a second of torchrun's death, wherever it is, as torchrun itself does unless killed.

    It may be waiting for another process, or for torchrun's own store, for hours, so a thread watches. Elsewhere,
    such as under nohup, the process that has started this one may go when it likes.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        threading.Thread(target=_watch, args=(recipes.PARENT,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    if os.environ.get("RANK", "0") == "0":
        told = (
            f"error: torchrun, process {parent}, is gone, and the run ends with it, its last checkpoint whole"
        )
        os.write(2, f"{told}. Fix: go on with the same command and --resume auto.\n".encode())
    os._exit(1)  # like SIGKILL, which every instant is prepared for


def let_others_speak() -> None:
    """Wait for as long as another process takes to tell why it has left, torchrun's SIGTERM notwithstanding."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(5.0)
