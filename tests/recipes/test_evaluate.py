"""The command: known masks give the numbers worked out by hand, in every file; mistakes leave nothing behind."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gancomponents.data import write_image
from gancomponents.training import Runtime, checkpoint
from recipes import cli, evaluate
from recipes.climategan import ClimateGAN
from recipes.evaluation.scores import NAMES
from recipes.folder import RunFolder
from recipes.loading import load_model
from tests.recipes.evaluation.scenes import (
    CANNOT,
    EXPECTED,
    LABEL,
    WATER,
    rows,
    see_white,
    write_run,
    write_scene,
)

NO_MASK = ("climategan.Masker.mask = None",)
NO_MASKER = ("climategan.ClimateGAN.masker = None",)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("runs")
    return {
        "raw": write_run(home / "raw"),
        "averaged": write_run(home / "averaged", averaged=True),
        "no mask": write_run(home / "blind", more=NO_MASK),
        "no masker": write_run(home / "painter", more=NO_MASKER),
    }


@pytest.fixture
def scenes(tmp_path: Path) -> tuple[Path, Path]:
    """Three photos: one worked out by hand, one that cannot be flooded and stays dry, one right throughout."""
    photos, labels = tmp_path / "photos", tmp_path / "labels"
    write_scene(photos, labels, "a", WATER, LABEL)
    write_scene(photos, labels, "b", np.zeros_like(WATER), np.full_like(LABEL, CANNOT))
    write_scene(photos, labels, "c", rows((0, 32), (1, 32)), rows((0, 32), (1, 32)))
    return photos, labels


def _flags(
    scenes: tuple[Path, Path], *paths: Path, output: Path | None = None, more: tuple[str, ...] = ()
) -> list[str]:
    flags = [flag for path in paths for flag in ("--run", str(path))]
    flags += [
        "--images",
        str(scenes[0]),
        "--labels",
        str(scenes[1]),
        "--device",
        "cpu",
        "--precision",
        "fp32",
    ]
    return [*flags, *(("--output", str(output)) if output else ()), *more]


def _csv(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def test_known_masks_give_known_numbers(runs, scenes, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(ClimateGAN, "forward", see_white)
    run = tmp_path / "run"
    shutil.copytree(runs["raw"], run)
    evaluate.main(_flags(scenes, run))
    output = run / "evaluation"

    table = _csv(output / "metrics.csv")
    assert list(table) == ["a.png", "b.png", "c.png", "mean"]
    assert list(table["a.png"]) == ["image", *NAMES]
    assert {name: float(table["a.png"][name]) for name in EXPECTED} == pytest.approx(EXPECTED, abs=1e-6)
    assert (table["b.png"]["error"], table["b.png"]["f05"], table["b.png"]["mnr"]) == ("0.000000", "", "")
    assert float(table["mean"]["error"]) == pytest.approx(EXPECTED["error"] / 3, abs=1e-6)
    assert float(table["mean"]["f05"]) == pytest.approx((0.75 + 1) / 2, abs=1e-6)
    assert "nan" not in (output / "metrics.csv").read_text()

    found = json.loads((output / "summary.json").read_text())
    assert (found["weights"], found["step"], found["size"], found["images"]) == ("raw", 7, 64, 3)
    assert found["metrics"]["f05"] == {
        "mean": 0.875,
        "std": 0.125,
        "images": 2,
        "passed": 0.5,
        "threshold": 0.95,
        "better": "more",
    }
    assert found["metrics"]["error"]["passed"] == pytest.approx(2 / 3)
    assert found["metrics"]["mnr"]["images"] == 1
    assert found["confusion"]["mean"][1] == pytest.approx([1 / 24, 0.875, 0])
    assert found["confusion"]["std"][1][1] == 0.125

    text = (output / "summary.md").read_text()
    assert "3 photos, 64 pixels a side, raw weights of step 7" in text
    assert "| f05 ↑               | 0.875 | 0.125 |      2 |    ≥ 0.95 |   50 % |" in text
    assert "0.875 ± 0.125" in text
    for link in ("box_plots.png", "heat_map.png", "errors/a.png", "errors/b.png", "errors/c.png"):
        assert cv2.imread(str(output / link)) is not None
    shown = capsys.readouterr().out
    assert f"{run}: raw weights of step 7, 64 pixels" in shown
    assert "| error ↓ " in shown
    assert not list(run.glob(".*"))
    RunFolder(run).claim_leftovers()  # a run that starts afresh here knows it as its own


def test_the_threshold_binarises_and_minus_one_does_not(runs, tmp_path: Path, monkeypatch, capsys) -> None:
    """A photo of 0.4 grey where it must be flooded, and black elsewhere."""
    monkeypatch.setattr(ClimateGAN, "forward", see_white)
    photos, labels = tmp_path / "photos", tmp_path / "labels"
    write_scene(photos, labels, "a", 0.4 * (LABEL == 1), LABEL)
    shares = {}
    for value in ("0.5", "0.3", "-1"):
        more = ("--json", "--no-pictures", "--bin-value", value)
        evaluate.main(_flags((photos, labels), runs["raw"], output=tmp_path / value, more=more))
        found = json.loads(capsys.readouterr().out)
        shares[value] = found["metrics"]["tpr"]["mean"]
        assert found["bin_value"] == (None if value == "-1" else float(value))
        assert {p.name for p in (tmp_path / value).iterdir()} == {"metrics.csv", "summary.json", "summary.md"}
        assert "box_plots" not in (tmp_path / value / "summary.md").read_text()
    assert shares == pytest.approx({"0.5": 0, "0.3": 1, "-1": 0.4})


def test_the_first_photos_at_another_size_through_the_networks(runs, scenes, tmp_path: Path) -> None:
    """No stub: the real masker, at a side that none of its strides divides."""
    more = ("--max-files", "2", "--size", "75")
    evaluate.main(_flags(scenes, runs["raw"], output=tmp_path / "out", more=more))
    table = _csv(tmp_path / "out" / "metrics.csv")
    assert list(table) == ["a.png", "b.png", "mean"]
    assert all(0 <= float(cell) <= 1 for row in table.values() for cell in list(row.values())[1:] if cell)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["size"] == 75


@pytest.mark.parametrize(
    ("run", "weights", "expected"),
    [
        ("averaged", "auto", "averaged"),
        ("averaged", "raw", "raw"),
        ("averaged", "averaged", "averaged"),
        ("raw", "auto", "raw"),
    ],
)
def test_the_weights_asked_for_are_loaded_and_named(
    runs, scenes, tmp_path: Path, capsys, monkeypatch, run: str, weights: str, expected: str
) -> None:
    seen = []

    def remember(self, x):
        seen.append(self.masker.encoder.state_dict())
        return see_white(self, x)

    monkeypatch.setattr(ClimateGAN, "forward", remember)
    more = ("--weights", weights, "--no-pictures", "--max-files", "1")
    evaluate.main(_flags(scenes, runs[run], output=tmp_path / "out", more=more))
    assert f"{expected} weights of step 7" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["weights"] == expected
    name = "averaged" if expected == "averaged" else "model"
    saved = checkpoint.load_weights(runs[run] / "checkpoints" / "step_00000007", name)
    assert seen
    assert all(torch.equal(value, saved[f"masker.encoder.{key}"]) for key, value in seen[0].items())


def test_several_runs_are_compared(runs, scenes, tmp_path: Path, monkeypatch, capsys) -> None:
    """The second run sees no water at all: worse on the photos that have some, the same on the dry one."""

    def dry_if_averaged(self, x):
        first = next(iter(self.masker.parameters())).flatten()[0]
        return see_white(self, x if first == raw else -torch.ones_like(x))

    raw = next(iter(load_model(runs["raw"], Runtime("cpu", "fp32")).model.masker.parameters())).flatten()[0]
    monkeypatch.setattr(ClimateGAN, "forward", dry_if_averaged)
    output = tmp_path / "out"
    evaluate.main(_flags(scenes, runs["raw"], runs["averaged"], output=output))
    names = {"raw", "averaged", "comparison.json", "comparison.md", "box_plots.png", "heat_map.png"}
    assert {path.name for path in output.iterdir()} == names
    found = json.loads((output / "comparison.json").read_text())
    assert found["first"] == "raw"
    assert found["runs"]["averaged"] == json.loads((output / "averaged" / "summary.json").read_text())
    gaps = found["differences"]["averaged"]
    assert gaps["f05"]["mean"] == pytest.approx(-0.875)
    assert gaps["f05"]["images"] == 2
    assert gaps["error"]["mean"] == pytest.approx((16 / 64 - 8 / 64 + 0 + 0.5) / 3)
    assert 0 <= gaps["error"]["low"] < gaps["error"]["mean"] < gaps["error"]["high"] <= 0.5
    assert gaps["mnr"] == {"mean": 0.0, "low": None, "high": None, "images": 1}
    text = (output / "comparison.md").read_text()
    assert "| averaged: f05 ↑ " in text
    assert "[averaged](averaged/summary.md): averaged weights of step 7" in text
    assert "-0.875" in capsys.readouterr().out
    assert len(_csv(output / "averaged" / "metrics.csv")) == 4


def test_runs_of_one_name_are_told_apart(runs, scenes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ClimateGAN, "forward", see_white)
    twins = [tmp_path / home / "run" for home in ("old", "new")]
    for twin in twins:
        shutil.copytree(runs["raw"], twin)
    evaluate.main(_flags(scenes, *twins, output=tmp_path / "out", more=("--no-pictures", "--max-files", "1")))
    assert {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()} == {"old_run", "new_run"}


def test_a_run_trained_on_stretched_photos_sees_them_stretched(
    runs, scenes, tmp_path: Path, monkeypatch
) -> None:
    lows = []

    def look(self, x):
        lows.append(float(x.min()))
        return see_white(self, x)

    monkeypatch.setattr(ClimateGAN, "forward", look)
    write_image(scenes[0] / "a.png", np.clip(255 * WATER, 100, 200)[..., None].repeat(3, 2).astype(np.uint8))
    stretched = write_run(tmp_path / "run", more=("data.Data.stretch = True",))
    for run in (runs["raw"], stretched):
        more = ("--no-pictures", "--max-files", "1")
        evaluate.main(_flags(scenes, run, output=tmp_path / f"out_{run.name}", more=more))
    assert lows == pytest.approx([100 / 127.5 - 1, -1])


_WRONG = {
    "no run": "config.gin",
    "no checkpoint": "train it first",
    "no masker": "a painter alone",
    "no mask": "a masker without a mask decoder",
    "no averaged": "averaged",
    "run twice": "each run once",
    "two runs, no output": "--output",
    "a checkpoint, no output": "--output",
    "no images": "no such path",
    "images a file": "expected a folder, got a file",
    "nothing in labels": "a folder with .png",
    "unpaired photo": "d.png",
    "unpaired label": "d_labeled.png",
    "broken label": "b_labeled.png",
    "two broken labels": "and 1 more photos or labels are wrong",
    "broken photo": "a.png",
    "grey mask": "grey values up to 255",
    "green label": "RGB (0, 255, 0)",
    "other size": "expected 64 x 64",
    "taken": "one with files",
    "output a file": "expected a folder, got a file",
    "small": "--size",
    "large": "--size",
    "no files": "--max-files",
    "bin value": "--bin-value",
    "bin value nan": "--bin-value",
    "weights": "--weights",
}


@pytest.mark.parametrize("case", _WRONG)
def test_mistakes_are_one_line_and_nothing_is_written(
    runs, scenes: tuple[Path, Path], tmp_path: Path, capsys, case: str
) -> None:
    photos, labels = scenes
    output: Path | None = tmp_path / "out"
    chosen, more = [runs.get(case, runs["raw"])], _numbers(case)
    if case == "no run":
        chosen = [tmp_path]
    elif case == "no checkpoint":
        (tmp_path / "young").mkdir()
        shutil.copy(runs["raw"] / "config.gin", tmp_path / "young")
        chosen = [tmp_path / "young"]
    elif case == "run twice":
        chosen *= 2
    elif case == "two runs, no output":
        chosen, output = [runs["raw"], runs["averaged"]], None
    elif case == "a checkpoint, no output":
        chosen, output = [runs["raw"] / "checkpoints" / "step_00000007"], None
    elif case == "no images":
        photos = tmp_path / "nowhere"
    elif case == "images a file":
        photos = photos / "a.png"
    elif case == "nothing in labels":
        labels = tmp_path / "empty"
        labels.mkdir()
    elif case == "taken":
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "metrics.csv").write_text("mine")
    elif case == "output a file":
        (tmp_path / "out").write_text("mine")
    _spoil(case, photos, labels)
    before = sorted(tmp_path.rglob("*")), sorted(runs["raw"].rglob("*"))
    with pytest.raises(SystemExit) as left:
        cli.run(evaluate.main, _flags((photos, labels), *chosen, output=output, more=more))
    shown = capsys.readouterr()
    assert left.value.code == 2
    assert _WRONG[case] in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert before == (sorted(tmp_path.rglob("*")), sorted(runs["raw"].rglob("*")))


def _numbers(case: str) -> tuple[str, ...]:
    return {
        "small": ("--size", "8"),
        "large": ("--size", "9999"),
        "no files": ("--max-files", "0"),
        "bin value": ("--bin-value", "1.5"),
        "bin value nan": ("--bin-value", "nan"),
        "weights": ("--weights", "look-ahead"),
        "no averaged": ("--weights", "averaged"),
    }.get(case, ())


def _spoil(case: str, photos: Path, labels: Path) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    if case == "unpaired photo":
        write_image(photos / "d.png", picture)
    elif case == "unpaired label":
        write_image(labels / "d_labeled.png", picture)
    elif case == "broken photo":
        (photos / "a.png").write_bytes((photos / "a.png").read_bytes()[:-20])
    elif case == "grey mask":
        write_image(labels / "b_labeled.png", np.full((64, 64), 255, np.uint8))
    elif case == "green label":
        write_image(labels / "b_labeled.png", picture + np.array([0, 255, 0], np.uint8))
    elif case == "other size":
        write_image(labels / "b_labeled.png", picture[:32])
    elif "broken label" in case:
        (labels / "b_labeled.png").write_text("hello")
        if case.startswith("two"):
            (labels / "c_labeled.png").write_text("hello")


def test_a_run_that_diverged_is_told(runs, scenes, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(ClimateGAN, "forward", lambda self, x: see_white(self, x * torch.nan))
    with pytest.raises(SystemExit) as left:
        cli.run(evaluate.main, _flags(scenes, runs["raw"], output=tmp_path / "out"))
    assert left.value.code == 2
    assert "NaN for" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_stopped_while_writing_leaves_nothing(
    runs, scenes, tmp_path: Path, monkeypatch
) -> None:
    from recipes.evaluation import plots

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plots, "image_heat_map", stop)
    with pytest.raises(KeyboardInterrupt):
        evaluate.main(_flags(scenes, runs["raw"], output=tmp_path / "out"))
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "labels"}
