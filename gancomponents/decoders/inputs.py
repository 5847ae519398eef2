"""What all decoders do with the features they are given."""

from collections.abc import Sequence

import torch
from torch import Tensor


def check_channels(features: Sequence[Tensor], in_channels: Sequence[int]) -> None:
    """Refuse features of another number or width than the decoder was made for.

    Raises:
        ValueError: naming both.

    >>> import torch
    >>> check_channels([torch.zeros(1, 8, 4, 4)], [16])
    Traceback (most recent call last):
    ValueError: features must have [16] channels, got [8]: pass what the encoder returns
    """
    found = [feature.shape[1] for feature in features]
    if found != list(in_channels):
        raise ValueError(
            f"features must have {list(in_channels)} channels, got {found}: pass what the encoder returns"
        )


def check_low_level(in_channels: Sequence[int], fix: str) -> None:
    """Refuse to make a decoder of low-level features for an encoder with one map.

    Raises:
        ValueError: naming the fix.

    >>> check_low_level([32], "use low_level=False")
    Traceback (most recent call last):
    ValueError: in_channels must hold low-level features too, got [32]: use low_level=False
    """
    if len(in_channels) < 2:
        raise ValueError(f"in_channels must hold low-level features too, got {list(in_channels)}: {fix}")


def check_halvings(name: str, width: int, upsamplings: int) -> None:
    """Refuse a width that cannot be halved once per doubling of the map.

    Raises:
        ValueError: naming the nearest width to use.

    >>> check_halvings("channels", 12, 3)
    Traceback (most recent call last):
    ValueError: channels must be a multiple of 8 for 3 upsamplings, got 12: use 16
    """
    factor = 2**upsamplings
    if width < 1 or width % factor:
        raise ValueError(
            f"{name} must be a multiple of {factor} for {upsamplings} upsamplings, got {width}: "
            f"use {max(1, round(width / factor)) * factor}"
        )


def check_size(size: tuple[int, int] | None) -> None:
    """Refuse a ``size`` to decode to that is no pair of height and width.

    Raises:
        ValueError: naming what came.

    >>> check_size(64)
    Traceback (most recent call last):
    ValueError: size must be (height, width), whole numbers >= 1, got 64: pass tuple(image.shape[-2:])
    """
    if size is None:
        return
    pair = isinstance(size, (tuple, list)) and len(size) == 2
    if not pair or not all(isinstance(side, (int, torch.SymInt)) and side >= 1 for side in size):
        raise ValueError(
            f"size must be (height, width), whole numbers >= 1, got {size!r}: pass tuple(image.shape[-2:])"
        )


def fused(high: Tensor, fusion: Tensor | None) -> Tensor:
    """The coarse features weighted by those of the depth decoder, if there are any.

    Vu et al. 2019, "DADA: Depth-Aware Domain Adaptation in Semantic Segmentation":
    element-wise product.

    Shape: both (B, C, h, w).

    Raises:
        ValueError: shapes that differ, or a fusion that is no tensor.

    >>> import torch
    >>> fused(torch.full((1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1), 3.0)).item()
    6.0
    """
    if fusion is None:
        return high
    if not isinstance(fusion, Tensor) or fusion.shape != high.shape:
        found = tuple(fusion.shape) if isinstance(fusion, Tensor) else type(fusion).__name__
        raise ValueError(
            f"fusion must be a tensor {tuple(high.shape)}, got {found}: "
            "pass the second result of DADADepthDecoder on these features"
        )
    return high * fusion
