"""What all decoders do with the features they are given."""

from collections.abc import Sequence

import torch.nn.functional as F
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


def fused(high: Tensor, fusion: Tensor | None) -> Tensor:
    """The coarse features weighted by those of the depth decoder, if there are any.

    Vu et al. 2019, "DADA: Depth-Aware Domain Adaptation in Semantic Segmentation":
    element-wise product.

    Shape: both (B, C, h, w).

    Raises:
        ValueError: shapes that differ.

    >>> import torch
    >>> fused(torch.full((1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1), 3.0)).item()
    6.0
    """
    if fusion is None:
        return high
    if fusion.shape != high.shape:
        raise ValueError(
            f"fusion must be {tuple(high.shape)}, got {tuple(fusion.shape)}: make it from these features"
        )
    return high * fusion


def resized(x: Tensor, size: tuple[int, int] | None, *, align_corners: bool = False) -> Tensor:
    """Bilinear resize, where ``size`` is given and differs.

    >>> import torch
    >>> resized(torch.zeros(1, 1, 2, 2), (4, 3)).shape
    torch.Size([1, 1, 4, 3])
    """
    if size is None or tuple(size) == tuple(x.shape[-2:]):
        return x
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)
