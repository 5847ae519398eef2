import json
import os
from pathlib import Path

import pytest
import yaml

from gancomponents.data.lists import FileList, check_exist, read_list
from gancomponents.errors import InputError

ROWS = [{"x": "a.png", "m": "sub/b.png"}, {"x": "c.png", "s": "/abs/d.npy", "note": 3}]


def write(path, rows):
    path.write_text(yaml.safe_dump(rows) if path.suffix != ".json" else json.dumps(rows))
    return path


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.yml", "a.JSON"])
def test_json_and_yaml(tmp_path, name):
    path = tmp_path / name
    path.write_text(json.dumps(ROWS))  # JSON is YAML as well
    rows = read_list(path, ["x", "m", "s"], must_exist=False)
    assert len(rows) == 2
    assert rows.source == path
    assert list(rows) == [
        {"x": tmp_path / "a.png", "m": tmp_path / "sub/b.png"},
        {"x": tmp_path / "c.png", "s": Path("/abs/d.npy")},
    ]
    assert rows[-1] == rows[1]
    assert rows[:1] == [rows[0]]
    with pytest.raises(IndexError, match="row 2"):
        rows[2]
    assert list(read_list(path, [], must_exist=False)) == [
        {"x": tmp_path / "a.png"},
        {"x": tmp_path / "c.png"},
    ]


def test_yaml_block_style_of_the_documentation(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("# data file\n- x: a.png\n  m: b.png\n- x: c.png\n")
    assert [sorted(row) for row in read_list(path, ["m"], must_exist=False)] == [["m", "x"], ["x"]]


def test_paths_are_relative_to_the_list_and_variables_expand(tmp_path, monkeypatch):
    monkeypatch.setenv("PICTURES", "/pictures")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir("/")
    (tmp_path / "lists").mkdir()
    names = ["../a.png", "$PICTURES/a.png", "${PICTURES}/b/a.png", "~/a.png", "/a.png", "å b.png"]
    path = write(tmp_path / "lists" / "a.json", [{"x": name} for name in names])
    found = [str(row["x"]) for row in read_list(path, [], must_exist=False)]
    lists = f"{tmp_path}/lists"
    assert found == [
        f"{lists}/../a.png",
        "/pictures/a.png",
        "/pictures/b/a.png",
        "/home/me/a.png",
        "/a.png",
        f"{lists}/å b.png",
    ]
    monkeypatch.chdir(tmp_path)
    assert str(read_list("lists/a.json", [], must_exist=False)[5]["x"]) == "lists/å b.png"


def test_unset_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    for name in ("$NOWHERE/a.png", "${NOWHERE}/a.png"):
        with pytest.raises(InputError, match=r"row 1, 'x'.*Fix: export NOWHERE"):
            read_list(write(tmp_path / "a.json", [{"x": name}]), [])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[{'x': 1}]", "well-formed JSON, got line 1, column 3"),
        ("a.json", '[{"x": "a"},\n', "line 2, column 1"),
        ("a.json", "", "well-formed JSON"),
        ("a.json", "[" * 100000, "JSON|flat"),
        ("a.yaml", "- x: [a\n- y", "well-formed YAML, got line [23]"),
        ("a.yaml", "- x: !!python/object:os.system a", "well-formed YAML"),
        ("a.yaml", "", "got an empty file"),
        ("a.json", '{"x": "a"}', "expected a list of {task: path}, got a dict"),
        ("a.json", "[]", "expected at least one row"),
        ("a.json", '[{"x": "a"}, "b.png"]', "row 2: expected {task: path}, got 'b.png'"),
        ("a.json", '[{"x": "a"}, {"m": "b.png"}]', "row 2: expected a path for 'x', got only"),
        ("a.json", '[{"X": "a"}]', "row 1: expected a path for 'x'"),
        ("a.json", '[{"x": 3}]', "row 1, 'x': expected a path, got 3"),
        ("a.json", '[{"x": ""}]', "expected a path, got ''"),
        ("a.json", '[{"x": null}]', "expected a path, got None"),
        ("a.json", '[{"x": "a\\u0000"}]', "expected a path"),
        ("a.yaml", "- x: 2020-01-01", "expected a path"),
        ("a.txt", "a.png", r"expected a .json, .yaml or .yml list, got .txt"),
    ],
)
def test_malformed(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        read_list(tmp_path / name, ["m"], must_exist=False)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_unreadable(tmp_path):
    with pytest.raises(InputError, match=r"none.json: expected a list of files, got nothing of that name"):
        read_list(tmp_path / "none.json", [])
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        read_list(tmp_path / "folder.json", [])
    (tmp_path / "latin.json").write_bytes(b'[{"x": "\xe5"}]')
    with pytest.raises(InputError, match="expected a readable text file"):
        read_list(tmp_path / "latin.json", [])
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf[{"x": "a"}]')
    assert len(read_list(tmp_path / "bom.json", [], must_exist=False)) == 1


def test_required_tasks(tmp_path):
    path = write(tmp_path / "a.json", ROWS)
    with pytest.raises(InputError, match=r"row 2: expected a path for 'm', got only \['note', 's', 'x'\]"):
        read_list(path, ["m"], required=("x", "m"))


def test_missing_files_are_counted(tmp_path):
    (tmp_path / "a.png").touch()
    rows = [{"x": "a.png"}, {"x": "a.png", "m": "b.png"}, {"x": "c.png"}]
    path = write(tmp_path / "a.json", rows)
    with pytest.raises(
        InputError, match=r"a.json, row 2, 'm': .*b.png: expected a file, got none \(and 1 more"
    ):
        read_list(path, ["m"])
    with pytest.raises(InputError, match=r"row 3, 'x': .*c.png: expected a file, got none\."):
        read_list(path, [])
    files = read_list(path, ["m"], must_exist=False)
    check_exist(files, [0])
    os.mkdir(tmp_path / "c.png")
    with pytest.raises(InputError, match=r"row 3"):
        check_exist(files, [0, 2])


def test_columns_must_agree():
    with pytest.raises(ValueError, match="columns must be"):
        FileList(Path(), {"x": ["a"], "m": []})
    with pytest.raises(ValueError, match="columns must be"):
        FileList(Path(), {})
