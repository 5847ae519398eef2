"""Pictures of a run: images and predictions as RGB arrays, and labelled grids of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gancomponents.data.labels import COLOURS

Picture = npt.NDArray[np.uint8]

#: How the files of photos, masks and coloured labels end.
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

_MARGIN, _INK, _PAPER = 4, (40, 40, 40), 255


def of_image(x: Tensor) -> Picture:
    """An image (3, H, W) in [-1, 1] as (H, W, 3) uint8."""
    levels = (x.detach().float().cpu().clamp(-1, 1) + 1) * 127.5
    return levels.round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def of_mask(m: Tensor) -> Picture:
    """A mask (1, H, W) in [0, 1] as a grey picture."""
    levels = (m.detach().float().cpu()[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return np.repeat(levels[..., None], 3, axis=2)


def of_labels(s: Tensor) -> Picture:
    """A label map (H, W) in the label table's colours."""
    return COLOURS["s"][s.detach().cpu().numpy()]


def of_depth(d: Tensor) -> Picture:
    """Inverse depth (1, H, W), near bright and far dark, stretched between its 2nd and 98th percentile."""
    import cv2

    values = d.detach().float().cpu()[0].numpy()
    low, high = np.percentile(values, (2, 98))
    levels = np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255
    return cv2.cvtColor(cv2.applyColorMap(levels.astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def grid(
    rows: Sequence[Sequence[Picture | None]], columns: Sequence[str], names: Sequence[str], *, cell: int = 160
) -> Picture:
    """A labelled grid.

    Args:
        rows: pictures of any size, None where there is none.
        columns: a title for each column.
        names: a title for each row.
        cell: height of a cell, pixels; widths follow the first picture's aspect.
    """
    import cv2

    first = next(picture for row in rows for picture in row if picture is not None)
    height, width = cell, max(1, round(cell * first.shape[1] / first.shape[0]))
    left, top = 64, 26
    step_y, step_x = height + _MARGIN, width + _MARGIN
    sheet = np.full((top + step_y * len(rows), left + step_x * len(columns), 3), _PAPER, np.uint8)
    for j, title in enumerate(columns):
        _write(sheet, title, (left + j * step_x + 2, 17), width)
    for i, (name, row) in enumerate(zip(names, rows, strict=True)):
        _write(sheet, name, (4, top + i * step_y + height // 2), left - 6)
        for j, picture in enumerate(row):
            if picture is not None:
                area = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_NEAREST
                y, x = top + i * step_y, left + j * step_x
                sheet[y : y + height, x : x + width] = cv2.resize(
                    picture, (width, height), interpolation=area
                )
    return sheet


def _write(sheet: Picture, text: str, at: tuple[int, int], room: int) -> None:
    import cv2

    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    while cv2.getTextSize(text, font, scale, 1)[0][0] > room and scale > 0.25:
        scale -= 0.05
    cv2.putText(sheet, text, at, font, scale, _INK, 1, cv2.LINE_AA)
