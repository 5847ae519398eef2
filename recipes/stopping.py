"""What ends a run between two steps, never inside one: Ctrl-C, SIGTERM, torchrun's death."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Self

from gancomponents.errors import InputError


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


class Launcher:
    """torchrun, which ends its processes when it is ended, unless by SIGKILL: then they must end by themselves.

    Elsewhere, such as under nohup, the process that has started this one may go when it likes.
    """

    def __init__(self) -> None:
        self._process = os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else None

    def check(self) -> None:
        """Leave where it has died.

        Raises:
            InputError: then.
        """
        if self._process is not None and os.getppid() != self._process:
            got = f"its process {self._process} is gone"
            raise InputError(
                "torchrun", expected="one that lives as long as the run", got=got, fix="start it again"
            )


def let_others_speak() -> None:
    """Wait for as long as another process takes to tell why it has left, torchrun's SIGTERM notwithstanding."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(5.0)
