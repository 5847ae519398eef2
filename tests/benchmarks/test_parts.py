"""The benchmark of parts: both sides do the same, and its rows are as documented."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import parts
from gancomponents.errors import InputError

SMALL = {"instance norm, two maps of 40 channels", "SPADE block, 40 to 20 channels"}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SIDE", 16)
    chosen = {name: part for name, part in parts.PARTS.items() if name in SMALL}
    monkeypatch.setattr(parts, "PARTS", chosen)
    monkeypatch.setattr(parts, "peak_mebibytes", lambda *given: 3.0)


def test_rows_are_as_documented(small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "parts.json"
    parts.main(["--rounds", "2", "--json", str(path)])
    result = json.loads(path.read_text())
    assert parts.__doc__ is not None
    told = set(re.findall(r"``(\w+)``", parts.__doc__))
    keys = {*result, *(key for row in result["rows"] for key in row), *result["rows"][0]["ratio"]}
    assert keys == told
    assert [row["part"] for row in result["rows"]] == [name for name in parts.PARTS for _ in parts.PRECISIONS]
    printed = capsys.readouterr().out
    parts.main(["--table", str(path)])
    table = capsys.readouterr().out
    assert all(line in table for line in printed.splitlines() if line.startswith("|"))


def test_a_number_of_rounds_is_asked_for() -> None:
    with pytest.raises(InputError, match="0 is less than 1"):
        parts.main(["--rounds", "0"])
