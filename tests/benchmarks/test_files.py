"""Results in files: what is wrong with one is told in a line, before anything is measured."""

from pathlib import Path

import pytest

from benchmarks import loader, scaling
from benchmarks.climategan import __main__ as climategan
from benchmarks.files import check_target, read_result
from gancomponents.errors import InputError


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        ("{", "no JSON"),
        ("[]", "none of its 'rows'"),
        ('{"a": 1}', "none of its 'rows'"),
    ],
)
def test_what_is_no_result_is_told(tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=told):
        read_result("--table", str(path), "rows")


def test_every_command_tells_another_ones_result(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("{}")
    for main, flags in ((loader.main, ["--table"]), (scaling.main, ["--from"])):
        with pytest.raises(InputError, match="none of its"):
            main([*flags, str(path)])
    with pytest.raises(InputError, match="none of its 'machine'"):
        climategan.main(["--compare", str(path), str(path)])


def test_a_target_that_cannot_be_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, told in ((str(tmp_path), "a folder"), (str(tmp_path / "file" / "x.json"), "exists|directory")):
        with pytest.raises(InputError, match=told):
            check_target(name)
    check_target(str(tmp_path / "new" / "x.json"))
    assert (tmp_path / "new").is_dir()
