"""Averages over the masked pixels of each image."""

from collections.abc import Mapping
from typing import overload

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over the masked pixels of each image, averaged over the images that have any.

    Args:
        values: one number per pixel.
        mask: weights in [0, 1].

    Shape:
        values, mask: (B, 1, H, W); returns a scalar, NaN where all masks are empty.

    >>> import torch
    >>> float(masked_mean(torch.tensor([1.0, 3.0]).reshape(1, 1, 1, 2), torch.ones(1, 1, 1, 2)))
    2.0
    """
    return mean_over_images(masked_means(values, mask))


def masked_means(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over the masked pixels of each image.

    Shape:
        values, mask: (B, 1, H, W); returns (B,), NaN where a mask is empty.

    Raises:
        ValueError: the shapes differ.

    >>> import torch
    >>> masked_means(torch.ones(2, 1, 1, 1), torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1)).tolist()
    [1.0, nan]
    """
    if values.dim() != 4 or values.shape != mask.shape:
        raise ValueError(
            f"mask must be (B, 1, H, W) and fit the images, got {tuple(mask.shape)} for "
            f"{tuple(values.shape)}: resize it (nearest)"
        )
    weight = mask.to(values.dtype)
    # where, not a product: what the mask leaves out may be infinite
    weighted = torch.where(weight > 0, values, torch.zeros_like(values)) * weight
    return weighted.sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))  # 0 / 0 = NaN is meant


@overload
def mean_over_images(values: Tensor) -> Tensor: ...
@overload
def mean_over_images(values: Mapping[str, Tensor]) -> dict[str, Tensor]: ...
def mean_over_images(values: Tensor | Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
    """The mean of one number per image, without the undefined ones.

    Args:
        values: the numbers, or such tensors by name, as ``flood_scores`` returns them.

    Shape:
        values: (B,); returns a scalar, NaN where none is defined, or one by each name.

    >>> import torch
    >>> float(mean_over_images(torch.tensor([1.0, float("nan"), 3.0])))
    2.0
    """
    if isinstance(values, Mapping):
        return {name: mean_over_images(value) for name, value in values.items()}
    missing = values.isnan()  # not nanmean, which XLA does not have
    return torch.where(missing, 0, values).sum() / (~missing).sum()
