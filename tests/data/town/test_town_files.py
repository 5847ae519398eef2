"""A town on disk: lists in the common format, the same bytes every time, resumed, refused where it must be."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gancomponents.data import (
    KITTI_COLOURS,
    LABELS,
    DomainDataset,
    JointTransform,
    decode_kitti_depth,
    decode_simulator_depth,
    read_array,
    read_image,
    read_mask,
)
from gancomponents.data.town import (
    RENDERER_VERSION,
    Summary,
    cached_town,
    check_parameters,
    files,
    frames,
    write_town,
)
from gancomponents.data.town.__main__ import main
from gancomponents.errors import InputError

SIZE = 48
ARGUMENTS = {"size": SIZE, "count": 3, "val_count": 2, "seed": 5}
NAMES = {
    *(f"{split}_{domain}.json" for split in ("train", "val") for domain in ("s", "r", "rf", "kitti")),
    *(f"truth_{split}_{domain}.json" for split in ("train", "val") for domain in ("r", "rf")),
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("towns") / "town"
    write_town(folder, workers=1, **ARGUMENTS)
    return folder


def _rows(folder: Path, name: str) -> list[dict[str, str]]:
    return json.loads((folder / name).read_text())


def _digests(folder: Path) -> dict[str, str]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_every_list_is_there_and_every_listed_file_exists(town: Path) -> None:
    assert {path.name for path in town.glob("*.json")} == {*NAMES, "town.json"}
    for name in NAMES:
        rows = _rows(town, name)
        assert len(rows) == (2 if "val" in name else 4 if "kitti" in name else 3)
        for row in rows:
            assert all((town / path).is_file() for path in row.values())
            assert not any(Path(path).is_absolute() for path in row.values())


def test_the_tasks_of_each_domain(town: Path) -> None:
    tasks = {name: set(_rows(town, name)[0]) for name in NAMES}
    for split in ("train", "val"):
        assert tasks[f"{split}_s.json"] == tasks[f"{split}_r.json"] == {"x", "m", "s", "d"}
        assert tasks[f"truth_{split}_r.json"] == {"x", "m", "s", "d"}
        assert tasks[f"{split}_rf.json"] == tasks[f"truth_{split}_rf.json"] == {"x", "m"}
        assert tasks[f"{split}_kitti.json"] == {"x", "s", "d"}


def test_lists_of_truth_are_row_by_row(town: Path) -> None:
    for split in ("train", "val"):
        pairs = zip(_rows(town, f"{split}_r.json"), _rows(town, f"truth_{split}_r.json"), strict=True)
        assert all(row["x"] == truth["x"] for row, truth in pairs)
        pairs = zip(_rows(town, f"{split}_rf.json"), _rows(town, f"truth_{split}_rf.json"), strict=True)
        assert all(row["m"] == truth["m"] and row["x"] != truth["x"] for row, truth in pairs)


@pytest.mark.parametrize("domain", ["s", "r", "rf", "kitti"])
def test_the_common_loader_reads_it(town: Path, domain: str) -> None:
    tasks = {"s": "sdm", "r": "sdm", "rf": "m", "kitti": "sd"}[domain]
    dataset = DomainDataset(
        town / f"train_{domain}.json", domain, tasks=list(tasks), transform=JointTransform(SIZE, train=False)
    )
    dataset.check()
    sample = dataset.sample(0)
    assert sample["x"].shape == (3, SIZE, SIZE)
    assert set(sample) == {"x", *tasks}


def test_the_simulator_encoding_agrees_with_the_metres(town: Path) -> None:
    for row in _rows(town, "train_s.json"):
        coded = decode_simulator_depth(read_array(town / row["d"]))
        metres = np.load(town / row["d"].replace("d.png", "metres.npy"))
        assert metres.dtype == np.float32
        np.testing.assert_allclose(coded, metres, atol=0.0025)


def test_kitti_has_its_own_layout_and_encodings(town: Path) -> None:
    frames_folder = town / "vkitti" / "Scene01" / "clone" / "frames"
    assert (frames_folder / "rgb" / "Camera_0" / "rgb_00000.jpg").is_file()
    colours = read_image(frames_folder / "classSegmentation" / "Camera_0" / "classgt_00000.png")
    known = {tuple(colour) for colour in KITTI_COLOURS.tolist()}
    assert {tuple(colour) for colour in colours.reshape(-1, 3).tolist()} <= known
    stored = read_array(frames_folder / "depth" / "Camera_0" / "depth_00000.png")
    assert stored.dtype == np.uint16
    assert 0 < decode_kitti_depth(stored).min() < decode_kitti_depth(stored).max() <= 655.35


def test_every_common_class_survives_the_way_to_kitti_and_back() -> None:
    from gancomponents.data import KITTI_TO_COMMON

    back = KITTI_TO_COMMON[frames._COMMON_TO_KITTI]
    lost = {LABELS.index("water"), LABELS.index("person")}
    assert all(back[i] == i for i in range(len(LABELS)) if i not in lost)
    assert {int(back[i]) for i in lost} == {LABELS.index("default")}


def test_pseudo_labels_err_plausibly(town: Path) -> None:
    agreements = []
    for row, truth in zip(_rows(town, "train_r.json"), _rows(town, "truth_train_r.json"), strict=True):
        guess, true = np.load(town / row["s"]), read_array(town / truth["s"])
        agreements.append((guess == true).mean())
        ground = read_mask(town / row["m"]).astype(bool)
        np.testing.assert_array_equal(ground, guess == LABELS.index("ground"))
        inverse = 1 / np.maximum(np.load(town / truth["d"]), 0.5)
        assert np.corrcoef(np.load(town / row["d"]).ravel(), inverse.ravel())[0, 1] > 0.8
    assert all(0.7 < share < 0.995 for share in agreements)


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(town: Path, tmp_path: Path) -> None:
    write_town(tmp_path / "two", workers=2, **ARGUMENTS)
    assert _digests(tmp_path / "two") == _digests(town)


def test_another_seed_gives_other_streets(town: Path, tmp_path: Path) -> None:
    write_town(tmp_path / "other", workers=1, domains=("s",), **{**ARGUMENTS, "seed": 6})
    name = _rows(town, "train_s.json")[0]["x"]
    assert (tmp_path / "other" / name).read_bytes() != (town / name).read_bytes()


def test_frames_differ_from_each_other(town: Path) -> None:
    images = [path.read_bytes() for path in town.rglob("*_x.png")]
    assert len(set(images)) == len(images) == 15


def test_a_stopped_render_continues(town: Path, tmp_path: Path) -> None:
    folder = tmp_path / "town"
    calls = iter(range(4))

    def stop_at_the_fifth(*arguments: object) -> bool:
        next(calls)
        return frames_write(*arguments)

    frames_write = frames.write_frame
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr("gancomponents.data.town.pool.write_frame", stop_at_the_fifth)
        write_town(folder, workers=1, **ARGUMENTS)
    assert not (folder / "train_s.json").exists()
    summary = write_town(folder, workers=1, **ARGUMENTS)
    assert summary.rendered == summary.frames - 4
    assert _digests(folder) == _digests(town)
    assert write_town(folder, workers=1, **ARGUMENTS).rendered == 0


def test_the_cache_is_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    arguments = {"size": 32, "count": {"s": 1, "r": 1}, "val_count": 1, "domains": ("s", "r"), "workers": 1}
    folder = cached_town(**arguments)
    assert folder.is_relative_to(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert cached_town(**arguments) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert cached_town(**{**arguments, "seed": 1}) != folder


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--size", "31"], "size: expected a whole number >= 32"),
        (["--size", "big"], "--size"),
        (["--count", "0"], "count: expected a whole number >= 1"),
        (["--count", "-5"], "count"),
        (["--val-count", "0"], "val_count"),
        (["--seed", "-1"], "seed"),
        (["--workers", "0"], "workers"),
        (["--domains", "s,x"], "'x'"),
        (["--domains", ""], "domains"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_mistakes(tmp_path: Path, flags: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        main(["--output", str(tmp_path / "town"), *flags])
    assert message in str(caught.value)
    assert not (tmp_path / "town").exists()


def test_other_folders_are_left_alone(town: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        write_town(tmp_path, workers=1, **ARGUMENTS)
    with pytest.raises(InputError, match="other parameters"):
        write_town(town, workers=1, **{**ARGUMENTS, "seed": 9})
    with pytest.raises(InputError, match="got a file"):
        write_town(tmp_path / "mine.txt", workers=1, **ARGUMENTS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "town.json").write_text("[]")
    with pytest.raises(InputError, match="manifest"):
        write_town(tmp_path, workers=1, **ARGUMENTS)


def test_the_command_tells_mistakes_in_one_line_and_leaves_with_2(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "gancomponents.data.town",
        "--output",
        str(tmp_path / "t"),
        "--size",
        "8",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: size: expected")
    assert done.stderr.count("\n") == 1


def test_rendering_needs_no_torch() -> None:
    code = "import sys, gancomponents.data.town; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="written"):
        write_town(tmp_path / "town", workers=1, **ARGUMENTS)


def test_the_summary_reads_well(town: Path) -> None:
    text = files.describe(write_town(town, workers=1, **ARGUMENTS))
    assert "all there before" in text
    assert str(town) in text


def test_the_summary_counts_and_the_manifest_names_the_renderer(tmp_path: Path) -> None:
    arguments = {"size": 32, "count": 1, "val_count": 1, "domains": ("s",), "workers": 1}
    first, again = (write_town(tmp_path / "town", **arguments) for _ in range(2))
    assert isinstance(first, Summary)
    assert (first.frames, first.rendered, again.rendered) == (2, 2, 0)
    manifest = json.loads((tmp_path / "town" / "town.json").read_text())
    assert manifest["parameters"]["renderer"] == RENDERER_VERSION


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 8},
        {"size": 10**8},
        {"size": "32"},
        {"count": 0},
        {"count": 2.5},
        {"val_count": 0},
        {"seed": -1},
    ],
    ids=str,
)
def test_check_parameters_refuses_what_rendering_would(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        check_parameters(**{"size": 32, "count": 1, **wrong})
    check_parameters(size=32, count={"s": 3})
