"""One picture for every photo: photo, label, predicted water, and where the mask errs, with a legend."""

import numpy as np
import torch
from torch import Tensor

from gancomponents.data import FLOOD_COLOURS, FLOOD_LABELS, to_uint8
from gancomponents.metrics import flood_error_maps
from recipes.evaluation.scores import MUST
from recipes.pictures import Picture

#: Colours of the error map, told apart by most colour-blind eyes too.
OUTCOMES = {
    "hit": (0, 114, 178),
    "miss": (240, 228, 66),
    "false water": (213, 60, 0),
    "water where it may be": (204, 140, 190),
}

_WATER = (30, 110, 230)
_MARGIN, _LINE, _INK, _PAPER = 8, 20, (40, 40, 40), 255
_SMALLEST = 192  # a panel is enlarged to at least this side, so that its heading fits


def sheet(x: Tensor, label: Tensor, water: Tensor, heading: str) -> Picture:
    """The picture of one photo.

    Args:
        x: the photo in [-1, 1].
        label: 0 cannot, 1 must, 2 may.
        water: predicted, 0 to 1.
        heading: a line above it.

    Shape: x (1, 3, H, W), label and water (1, 1, H, W); returns (height, width, 3).
    """
    photo = to_uint8(x)[0]
    panels = {
        "photo": photo,
        "label": _blend(photo, FLOOD_COLOURS[label[0, 0].numpy()], 0.6),
        "predicted water": _blend(photo, np.array(_WATER, np.uint8), 0.65 * water[0, 0].numpy()),
        "errors": error_map(photo, label, water),
    }
    legends = {
        "label": {f"{n} flood": tuple(c) for n, c in zip(FLOOD_LABELS, FLOOD_COLOURS.tolist(), strict=True)}
    }
    legends["errors"] = OUTCOMES
    return _lay_out(panels, legends, heading)


def error_map(photo: Picture, label: Tensor, water: Tensor) -> Picture:
    """The photo in dim grey, coloured by ``OUTCOMES`` where it is wet or should be; faint where water is unsure.

    Shape: photo (H, W, 3), label and water (1, 1, H, W).
    """
    maps = flood_error_maps(water, label)
    shares = {
        "hit": water * (label == MUST),
        "miss": maps["missed_must"],
        "false water": maps["pred_cannot"],
        "water where it may be": maps["may_flood"],
    }
    grey = photo.mean(axis=2, keepdims=True).repeat(3, axis=2)
    picture = (grey * 0.6 + 70).astype(np.uint8)
    for name, share in shares.items():
        picture = _blend(
            picture, np.array(OUTCOMES[name], np.uint8), 0.8 * share[0, 0].to(torch.float32).numpy()
        )
    return picture


def _blend(photo: Picture, colour: Picture, share: float | np.ndarray) -> Picture:
    weight = np.asarray(share, np.float32)[..., None]
    return (photo * (1 - weight) + colour * weight).round().astype(np.uint8)


def _lay_out(
    panels: dict[str, Picture], legends: dict[str, dict[str, tuple[int, ...]]], heading: str
) -> Picture:
    import cv2

    height, width = next(iter(panels.values())).shape[:2]
    scale = -(-_SMALLEST // min(height, width)) if min(height, width) < _SMALLEST else 1
    height, width = height * scale, width * scale
    top = _MARGIN + 2 * _LINE
    lines = max(len(legend) for legend in legends.values())
    size = top + height + _MARGIN + lines * _LINE, _MARGIN + len(panels) * (width + _MARGIN)
    page = np.full((*size, 3), _PAPER, np.uint8)
    _write(page, heading, _MARGIN, _MARGIN + 12)
    for i, (title, panel) in enumerate(panels.items()):
        left = _MARGIN + i * (width + _MARGIN)
        _write(page, title, left, top - 6)
        page[top : top + height, left : left + width] = cv2.resize(
            panel, (width, height), interpolation=cv2.INTER_NEAREST
        )
        for j, (name, colour) in enumerate(legends.get(title, {}).items()):
            y = top + height + _MARGIN + j * _LINE
            page[y : y + 12, left : left + 12] = colour
            _write(page, name, left + 18, y + 11)
    return page


def _write(page: Picture, text: str, x: int, y: int) -> None:
    import cv2

    plain = text.replace("–", "-").encode("ascii", "replace").decode()  # all that OpenCV's letters can write
    cv2.putText(page, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
