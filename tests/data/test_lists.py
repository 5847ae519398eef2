import contextlib
import json
import os
import pickle
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gancomponents.data import _rows, lists
from gancomponents.data._columns import Column
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


def _laughs(row):
    """Thirty rows, each of which holds the one before nine times."""
    inner = ("{x: lol}", *(",".join([f"*b{i}"] * 9) for i in range(29)))
    return "".join(row.format(i, each) + "\n" for i, each in enumerate(inner))


def test_merges_of_merges_take_no_time(tmp_path):
    (tmp_path / "a.yaml").write_text(_laughs("- &b{} {{x: a, <<: [{}]}}"))
    with contextlib.suppress(InputError):  # refused where PyYAML keeps every key of every merge
        assert len(read_list(tmp_path / "a.yaml", [], must_exist=False)) == 30


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
        ("a.json", '[{"x": "a", "m": ""}]', "'m': expected a path, got ''"),
        ("a.json", '[{"x": "a"}]]', "line 1, column 13: Extra data"),
        ("a.json", '[{"x": "a"} {"x": "b"}]', "line 1, column 13: Expecting ',' delimiter"),
        ("a.json", '[{"x": "a"}', "line 1, column 12: Expecting ',' delimiter"),
        ("a.json", "12", "expected a list of {task: path}, got a int"),
        ("a.json", "null", "got an empty file"),
        ("a.yaml", "x: a", "expected a list of {task: path}, got a dict"),
        ("a.yaml", "# nothing", "got an empty file"),
        ("a.yaml", "[]", "expected at least one row"),
        ("a.yaml", "- x: a\n- x: *b", "line 2, column 6: found undefined alias"),
        ("a.yaml", f"- &a {{x: a}}\n- <<: [{'*a,' * 1001}]", "more than 1000 keys in one row"),
        (
            "a.yaml",
            f"{_laughs('- {{x: a, n: &b{} [{}]}}')}- *b29",
            r"row 31: expected {task: path}, got \[\[",
        ),
        ("a.json", '[{"x": ' + "1" * 5000 + "}]", "expected paths, got a huge number"),
        ("a.json", '[{"x": "' + "a" * (1 << 25), "No value may take more than 16777216 characters"),
        ("a.yaml", "- x: a\n---\n- x: b", "line 2, column 1: a second document"),
        ("a.yaml", "- x: 2020-99-99", "well-formed YAML, got month must be"),
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


@pytest.mark.parametrize("chunk", [1, 2, 7, 30])
@pytest.mark.parametrize(
    "rows", [ROWS, ROWS * 20, [{"x": 'å \\ " ] } , b.png', "m": "😀" * 50}], [{"x": "\ud800"}]]
)
def test_lists_are_read_a_piece_at_a_time(tmp_path, monkeypatch, chunk, rows):
    expected = list(read_list(write(tmp_path / "a.json", rows), ["m", "s"], must_exist=False))
    monkeypatch.setattr(_rows, "_CHUNK", chunk)
    for options in ({}, {"indent": 3}, {"separators": (",", ":")}, {"ensure_ascii": chunk % 2 == 0}):
        text = json.dumps(rows, **options)
        (tmp_path / "b.json").write_bytes(f" \n{text}\n\n ".encode("utf-8", "surrogatepass"))
        if "\ud800" in text:
            continue  # not UTF-8
        assert list(read_list(tmp_path / "b.json", ["m", "s"], must_exist=False)) == expected


@pytest.mark.parametrize("chunk", [1, 5, 64])
@pytest.mark.parametrize("damage", ["", ",", "}", "12.5e", "'", "[[", "\n{"])
def test_mistakes_are_found_where_json_finds_them(tmp_path, monkeypatch, chunk, damage):
    monkeypatch.setattr(_rows, "_CHUNK", chunk)
    path, text = tmp_path / "a.json", json.dumps(ROWS * 3, indent=1)
    for place in (1, 9, 33, 60, 117, len(text) - 3, len(text)):
        broken = text[:place] + damage + text[place + 2 :]
        path.write_text(broken)
        expected = parsed(json.loads, broken)
        assert parsed(lambda: list(_rows.rows_of(path))) == expected


def parsed(read, *arguments):
    """What was read, or the place of the mistake."""
    try:
        return read(*arguments)
    except (json.JSONDecodeError, InputError) as error:
        return re.search(r"line \d+,? column \d+", str(error))[0].replace(",", "")


def test_yaml_features(tmp_path):
    text = (
        "- &first\n  x: a.png\n  m: &mask b.png\n- <<: *first\n  x: 'c.png'\n- {x: d.png, m: *mask}\n- x: e\n"
    )
    (tmp_path / "a.yaml").write_text(f"%YAML 1.1\n---\n{text}...\n")
    rows = read_list(tmp_path / "a.yaml", ["m"], must_exist=False)
    found = [{task: path.name for task, path in row.items()} for row in rows]
    assert found == yaml.safe_load(text)
    assert found == [
        {"x": "a.png", "m": "b.png"},
        {"x": "c.png", "m": "b.png"},
        {"x": "d.png", "m": "b.png"},
        {"x": "e"},
    ]


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_every_task_but_the_image_is_optional(tmp_path, name):
    rows = [{"x": "a", "m": None}, {"x": "b", "d": "c"}, {"x": "d", "m": "e", "d": "f"}, {"x": "g"}]
    files = read_list(write(tmp_path / name, rows), ["s", "d", "m"], must_exist=False)
    found = [{task: path.name for task, path in row.items()} for row in files]
    assert found == [{k: v for k, v in row.items() if v is not None} for row in rows]
    for tasks, kept in (
        ((), [0, 1, 2, 3]),
        (("m",), [2]),
        (("x", "d"), [1, 2]),
        (("d", "m"), [2]),
        (("s",), []),
    ):
        having = files.having(*tasks)
        assert list(having) == [files[index] for index in kept]
        assert [having.number(index) for index in range(len(having))] == [index + 1 for index in kept]
    assert list(files.having("d").having("m")) == [files[2]]
    assert files.having("d")[-1] == files[2]
    with pytest.raises(IndexError, match="row 2 of a list of 2"):
        files.having("d")[2]


