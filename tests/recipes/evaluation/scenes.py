"""Scenes whose masks are known: a photo that is white where a stubbed masker sees water, and runs to evaluate."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gancomponents.data import FLOOD_COLOURS, write_image
from gancomponents.training import checkpoint
from recipes import config
from recipes.climategan import ClimateGAN, Prediction
from tests.recipes.tiny import SIDE, TINY

CANNOT, MUST, MAY = 0, 1, 2


def rows(*bands: tuple[int, int]) -> np.ndarray:
    """Horizontal bands, each (value, height), down to the bottom of a square frame."""
    return np.repeat([v for v, _ in bands], [n for _, n in bands])[:, None].repeat(SIDE, 1).astype(np.uint8)


#: Of 64 rows, 32 cannot, 16 must and 16 may be flooded; water is seen in rows 28 to 43.
LABEL = rows((CANNOT, 32), (MUST, 16), (MAY, 16))
WATER = rows((0, 28), (1, 16), (0, 20))

#: What that comes to, by hand.
EXPECTED = {
    "tpr": 12 / 16,
    "fnr": 4 / 16,
    "tnr": 28 / 32,
    "fpr": 4 / 32,
    "mpr": 0.0,
    "mnr": 1.0,
    "tpt": 12 / 64,
    "fnt": 4 / 64,
    "tnt": 28 / 64,
    "fpt": 4 / 64,
    "accuracy": 40 / 64,
    "error": 8 / 64,
    "accuracy_must_may": 28 / 32,
    "precision": 12 / 16,
    "f1": 0.75,
    "f05": 0.75,
    "edge_coherence": 0.5 / 64,  # edges at 27, 28, 43, 44 lie 4, 3, 4, 3 from 31, 32, 47, 48
}


def write_scene(photos: Path, labels: Path, stem: str, water: np.ndarray, label: np.ndarray) -> None:
    """A photo and its label, in colours, as two files."""
    for folder in (photos, labels):
        folder.mkdir(parents=True, exist_ok=True)
    write_image(photos / f"{stem}.png", (255 * water)[..., None].repeat(3, 2).astype(np.uint8))
    write_image(labels / f"{stem}_labeled.png", FLOOD_COLOURS[label])


def write_run(folder: Path, *, averaged: bool = False, more: Sequence[str] = ()) -> Path:
    """A run folder with the smallest networks, untrained."""
    config.parse("recipes/climategan.gin", [*TINY, *more])
    text = config.parsed_text()
    torch.manual_seed(0)
    weights = config.build(ClimateGAN, strict=False).state_dict()
    sets = {"model": weights}
    if averaged:
        sets["averaged"] = {k: v + 0.1 if v.is_floating_point() else v for k, v in weights.items()}
    checkpoint.save(folder / "checkpoints", 7, {}, sets, keep=1)
    (folder / "config.gin").write_text(text)
    return folder


def see_white(self: ClimateGAN, x: Tensor) -> Prediction:
    """A forward pass that finds water where the photo is white, and is as unsure as the photo is grey."""
    water = (x[:, :1] + 1) / 2
    return Prediction(None, None, torch.logit(water, eps=1e-7))
