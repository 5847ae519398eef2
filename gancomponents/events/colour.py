"""Colour and range helpers of the events."""

import torch
from torch import Tensor

from gancomponents.layers.norms import min_max
from gancomponents.layers.precision import full_precision


def unit_range(x: Tensor, *, stretch: bool = False) -> Tensor:
    """An image in [-1, 1] as one in [0, 1], in at least fp32.

    Args:
        x: image in [-1, 1].
        stretch: stretch each image to fill [0, 1], as upstream does everywhere.

    Shape:
        x: (B, 3, H, W); returns the same.

    Raises:
        ValueError: another shape.

    >>> import torch
    >>> float(unit_range(torch.full((1, 3, 1, 1), -1.0)).sum())
    0.0
    """
    if x.dim() != 4 or x.shape[1] != 3:
        raise ValueError(f"x must be (B, 3, H, W), got {tuple(x.shape)}: pass a batch of RGB images")
    x = full_precision(x)
    return min_max(x) if stretch else (x + 1).div_(2)


def srgb_to_linear(x: Tensor) -> Tensor:
    """sRGB values as linear light, IEC 61966-2-1.

    Shape:
        x: any, in [0, 1]; returns the same.

    >>> import torch
    >>> round(float(srgb_to_linear(torch.tensor(0.5))), 4)
    0.214
    """
    # Clamped inside, so that the branch not taken has a finite gradient too.
    power = x.clamp_min(0.04045).add_(0.055).div_(1.055).pow_(2.4)
    return torch.where(x <= 0.04045, x / 12.92, power)


def linear_to_srgb(x: Tensor) -> Tensor:
    """Linear light as sRGB values, IEC 61966-2-1.

    Shape:
        x: any, in [0, 1]; returns the same.

    >>> import torch
    >>> round(float(linear_to_srgb(torch.tensor(0.214041))), 4)
    0.5
    """
    power = x.clamp_min(0.0031308).pow_(1 / 2.4).mul_(1.055).sub_(0.055)
    return torch.where(x <= 0.0031308, 12.92 * x, power)
