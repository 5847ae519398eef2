"""What befalls a run from outside: one line says what, what is left, and how to go on."""

import errno
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from matplotlib.figure import Figure
from safetensors import SafetensorError
from safetensors import torch as files

from gancomponents.training import AdversarialLoop, checkpoint
from recipes import cli, run
from tests.recipes.tiny import flags, write_data

_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
_MORE = ("run.Recipe.save_every = 2", "run.Recipe.log_every = 1", "run.Recipe.sample_every = 3")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


def _mishap(
    data: Path, output: Path, capsys, monkeypatch, happens: Callable[[], None], *, workers: int = 0
) -> str:
    """Train four steps; the mishap happens as step 3 begins, after a checkpoint. Return the one error line."""
    step = AdversarialLoop.step

    def disturbed(self, batch, index, *clock):
        if index == 2:
            happens()
        return step(self, batch, index, *clock)

    more = (*_MORE, f"data.Data.workers = {workers}")
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as left:
        patch.setattr(AdversarialLoop, "step", disturbed)
        cli.run(run.main, flags(data, output, steps=40, more=more))
    assert left.value.code == cli.MISTAKE
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in said
    last = checkpoint.newest(output / "checkpoints")
    assert last is not None
    assert line.endswith(f"{last} is whole; go on with the same command and --output {output} --resume auto.")
    assert not list(output.rglob("*.part*"))
    return line


def _refusing(owner: object, name: str, concerns: Callable[..., bool], error: Exception, monkeypatch):
    call = getattr(owner, name)

    def refuses(*arguments, **more):
        if concerns(*arguments, **more):
            raise error
        return call(*arguments, **more)

    monkeypatch.setattr(owner, name, refuses)


def test_no_room_for_a_checkpoint(data: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    def fill() -> None:
        error = SafetensorError("Error while serializing: I/O error (os error 28)")
        _refusing(files, "save_file", lambda tensors, path: path.stem == "critics", error, monkeypatch)

    line = _mishap(data, tmp_path / "run", capsys, monkeypatch, fill)
    file = tmp_path / "run" / "checkpoints" / "step_00000004" / "critics.safetensors"
    assert (
        f"error: {file}: expected a file that can be written, got No space left on device. Fix: free" in line
    )
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step_00000002"]


def test_no_room_for_a_line_of_metrics(data: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    metrics = tmp_path / "run" / "metrics.jsonl"

    def fill() -> None:
        metrics.unlink()
        metrics.symlink_to("/dev/full")

    line = _mishap(data, tmp_path / "run", capsys, monkeypatch, fill)
    assert f"error: {metrics}: expected a file that can be written, got No space left on device" in line


def test_no_room_for_a_picture(data: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    def fill() -> None:
        _refusing(Path, "write_bytes", lambda *_: True, _FULL, monkeypatch)

    line = _mishap(data, tmp_path / "run", capsys, monkeypatch, fill)
    assert "samples/step_000003.png: expected a file that can be written, got No space left" in line


@pytest.mark.parametrize("name", ["report.md", "curves.png"])
def test_no_room_for_the_report(data: Path, tmp_path: Path, capsys, monkeypatch, name: str) -> None:
    def fill() -> None:
        if name == "curves.png":
            _refusing(Figure, "savefig", lambda *_, **__: True, _FULL, monkeypatch)
        else:
            _refusing(Path, "open", lambda path, *_, **__: name in path.name, _FULL, monkeypatch)

    line = _mishap(data, tmp_path / "run", capsys, monkeypatch, fill)
    assert f"{name}: expected a file that can be written, got No space left on device" in line


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_file_that_vanishes(data: Path, tmp_path: Path, capsys, monkeypatch, workers: int) -> None:
    def vanish() -> None:
        for path in data.glob("train_rf_?.png"):
            path.unlink()

    line = _mishap(data, tmp_path / "run", capsys, monkeypatch, vanish, workers=workers)
    assert re.match(rf"error: {data}/train_rf_\d\.png: expected a file, got nothing of that name", line)
    assert multiprocessing.active_children() == []


def test_a_worker_that_dies(data: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    def kill() -> None:
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    line = _mishap(data, tmp_path / "run", capsys, monkeypatch, kill, workers=2)
    assert line.startswith("error: a loader worker: expected one that lives, got one that was killed")
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "full", "x"), "x: expected a file that can be written, got No space left"),
        (OSError(errno.EROFS, "read-only"), "a file: expected a file that can be written, got Read-only"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), "[Errno 2] No such file: 'x'"),
    ],
)
def test_any_command_tells_what_the_system_refuses_in_one_line(error: OSError, told: str, capsys) -> None:
    def command(arguments) -> None:
        raise error

    with pytest.raises(SystemExit) as left:
        cli.run(command, [])
    assert left.value.code == cli.MISTAKE
    assert capsys.readouterr().err.startswith(f"error: {told}")


_TORCHRUN = """
import subprocess, sys, time
rank = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
rank.stdout.readline()
print(rank.pid, flush=True)
time.sleep(60)
"""
_RANK = """
import time
from recipes.stopping import end_with_torchrun
end_with_torchrun()
print(flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("under", [True, False])
def test_a_process_of_a_dead_torchrun_ends_and_no_other(tmp_path: Path, monkeypatch, under: bool) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    if under:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    command = [sys.executable, "-c", _TORCHRUN, _RANK]
    with (tmp_path / "said").open("wb") as said:
        torchrun = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
    assert torchrun.stdout is not None
    rank = psutil.Process(int(torchrun.stdout.readline()))
    torchrun.kill()
    torchrun.wait()
    torchrun.stdout.close()
    _, living = psutil.wait_procs([rank], timeout=10 if under else 2)
    told = (tmp_path / "said").read_text()
    if under:
        assert not living or rank.status() == psutil.STATUS_ZOMBIE
        assert told.startswith(f"error: torchrun, process {torchrun.pid}, is gone")
    else:
        rank.kill()
        assert living
        assert told == ""
