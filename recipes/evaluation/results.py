"""The folder of an evaluation: written beside its place, and moved there whole."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gancomponents.data import write_image
from gancomponents.errors import InputError
from recipes.evaluation import plots, tables
from recipes.evaluation.pairs import Pair, read_pair
from recipes.evaluation.predict import Scores, Subject
from recipes.evaluation.scores import NAMES
from recipes.evaluation.sheets import sheet


def check_output(output: Path) -> None:
    """Make sure that the results may go there.

    Raises:
        InputError: a file, a folder that holds anything, or a place that cannot be written.
    """
    flag = f"--output {output}"
    if output.exists() and not output.is_dir():
        raise InputError(flag, expected="a folder", got="a file", fix="choose another --output")
    if output.is_dir() and any(output.iterdir()):
        fix = "choose another --output, or remove it"
        raise InputError(flag, expected="a new or empty folder", got="one with files", fix=fix)
    above = next(path for path in output.absolute().parents if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        fix = "choose an --output that you may write to"
        raise InputError(flag, expected="a writable place", got=f"{above} is not", fix=fix)


def write_whole(output: Path, fill: Callable[[Path], None]) -> None:
    """Let ``fill`` write a folder, and put it in place when it is complete."""
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.parent / f".{output.name}.{os.getpid()}.partial"
    partial.mkdir()
    try:
        fill(partial)
        os.replace(partial, output)  # an empty folder of that name gives way
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_run(
    folder: Path, subject: Subject, pairs: Sequence[Pair], scores: Scores, result: Mapping[str, Any]
) -> None:
    """The files of one run; pictures where ``scores`` holds masks."""
    folder.mkdir(exist_ok=True)
    (folder / "metrics.csv").write_text(tables.csv_text(pairs, scores))
    (folder / "summary.json").write_text(tables.json_text(result))
    (folder / "summary.md").write_text(tables.summary_text(result, bool(scores.masks)))
    if not scores.masks:
        return
    plots.box_plots({subject.name: scores.table}, folder / "box_plots.png")
    names = [pair.image.name for pair in pairs]
    plots.image_heat_map(names, scores.table, subject.name, folder / "heat_map.png")
    (folder / "errors").mkdir()
    for pair, row, mask in zip(pairs, scores.table, scores.masks, strict=True):
        x, label = subject.prepare(*read_pair(pair))
        water = torch.from_numpy(mask)[None, None].float() / 255
        f05, error = (tables.shown(row[NAMES.index(name)]) for name in ("f05", "error"))
        heading = f"{pair.image.name}   f05 {f05}   error {error}"
        write_image(folder / "errors" / f"{pair.image.stem}.png", sheet(x, label, water, heading))


def write_comparison(
    folder: Path, subjects: Sequence[Subject], scores: Sequence[Scores], result: Mapping[str, Any]
) -> None:
    """What sets several runs side by side."""
    drawn = bool(scores[0].masks)
    (folder / "comparison.json").write_text(tables.json_text(result))
    (folder / "comparison.md").write_text(tables.comparison_text(result, drawn))
    if drawn:
        by_run = {subject.name: found.table for subject, found in zip(subjects, scores, strict=True)}
        plots.box_plots(by_run, folder / "box_plots.png")
        plots.run_heat_map(by_run, folder / "heat_map.png")
