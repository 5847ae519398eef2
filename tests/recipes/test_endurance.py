"""A thousand steps at tiny scale: memory, open files and the run folder stay as large as they were."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.recipes.tiny import flags, write_data

_STEPS, _LOG_EVERY, _KEEP = 1000, 5, 2


def _measure(process: psutil.Process, output: Path) -> tuple[int, int, int, int]:
    """Resident bytes and open files of the process, resident bytes of its workers, entries in its checkpoints."""
    workers = sum(worker.memory_info().rss for worker in process.children())
    kept = len(list((output / "checkpoints").glob("*")))
    return process.memory_info().rss, process.num_fds(), workers, kept


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_thousand_steps_leave_nothing_behind(tmp_path: Path, workers: int) -> None:
    data, output = write_data(tmp_path / "data", count=8), tmp_path / "run"
    more = (
        f"data.Data.workers = {workers}",
        f"run.Recipe.log_every = {_LOG_EVERY}",
        "run.Recipe.save_every = 20",
        "run.Recipe.sample_every = 50",
        f"run.Recipe.keep = {_KEEP}",
    )
    command = [sys.executable, "-m", "recipes.run", *flags(data, output, steps=_STEPS, more=more)]
    found: dict[int, tuple[int, int, int, int]] = {}
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as started:
        process, lines = psutil.Process(started.pid), output / "metrics.jsonl"
        while started.poll() is None:
            text = lines.read_text().split("\n") if lines.exists() else []
            step = json.loads(text[-2])["step"] if len(text) > 1 else 0
            if 0 < step < _STEPS and step not in found:  # after the last step networks are evaluated again
                found[step] = _measure(process, output)
            time.sleep(0.02)
    assert started.returncode == 0, (tmp_path / "log").read_text()[-3000:]
    assert len(found) > _STEPS / _LOG_EVERY / 2

    def between(first: int, last: int, what: int) -> float:
        """The median: a step's own tensors come and go."""
        return statistics.median(seen[what] for step, seen in found.items() if first <= step < last)

    for name, what in (("main process", 0), ("workers", 2)):
        sizes = {first: between(first, first + 100, what) for first in range(100, _STEPS, 100)}
        print(f"{workers} workers, resident MiB of the {name} by hundreds of steps:", end=" ")
        print(", ".join(f"{first}: {size / 2**20:.1f}" for first, size in sizes.items()))
        assert sizes[900] <= 1.01 * sizes[100]
    files = [seen[1] for step, seen in sorted(found.items()) if step >= 100]
    print(f"{workers} workers, open files from {min(files)} to {max(files)}")
    quarter = len(files) // 4
    assert max(files[-quarter:]) <= max(files[:quarter])
    kept = [seen[3] for seen in found.values()]
    print(f"{workers} workers, at most {max(kept)} entries in checkpoints/")
    assert max(kept) <= _KEEP + 2  # one that is being written, one that is being dropped
    assert len(list((output / "checkpoints").iterdir())) == _KEEP
