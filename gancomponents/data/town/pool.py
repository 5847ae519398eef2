"""Rendering on all cores: worker processes that know nothing but the renderer.

Workers are plain child processes, fed with jobs on stdin. A multiprocessing pool would have each
of them import the caller's main module again, and with it torch: seconds and hundreds of megabytes for nothing.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from gancomponents.data.town.frames import Job, write_frame
from gancomponents.errors import InputError

__all__ = ["render_all"]


def render_all(folder: Path, jobs: Sequence[Job], workers: int | None = None) -> Iterator[bool]:
    """Write every frame; yield, as each is done, whether it had to be rendered.

    Args:
        folder: of the town.
        jobs: the frames.
        workers: processes; one a core where None, this very process where 1.

    Raises:
        InputError: when a file cannot be written.
    """
    count = min(workers or len(os.sched_getaffinity(0)), len(jobs))
    if count <= 1:
        yield from (_render(folder, job) for job in jobs)
        return
    done: queue.Queue[str | None] = queue.Queue()
    children = [_start(folder, jobs[i::count], done) for i in range(count)]
    try:
        running = count
        while running:
            line = done.get()
            if line is None:
                running -= 1
            elif line.strip() in ("0", "1"):
                yield line.strip() == "1"
            else:
                what, got = json.loads(line)
                raise InputError(what, expected="a file that can be written", got=got, fix=_ROOM)
        if any(child.wait() for child in children):
            raise RuntimeError("a render worker died: run again, finished frames are kept")
    finally:
        for child in children:
            child.kill()
            child.wait()


_ROOM = "make room or choose another folder, then run again: finished frames are kept"


def _start(folder: Path, jobs: Sequence[Job], done: "queue.Queue[str | None]") -> subprocess.Popen[str]:
    package = str(Path(__file__).parents[3])
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", "from gancomponents.data.town import pool; pool.work()", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    threading.Thread(target=_talk, args=(child, jobs, done), daemon=True).start()
    return child


def _talk(child: subprocess.Popen[str], jobs: Sequence[Job], done: "queue.Queue[str | None]") -> None:
    try:
        if child.stdin and child.stdout:
            child.stdin.write("".join(json.dumps(asdict(job)) + "\n" for job in jobs))
            child.stdin.close()
            for line in child.stdout:
                done.put(line)
    except OSError:
        pass  # the child is gone: its exit status says why
    finally:
        done.put(None)


def _render(folder: Path, job: Job) -> bool:
    try:
        return write_frame(folder, job)
    except OSError as error:
        got = error.strerror or str(error)
        what = str(error.filename or folder)
        raise InputError(what, expected="a file that can be written", got=got, fix=_ROOM) from error


def work() -> None:
    """A worker's life: jobs from stdin, a line on stdout for each that is done."""
    folder = Path(sys.argv[1])
    jobs = [Job(**json.loads(line)) for line in sys.stdin]
    for job in jobs:
        try:
            print(int(write_frame(folder, job)), flush=True)
        except BrokenPipeError:
            return  # nobody is listening any more
        except OSError as error:
            print(json.dumps([str(error.filename or folder), error.strerror or str(error)]), flush=True)
            return
