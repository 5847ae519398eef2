"""Lists made from folders, extended and checked."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gancomponents.data import DomainDataset, JointTransform, write_image
from gancomponents.errors import InputError
from recipes import cli, lists


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Seven photos, masks for six of them and for a stranger, labels and depth for all."""
    rng = np.random.default_rng(0)
    for name in ("photos", "masks", "labels", "depth"):
        (tmp_path / name).mkdir()
    for index in range(7):
        write_image(tmp_path / "photos" / f"street_{index}.png", rng.integers(0, 256, (40, 50, 3), np.uint8))
        labels = np.full((40, 50), 9, np.uint8)
        labels[20:] = 1
        for name, array in (("labels", labels), ("depth", np.full((40, 50), 4, np.float32))):
            np.save(tmp_path / name / f"street_{index}.npy", array)
    for stem in [*(f"street_{index}" for index in range(6)), "stranger"]:
        mask = np.zeros((40, 50, 3), np.uint8)
        mask[30:] = 255
        write_image(tmp_path / "masks" / f"{stem}.png", mask)
    (tmp_path / "photos" / ".hidden.png").write_text("")
    (tmp_path / "photos" / "notes.txt").write_text("")
    return tmp_path


def _run(*arguments: object) -> None:
    lists.main([str(argument) for argument in arguments])


def _rows(path: Path) -> list[dict[str, str]]:
    return json.loads(path.read_text())


def test_files_are_paired_by_their_stems(folders: Path, capsys) -> None:
    _run("make", f"x={folders / 'photos'}", f"m={folders / 'masks'}", "--output", folders / "all.json")
    rows = _rows(folders / "all.json")
    assert rows[0] == {"x": "photos/street_0.png", "m": "masks/street_0.png"}
    assert [sorted(row) for row in rows] == [["m", "x"]] * 6 + [["x"]]
    out = capsys.readouterr().out
    assert "all.json: 7 rows" in out
    assert "1 files of m have no image" in out
    dataset = DomainDataset(
        folders / "all.json", "r", tasks=["m"], transform=JointTransform(32), skip_incomplete=True
    )
    assert len(dataset) == 6
    assert dataset[0]["m"].unique().tolist() == [0, 1]


def test_the_last_rows_may_be_held_out(folders: Path) -> None:
    new = folders / "lists"
    command = ["make", f"x={folders / 'photos'}", f"m={folders / 'masks'}", "--complete"]
    _run(*command, "--output", new / "train.json", "--val", new / "val.json", "--share", 0.34)
    assert [len(_rows(new / name)) for name in ("train.json", "val.json")] == [4, 2]
    assert _rows(new / "val.json")[-1]["x"] == (folders / "photos" / "street_5.png").as_posix()  # not below


def test_a_task_is_added_and_the_rest_stays(folders: Path) -> None:
    _run("make", f"x={folders / 'photos'}", "--output", folders / "x.json")
    new = folders / "more" / "xm.json"
    _run("add", folders / "x.json", f"m={folders / 'masks'}", f"s={folders / 'labels'}", "--output", new)
    rows = _rows(new)
    assert [sorted(row) for row in rows] == [["m", "s", "x"]] * 6 + [["s", "x"]]
    assert all(
        Path(path).is_file() for row in rows for path in row.values()
    )  # absolute: the list lies elsewhere
    assert _rows(folders / "x.json")[0] == {"x": "photos/street_0.png"}


