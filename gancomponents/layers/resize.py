"""Smooth resizing that every backend runs without falling back."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from gancomponents.layers.precision import full_precision, without_autocast

_MODES = ("bilinear", "bicubic")


def resize(
    x: Tensor, size: tuple[int, int] | None, *, mode: str = "bilinear", align_corners: bool = False
) -> Tensor:
    """Resize as `torch.nn.functional.interpolate` does, without antialiasing.

    On XLA, where its gradient leaves the graph, rows and columns are resized by a matrix each, ``A_h x A_w^T``:
    both modes are linear and separable.

    Args:
        x: any feature map.
        size: height and width of the result; None leaves ``x`` alone.
        mode: "bilinear" or "bicubic".
        align_corners: let the centres of the corner pixels coincide, instead of the corners.

    Shape: (B, C, h, w) to (B, C, \\*size); where that is the size already, ``x`` itself.

    Raises:
        ValueError: an unknown mode, or a size below one.

    >>> resize(torch.tensor([[[[0.0, 2.0]]]]), (1, 3), align_corners=True)
    tensor([[[[0., 1., 2.]]]])
    """
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {_MODES}, got {mode!r}: choose one, or use upsample_nearest")
    if size is None:
        return x
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"size must be at least 1x1, got {height}x{width}: give the size of the result")
    if (height, width) == tuple(x.shape[-2:]):
        return x
    if x.device.type == "xla":
        return _by_matrices(x, (height, width), mode, align_corners)
    return F.interpolate(x, size=(height, width), mode=mode, align_corners=align_corners)


def _by_matrices(x: Tensor, size: tuple[int, int], mode: str, align_corners: bool) -> Tensor:
    with without_autocast(x):
        wide = full_precision(x)
        rows_Hh, columns_Ww = (
            _matrix(before, after, mode, align_corners, x.device).to(wide.dtype)
            for before, after in zip(x.shape[-2:], size, strict=True)
        )
        return (rows_Hh @ wide @ columns_Ww.t()).to(x.dtype)


@lru_cache(maxsize=64)
def _matrix(before: int, after: int, mode: str, align_corners: bool, device: torch.device) -> Tensor:
    """What resizes one side: the unit vectors, resized."""
    units = torch.eye(before, dtype=torch.float64)[None, None]
    resized = F.interpolate(units, size=(after, before), mode=mode, align_corners=align_corners)
    return resized[0, 0].float().to(device)
