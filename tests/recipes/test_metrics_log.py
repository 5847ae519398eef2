"""metrics.jsonl: lines that are whole, valid JSON, and the only ones of their kind."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gancomponents.errors import InputError
from recipes import metrics_log
from recipes.folder import RunFolder
from recipes.health import Health
from recipes.report import write_report

_LIMITED = """
import resource, sys
from pathlib import Path
from gancomponents.errors import InputError
from recipes import metrics_log
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, resource.RLIM_INFINITY))
try:
    metrics_log.append(path, {"step": 2, "loss": 0.123456789})
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize("tail", ['{"step": 2, "lo', "\0\0\0", "\x85", '{"step": [2]}', "[2]", '"step"'])
def test_a_torn_tail_swallows_nothing(tmp_path: Path, tail: str) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics_log.append(path, {"step": 1})
    with path.open("a", encoding="latin-1") as file:
        file.write(tail)
    metrics_log.append(path, {"step": 3})
    assert [record["step"] for record in metrics_log.read(path)] == [1, 3]
    folder = RunFolder(tmp_path)
    folder.rewind(3)
    assert path.read_text() == '{"step": 1}\n{"step": 3}\n'


def test_a_last_line_that_lacks_only_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}')
    metrics_log.append(path, {"step": 2})
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_a_line_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: written.append(line) or write(file, line))
    metrics_log.append(tmp_path / "metrics.jsonl", {"step": 1, "loss": 0.5})
    assert written == [b'{"step": 1, "loss": 0.5}\n']


def test_a_line_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics_log.append(path, {"step": 1})
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        f"{path}: expected a file that can be written, got File too large. Fix: free space there.\n"
    )
    assert path.read_text() == '{"step": 1}\n'


def test_what_json_does_not_know_is_null_and_readers_cope(tmp_path: Path, capsys) -> None:
    folder = RunFolder(tmp_path)
    folder.create(afresh=True)
    folder.metrics.write_text('{"step": 1, "time": 0.5, "masker": NaN, "masker/m/bce/s": Infinity}\n')
    folder.rewind(1)
    for step, value in ((2, 0.5), (3, math.nan), (4, -math.inf), (5, 0.4)):
        record = {"step": step, "time": 1.0, "masker": value, "masker/m/bce/s": value, "deep": [{"x": value}]}
        folder.append_metrics(record)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    lines = folder.metrics.read_text().splitlines()
    records = [json.loads(line, parse_constant=refuse) for line in lines]
    assert [record["masker"] for record in records] == [None, 0.5, None, None, 0.4]
    assert records[2]["deep"] == [{"x": None}]
    assert Health().replay(records) == []
    write_report("test", folder, {"before": {}, "after": {}, "baseline": {}}, [])
    assert folder.curves.exists()


def test_a_file_that_cannot_be_written_is_named_and_stays_as_it_was(tmp_path: Path, monkeypatch) -> None:
    folder = RunFolder(tmp_path)
    folder.write(folder.report, "before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(InputError, match=r"report\.md: .* No space left"):
        patch.setattr(os, "fsync", full)
        folder.write(folder.report, "after")
    assert folder.report.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]