def test_what_is_in_a_list_is_told(folders: Path, capsys) -> None:
    pairs = [
        f"{task}={folders / name}"
        for task, name in zip("xsdm", ("photos", "labels", "depth", "masks"), strict=True)
    ]
    _run("make", *pairs, "--output", folders / "s.json")
    capsys.readouterr()
    _run("check", folders / "s.json", "--domain", "s")
    out = capsys.readouterr().out
    for text in (
        "x 7, s 7, d 7, m 6",
        "40 x 50 (7)",
        "ground 50.0 %, sky 50.0 %",
        "water    25.0 %",
        "no problems",
    ):
        assert text in out
    assert "0.25 to 0.25" in out
    _run("check", folders / "s.json", "--domain", "s", "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["labels"]["sky"] == 0.5
    assert report["problems"] == []


def test_every_problem_is_told_and_the_exit_code_is_two(folders: Path, capsys) -> None:
    pairs = [f"x={folders / 'photos'}", f"s={folders / 'labels'}", f"m={folders / 'masks'}"]
    _run("make", *pairs, "--output", folders / "s.json")
    (folders / "masks" / "street_0.png").unlink()
    damaged = folders / "photos" / "street_1.png"
    damaged.write_bytes(damaged.read_bytes()[:-200])
    np.save(folders / "labels" / "street_2.npy", np.full((40, 50), 11, np.uint8))
    write_image(folders / "masks" / "street_3.png", np.zeros((20, 50, 3), np.uint8))
    with pytest.raises(SystemExit) as left:
        cli.run(lists.main, ["check", str(folders / "s.json"), "--domain", "s"])
    out, error = capsys.readouterr()
    assert left.value.code == 2
    for index in range(4):
        assert f"street_{index}" in out
    assert error.count("error:") == 1
    assert "4 that are not" in error


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["make", "m=masks", "--output", "new.json"], "x=FOLDER"),
        (["make", "x=nowhere", "--output", "new.json"], "expected a folder"),
        (["make", "photos", "--output", "new.json"], "TASK=FOLDER"),
        (["make", "q=photos", "--output", "new.json"], "TASK=FOLDER"),
        (["make", "x=photos", "x=photos", "--output", "new.json"], "TASK=FOLDER"),
        (["make", "x=photos", "--output", "new.txt"], "expected a .json file"),
        (["make", "x=photos", "--output", "taken.json"], "expected a new file"),
        (["make", "x=photos", "--output", "new.json", "--val", "taken.json"], "expected a new file"),
        (["make", "x=photos", "--output", "new.json", "--share", "2"], "--share"),
        (["make", "x=empty", "--output", "new.json"], "at least one row"),
        (["make", "x=twice", "--output", "new.json"], "one file of each stem"),
        (["add", "taken.json", "m=empty", "--output", "new.json"], "a file for some image"),
        (["add", "taken.json", "x=photos", "--output", "new.json"], "rows without 'x'"),
        (["add", "nowhere.json", "m=masks", "--output", "new.json"], "nowhere.json"),
        (["check", "nowhere.json"], "nowhere.json"),
        (["check", "taken.json", "--domain", "q"], "--domain"),
        (["mend", "taken.json"], "mend"),
        ([], "make|add|check"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    folders: Path, command: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folders)
    (folders / "empty").mkdir()
    (folders / "twice").mkdir()
    for name in ("a.png", "a.jpg"):
        shutil.copy(folders / "photos" / "street_0.png", folders / "twice" / name)
    (folders / "taken.json").write_text('[{"x": "photos/street_0.png"}]')
    before = sorted(folders.rglob("*"))
    with pytest.raises(InputError) as caught:
        lists.main(command)
    assert message in str(caught.value)
    assert sorted(folders.rglob("*")) == before


def test_held_out_rows_do_not_replace_the_others(tmp_path: Path, capsys) -> None:
    (tmp_path / "x").mkdir()
    for index in range(4):
        write_image(tmp_path / "x" / f"{index}.png", np.zeros((8, 8, 3), np.uint8))
    both = ["--output", str(tmp_path / "w.json"), "--val", str(tmp_path / "w.json")]
    with pytest.raises(SystemExit) as left:
        cli.run(lists.main, ["make", f"x={tmp_path / 'x'}", *both])
    assert left.value.code == 2
    assert "another file than --output" in capsys.readouterr().err
    assert not (tmp_path / "w.json").exists()
