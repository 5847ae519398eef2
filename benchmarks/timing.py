"""What every benchmark needs: the machine it ran on, turns taken between variants, and memory."""

import ctypes
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

Work = Callable[[], object]


def describe_machine(*packages: str) -> dict[str, Any]:
    """What a timing is worth nothing without: processor, threads, load, versions of torch and ``packages``."""
    found = {"torch": torch.__version__}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        **found,
    }


def time_in_turns(
    works: Mapping[str, Work], *, rounds: int, warm_up: int, device: str = "cpu"
) -> dict[str, list[float]]:
    """Seconds of each timed call, by name.

    Each round calls every work once, so that a noisy machine disturbs all of them alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(warm_up + rounds):
        for name, work in works.items():
            synchronise(device)
            begin = time.perf_counter()
            work()
            synchronise(device)
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def synchronise(device: str) -> None:
    """Wait for the device to finish."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median and spread."""
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}


def peak_mebibytes(make: Callable[..., Work], *arguments: Any, device: str = "cpu") -> float | None:
    """MiB that ``make(*arguments)()`` takes at its peak beyond what was there before the call.

    On CUDA of the allocator; on Linux of the resident set, in a process of its own; elsewhere None.
    """
    found = memory_mebibytes(make, *arguments, device=device)
    return None if found is None else found["peak"]


def memory_mebibytes(
    make: Callable[..., Work], *arguments: Any, device: str = "cpu"
) -> dict[str, float] | None:
    """MiB of the ``imports``, of what ``make(*arguments)`` has ``made``, and of its call's ``peak`` above both.

    On CUDA of the allocator; on Linux of the resident set, in a process of its own; elsewhere None.
    """
    if device.startswith("cuda"):
        imports = torch.cuda.memory_allocated()
        work = make(*arguments)
        torch.cuda.reset_peak_memory_stats()
        made = torch.cuda.memory_allocated()
        work()
        peak = torch.cuda.max_memory_allocated()
        return {
            key: value / 2**20
            for key, value in {"imports": imports, "made": made - imports, "peak": peak - made}.items()
        }
    if not Path("/proc/self/clear_refs").exists():
        return None
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_resident, make, arguments, torch.get_num_threads()).result()


@contextmanager
def apart(make: Callable[..., Work], *arguments: Any) -> Iterator[Work]:
    """The work that ``make(*arguments)`` makes, in a process of its own: no other model's memory is in its way.

    Raises:
        RuntimeError: the process has died; it has said why.
    """
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, make, arguments, torch.get_num_threads()), daemon=True
    )
    process.start()
    theirs.close()

    def wait() -> None:
        try:
            pipe.recv()
        except EOFError:
            raise RuntimeError("the process of a work has died: see above") from None

    def work() -> None:
        pipe.send(None)
        wait()

    try:
        wait()
        yield work
    finally:
        pipe.close()
        process.join()


def _serve(pipe: Connection, make: Callable[..., Work], arguments: Sequence[Any], threads: int) -> None:
    torch.set_num_threads(threads)
    work = make(*arguments)
    pipe.send(None)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        work()
        pipe.send(None)


def _resident(make: Callable[..., Work], arguments: Sequence[Any], threads: int) -> dict[str, float]:
    torch.set_num_threads(threads)
    imports = _high_water()
    work = make(*arguments)
    _give_back()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = _high_water()
    work()
    kibibytes = {"imports": imports, "made": before - imports, "peak": _high_water() - before}
    return {key: value / 2**10 for key, value in kibibytes.items()}


def _give_back() -> None:
    """Give back to the system what has been freed, which would hide as much of what comes next."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _high_water() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or sys.platform)
