"""Make docs/images/town.png: ``python docs/town_sheet.py``."""

from pathlib import Path

import numpy as np
import torch

from gancomponents.data import write_image
from gancomponents.data.town import Frame, render_frame
from recipes import pictures

SIZE, STREETS = 256, (3, 12, 40)
COLUMNS = ("s", "labels", "depth", "flood mask", "r", "rf: dry twin", "rf: flooded")


def row(seed: int) -> list[pictures.Picture | None]:
    """One street in the clean look with its labels, and two others as photographs, one of them flooded."""
    clean, real = render_frame(seed, size=SIZE), render_frame(seed + 100, size=SIZE, look="r")
    dry, wet = (render_frame(seed + 200, size=SIZE, look="r", flooded=flooded) for flooded in (False, True))
    return [clean.image, *labels(clean), real.image, dry.image, wet.image]


def labels(frame: Frame) -> list[pictures.Picture]:
    """Class colours, inverse depth, flood mask."""
    inverse = torch.from_numpy(1 / np.maximum(frame.depth, 0.5))[None]
    mask = torch.from_numpy(frame.mask)[None].float()
    return [
        pictures.of_labels(torch.from_numpy(frame.labels).long()),
        pictures.of_depth(inverse),
        pictures.of_mask(mask),
    ]


if __name__ == "__main__":
    sheet = pictures.grid([row(seed) for seed in STREETS], COLUMNS, [""] * len(STREETS), cell=192)
    write_image(Path(__file__).parent / "images" / "town.png", sheet)
