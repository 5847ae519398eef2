"""Cycle consistency and auto-encoding: an image that went there and back shall be itself."""

from typing import Literal, get_args

from torch import Tensor, nn

from gancomponents.layers.precision import full_precision

Norm = Literal[1, 2]


def _check_norm(norm: int) -> None:
    if norm not in get_args(Norm):
        raise ValueError(f"norm must be 1 or 2, got {norm!r}: 1 is the mean |a - b|, 2 the mean (a - b)^2")


def image_distance(a: Tensor, b: Tensor, *, norm: Norm = 1) -> Tensor:
    """Mean ``|a - b|`` (norm 1) or mean ``(a - b)^2`` (norm 2) over whole images, in at least fp32.

    Args:
        a, b: images, or any tensors, of one value range.
        norm: 1 or 2.

    Shape:
        a, b: the same shape; returns a scalar.

    Raises:
        ValueError: the shapes differ, or another norm.

    >>> import torch
    >>> a, b = torch.full((1, 3, 2, 2), 3.0), torch.ones(1, 3, 2, 2)
    >>> float(image_distance(a, b)), float(image_distance(a, b, norm=2))
    (2.0, 4.0)
    """
    _check_norm(norm)
    if a.shape != b.shape:
        raise ValueError(f"b must have the shape of a, got {tuple(b.shape)} and {tuple(a.shape)}: resize one")
    difference = full_precision(a) - full_precision(b)
    return difference.abs().mean() if norm == 1 else difference.square().mean()


class CycleLoss(nn.Module):
    """Distance of an image from itself after translation there and back.

    Zhu et al. 2017 (CycleGAN), Eq. (2), one direction: ``|F(G(x)) - x|``, averaged rather than summed.

    Args:
        norm: 1, the paper's, or 2 for squares.

    Shape:
        cycled, original: the same (B, C, H, W); returns a scalar.

    Raises:
        ValueError: the shapes differ, or another norm.

    >>> import torch
    >>> float(CycleLoss()(torch.full((1, 3, 2, 2), 3.0), torch.ones(1, 3, 2, 2)))
    2.0
    """

    def __init__(self, norm: Norm = 1) -> None:
        super().__init__()
        _check_norm(norm)
        self.norm: Norm = norm

    def forward(self, cycled: Tensor, original: Tensor) -> Tensor:
        return image_distance(cycled, original, norm=self.norm)

    def extra_repr(self) -> str:
        return f"norm={self.norm}"


class AutoEncodingLoss(nn.Module):
    """Distance of an image from its reconstruction by encoder and decoder.

    Liu et al. 2017 (UNIT), section 3, without its prior on the code; ``ReconstructionLoss`` is the one inside
    a mask.

    Args:
        norm: 1 or 2.

    Shape:
        decoded, original: the same (B, C, H, W); returns a scalar.

    Raises:
        ValueError: the shapes differ, or another norm.

    >>> import torch
    >>> float(AutoEncodingLoss(2)(torch.full((1, 3, 2, 2), 3.0), torch.ones(1, 3, 2, 2)))
    4.0
    """

    def __init__(self, norm: Norm = 1) -> None:
        super().__init__()
        _check_norm(norm)
        self.norm: Norm = norm

    def forward(self, decoded: Tensor, original: Tensor) -> Tensor:
        return image_distance(decoded, original, norm=self.norm)

    def extra_repr(self) -> str:
        return f"norm={self.norm}"