def test_missing_files_are_named_by_their_row_in_the_list(tmp_path):
    files = read_list(write(tmp_path / "a.json", [{"x": "a"}, {"x": "b", "m": "c"}]), ["m"], must_exist=False)
    with pytest.raises(InputError, match=r"row 2, 'x'"):
        check_exist(files.having("m"))


def test_a_variable_that_is_empty_is_no_path(tmp_path, monkeypatch):
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(InputError, match=r"row 1, 'x': expected a path, got '\$EMPTY'"):
        read_list(write(tmp_path / "a.json", [{"x": "$EMPTY"}]), [])


@settings(deadline=None)
@given(st.lists(st.none() | st.text(st.characters(), min_size=1)))
def test_a_column_gives_back_its_strings(strings):
    column = Column.of(strings)
    assert list(column) == strings
    assert [column[index - len(strings)] for index in range(len(strings))] == strings
    assert column[1:] == strings[1:]
    assert column.present().tolist() == [string is not None for string in strings]
    assert list(pickle.loads(pickle.dumps(column))) == strings
    with pytest.raises(IndexError):
        column[len(strings)]


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_a_digest_tells_rows_apart_but_not_folders(monkeypatch, piece):
    monkeypatch.setattr(lists, "_PIECE", piece)

    def digest(x, m=None, folder="a", tasks=("x", "m"), count=None):
        columns = {"x": x, "m": m or [f"{path}_m" for path in x]}
        return FileList(Path(folder), columns).having(*tasks).digest(tasks, count)

    base = digest(["a", "bc", "d"])
    assert base == digest(["a", "bc", "d"], folder="b")
    others = [
        digest(["d", "bc", "a"]),
        digest(["ab", "c", "d"]),
        digest(["a", "bc", "d"], m=["b", "a", "c"]),
        digest(["a", "bc", "d"], tasks=("x",)),
        digest(["a", "bc", "d", "e"]),
        digest(["a", "bc"]),
    ]
    assert len({base, *others}) == 7
    assert base == digest(["a", "bc", "d", "e"], count=3)
    # A row that is left out, at either end or between, leaves no trace.
    for place in range(4):
        x, m = ["a", "bc", "d"], ["a_m", "bc_m", "d_m"]
        assert base == digest([*x[:place], "gone", *x[place:]], [*m[:place], None, *m[place:]])


def test_a_digest_of_many_rows_takes_little_memory():
    files = FileList(Path(), {"x": [f"images/{number:08d}.png" for number in range(300_000)]})
    tracemalloc.start()
    files.digest(["x"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000  # all at once it would be 140 million


@pytest.mark.parametrize(("suffix", "count"), [("json", 60_000), ("yaml", 6000)])
def test_a_row_costs_its_paths_and_eight_bytes_for_each(tmp_path, monkeypatch, suffix, count):
    monkeypatch.setattr(_rows, "_CHUNK", 1 << 14)
    rows = [{"x": f"images/{number:08d}.png", "m": f"masks/{number:08d}.png"} for number in range(count)]
    (tmp_path / f"a.{suffix}").write_text(json.dumps(rows).replace("}, ", "},\n "))
    del rows
    tracemalloc.start()
    files = read_list(tmp_path / f"a.{suffix}", ["m"], must_exist=False)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert files.nbytes == count * (19 + 8 + 18 + 8) + 16
    assert held < files.nbytes * 1.15 + 300_000  # arrays grow ahead of their content
    assert peak < files.nbytes * 1.3 + 500_000  # reading needs no more


MILLIONS = """
import sys, resource
from pathlib import Path
from gancomponents.data import DomainSampler, read_list
path, count = Path(sys.argv[1]), int(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
files = read_list(path, ["m"], must_exist=False)
sampler = DomainSampler({"s": len(files)}, 4)
last = files[sampler.draw(sampler.steps_per_epoch - 1)["s"].indices[0]]
print(len(files), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_ten_million_rows_would_fit_in_a_gigabyte(tmp_path):
    count = 500_000  # ten million are in benchmarks/lists.py
    with (tmp_path / "a.json").open("w") as file:
        file.write("[")
        for number in range(count):
            comma = "," if number else ""
            file.write(f'{comma}\n{{"x": "images/{number:08d}.png", "m": "masks/{number:08d}.png"}}')
        file.write("]")
    command = [sys.executable, "-c", MILLIONS, str(tmp_path / "a.json"), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    length, grown = map(int, done.stdout.split())
    assert length == count
    assert grown < 50_000_000


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
