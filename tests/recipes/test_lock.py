"""One run at a time in a folder, whatever becomes of the other one."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gancomponents.errors import InputError
from recipes import run
from recipes.folder import RunFolder
from tests.recipes.tiny import flags, write_data

# It forks a child, as a loader does, which outlives it.
_HOLDER = """
import os, sys, time
from pathlib import Path
from recipes.folder import RunFolder
folder = RunFolder(Path(sys.argv[1]))
folder.create(afresh=True)
if os.fork() == 0:
    print(os.getpid(), flush=True)
time.sleep(60)
"""


@contextmanager
def _another(output: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _HOLDER, str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        child = int(other.stdout.readline())
        try:
            yield other
        finally:
            os.kill(child, signal.SIGKILL)
            other.kill()


def test_a_second_run_is_told_of_the_first_until_that_is_killed(tmp_path: Path) -> None:
    data, output = write_data(tmp_path / "data"), tmp_path / "run"
    command = [*flags(data, output, steps=1), "--resume", "auto"]
    with _another(output) as other:
        with pytest.raises(InputError, match=f"another run, process {other.pid}, that is writing there"):
            run.main(command)
        assert {path.name for path in output.iterdir()} == {".lock", "checkpoints", "events", "samples"}
        other.kill()
        other.wait()
        run.main(command)  # although a child of the other one is there
    assert (output / "report.md").exists()
    assert not list(output.glob("set_aside_*"))


def test_a_lock_alone_is_nothing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.lock()
    folder.lock()
    folder.unlock()
    folder.unlock()
    folder.claim()
    folder.claim_leftovers()
    folder.create(afresh=True)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "checkpoints", "events", "samples"}


def test_who_comes_second_to_a_new_folder_is_told(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    for folder in (first, second):
        folder.claim()
        folder.lock()  # there is nothing to lock yet

    def first_was_faster() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "mkdir", mkdir)
            first.create(afresh=True)
            first.write(first.config, "begun")

    mkdir = Path.mkdir
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", lambda path, **more: first_was_faster())
        with pytest.raises(InputError, match="one that holds a run"):
            second.create(afresh=True)
    assert first.config.read_text() == "begun"


def test_where_nothing_can_be_locked_a_run_goes_on(tmp_path: Path, monkeypatch, capsys) -> None:
    def refuse(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    folder = RunFolder(tmp_path)
    folder.lock()
    folder.create(afresh=True)
    assert "cannot be locked (No locks available): start no second run" in capsys.readouterr().err


def test_a_run_that_is_killed_while_it_sets_leftovers_aside_can_begin_again(tmp_path: Path) -> None:
    for moved in range(4):
        output = tmp_path / str(moved)
        folder = RunFolder(output)
        folder.create(afresh=True)
        for file in (folder.config, folder.metrics, folder.architecture):
            file.write_text("{}")
        left, rename = [moved], Path.rename

        def dying(path: Path, target: Path, left=left, rename=rename) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            rename(path, target)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "rename", dying)
            try:
                RunFolder(output).create(afresh=True)
            except KeyboardInterrupt:
                assert moved < 3
        again = RunFolder(output)
        again.claim_leftovers()
        again.create(afresh=True)
        aside = [path for path in output.rglob("*") if path.is_file() and path.name != ".lock"]
        assert len(aside) == 3


def test_what_a_killed_run_left_half_written_is_swept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create(afresh=True)
    (tmp_path / ".metrics.jsonl.7.partial").write_text("half")
    (folder.samples / ".step_000001.png.7-8.part").write_text("half")
    folder.config.write_text("{}")
    folder.create(afresh=False)
    assert {path.name for path in tmp_path.rglob(".*")} == {".lock"}
