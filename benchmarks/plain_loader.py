"""The published system's loading, written plainly: what `benchmarks.loader` is measured against.

Every file is decoded at its full size into floating-point tensors (1, C, H, W), labels and depth included, and
every field is mirrored, resized, cropped and resized as such. Colours of labels are looked for one after the other.
The published system reads simulated labels from tensors saved before; here they are colours, as KITTI's are there.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gancomponents.data import COLOURS, KITTI_COLOURS, KITTI_TO_COMMON

__all__ = ["Mark", "load", "sample", "transform"]

Fields = dict[str, Tensor]
#: Told when a stage ends, by name.
Mark = Callable[[str], object]


def sample(
    row: Mapping[str, Path],
    domain: str,
    *,
    size: int = 640,
    crop: int = 600,
    small: int = 160,
    flip: bool = False,
    corner: tuple[float, float] = (0.5, 0.5),
    mark: Mark = lambda stage: None,
) -> Fields:
    """One row, read and transformed.

    Args:
        row: image "x", and "s", "d" and "m" as there are.
        domain: how they are stored.
        size: the shorter side is resized to it, and the crop again.
        crop: side of the crop in between.
        small: final side of labels and depth.
        flip: whether to mirror.
        corner: where the crop lies in what is spare, as shares of height and width.
        mark: called after each stage: "image", "labels", "depth", "mask", "transform", "range".

    Shape: x (3, size, size) in [-1, 1]; s (small, small) int64; d (1, small, small); m (1, size, size).
    """
    stages = {"x": "image", "s": "labels", "d": "depth", "m": "mask"}
    fields = {}
    for task, path in row.items():
        fields[task] = load(path, task, domain)
        mark(stages[task])
    fields = transform(fields, size, crop, small, flip, corner)
    mark("transform")
    fields["x"] = (fields["x"] - 0.5) / 0.5
    fields = {task: field.squeeze(0) for task, field in fields.items()}
    if "s" in fields:
        fields["s"] = fields["s"].squeeze(0).long()
    mark("range")
    return fields


def load(path: Path, task: str, domain: str) -> Tensor:
    """A whole file. Shape: returns (1, C, H, W) float32."""
    array = np.asarray(Image.open(path))
    if task == "x":
        pixels = array[..., :3].astype(np.float32)
        stretched = (pixels - pixels.min()) / (pixels.max() - pixels.min())
        return torch.from_numpy(stretched.transpose(2, 0, 1).copy())[None]
    if task == "m":
        array = array[..., 0] if array.ndim == 3 else array
        return torch.from_numpy((array > 127 if array.max() > 127 else array).astype(np.float32))[None, None]
    values = _labels(array, domain) if task == "s" else _inverse_depth(array, domain)
    return torch.from_numpy(values.astype(np.float32))[None, None]


def _labels(array: npt.NDArray[np.uint8], domain: str) -> npt.NDArray[Any]:
    table = KITTI_COLOURS if domain == "kitti" else COLOURS[domain]
    ids = np.full(array.shape[:2], len(table) - 1)
    red, green, blue = (array[..., channel] for channel in range(3))
    for label, (r, g, b) in enumerate(table):
        ids[(red == r) & (green == g) & (blue == b)] = label
    return KITTI_TO_COMMON[ids] if domain == "kitti" else ids


def _inverse_depth(array: npt.NDArray[Any], domain: str) -> npt.NDArray[Any]:
    if domain == "kitti":
        return 1 / (array.astype(np.float32) / 100)
    red = np.trunc((247 - array[..., 0].astype(np.float32)) / 8)
    green = np.trunc((247 - array[..., 1].astype(np.float32)) / 8)
    blue = 255 - array[..., 2].astype(np.float32)
    return 1 / ((red * 256 * 31 + green * 256 + blue) / (256 * 31 * 31 - 1) * 1000)


def transform(
    fields: Fields, size: int, crop: int, small: int, flip: bool, corner: tuple[float, float]
) -> Fields:
    """Mirror, resize, crop and resize every field; see `sample`."""
    if flip:
        fields = {task: field.flip(-1) for task, field in fields.items()}
    height, width = fields["x"].shape[-2:]
    scaled = (size, int(size * width / height)) if height <= width else (int(size * height / width), size)
    fields = {task: _resized(task, field, scaled) for task, field in fields.items()}
    top, left = (int(share * (side - crop)) for share, side in zip(corner, scaled, strict=True))
    fields = {task: field[..., top : top + crop, left : left + crop] for task, field in fields.items()}
    sides = {"s": small, "d": small}
    return {task: _resized(task, field, (sides.get(task, size),) * 2) for task, field in fields.items()}


def _resized(task: str, field: Tensor, size: tuple[int, int]) -> Tensor:
    if task == "x":
        return functional.interpolate(field, size, mode="bilinear", align_corners=True)
    return functional.interpolate(field, size, mode="nearest")
