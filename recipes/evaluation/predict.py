"""The masks of a run: its masker on every photo, scored as it goes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from gancomponents.errors import InputError
from gancomponents.training import Runtime
from recipes.evaluation.pairs import Pair, Preparation, read_pair
from recipes.evaluation.scores import Numbers, score
from recipes.loading import LoadedModel, load_model

SOFT = -1.0


class Subject(NamedTuple):
    """A run that is evaluated.

    Attributes:
        name: in tables and plots.
        path: its folder.
        loaded: its networks.
        prepare: brings photos and labels to its size.
        size: side of its square input, pixels.
    """

    name: str
    path: Path
    loaded: LoadedModel
    prepare: Preparation
    size: int

    def __str__(self) -> str:
        return f"{self.path}: {self.loaded.weights} weights of step {self.loaded.step}, {self.size} pixels"


class Scores(NamedTuple):
    """What a run's masks score.

    Attributes:
        table: (images, metrics), NaN where a label leaves a metric undefined.
        confusion: a (2, 3) matrix for every image.
        masks: water of every image in 255ths, (size, size) uint8, for pictures; none where none are drawn.
    """

    table: Numbers
    confusion: list[Numbers]
    masks: list[np.ndarray]


def load_subjects(runs: Sequence[Path], runtime: Runtime, weights: str, size: int | None) -> list[Subject]:
    """Load the masker of every run.

    Raises:
        InputError: a folder that is no run, named twice, or whose model predicts no mask.
    """
    seen = [run.resolve() for run in runs]
    if twice := [run for i, run in enumerate(runs) if seen[i] in seen[:i]]:
        raise InputError(f"--run {twice[0]}", expected="each run once", got="it twice", fix="leave one out")
    subjects = []
    for run, name in zip(runs, _names(seen), strict=True):
        loaded = load_model(run, runtime, weights)
        if loaded.model.masker is None or loaded.model.masker.mask is None:
            got = "a painter alone" if loaded.model.masker is None else "a masker without a mask decoder"
            fix = "pass a run that predicts masks"
            raise InputError(f"--run {run}", expected="a model with a mask decoder", got=got, fix=fix)
        side = size or loaded.size
        subjects.append(Subject(name, run, loaded, Preparation(side, stretch=loaded.stretch), side))
    return subjects


def _names(runs: Sequence[Path]) -> list[str]:
    """The last parts of every path, as many as tell all runs apart."""
    for count in range(1, 1 + max(len(run.parts) for run in runs)):
        names = ["_".join(part.strip("/") or "root" for part in run.parts[-count:]) for run in runs]
        if len(set(names)) == len(names):
            return names
    raise AssertionError("paths that differ have names that differ")


def evaluate(
    subject: Subject, pairs: Sequence[Pair], runtime: Runtime, *, bin_value: float, keep_masks: bool
) -> Scores:
    """Predict and score the mask of every photo."""
    table, confusion, masks = [], [], []
    for mask, label in tqdm(
        _masks(subject, pairs, runtime, bin_value),
        unit="photo",
        desc=subject.name,
        total=len(pairs),
        disable=None,
    ):
        values, matrix = score(mask, label)
        table.append(values)
        confusion.append(matrix)
        if keep_masks:
            masks.append((mask[0, 0] * 255).round().to(torch.uint8).numpy())
    return Scores(np.stack(table), confusion, masks)


@torch.no_grad()
def _masks(
    subject: Subject, pairs: Sequence[Pair], runtime: Runtime, bin_value: float
) -> Iterator[tuple[Tensor, Tensor]]:
    for pair in pairs:
        x, label = subject.prepare(*read_pair(pair))
        with runtime.autocast():
            logits = subject.loaded.model(runtime.to_device({"x": x})["x"]).mask
        water = logits.float().sigmoid().cpu()
        if not water.isfinite().all():
            got, fix = f"NaN for {pair.image}", "use a run that did not diverge, or --precision fp32"
            raise InputError(f"--run {subject.path}", expected="a mask of numbers", got=got, fix=fix)
        yield water if bin_value == SOFT else (water > bin_value).float(), label
