"""Separable filters with windows as large as the image."""

import torch
from torch import Tensor

from gancomponents.layers.precision import without_autocast


def gaussian_matrix(size: int, kernel_size: int, sigma: float, like: Tensor) -> Tensor:
    """The matrix M for which M @ v is the Gaussian blur of v, the border reflected.

    A window that reaches beyond the far border is reflected again and again, so that no image is too small
    for it.

    Args:
        size: length of v.
        kernel_size: taps of the Gaussian, odd.
        sigma: its standard deviation in pixels.
        like: gives device and dtype.

    Shape:
        returns (size, size); rows sum to 1.

    Raises:
        ValueError: an even kernel or a sigma that is not positive.

    >>> import torch
    >>> gaussian_matrix(3, 3, 1e6, torch.zeros(())).mul(3).round().tolist()
    [[1.0, 2.0, 0.0], [1.0, 1.0, 1.0], [0.0, 2.0, 1.0]]
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            f"kernel_size must be odd and positive, got {kernel_size}: 281 is the published value"
        )
    if sigma <= 0:
        raise ValueError(f"sigma must be positive, got {sigma}: 140.5 is the published value")
    offsets = torch.arange(kernel_size, device=like.device) - kernel_size // 2
    taps = torch.exp(-offsets.to(like.dtype).square() / (2 * sigma**2))
    taps = taps / taps.sum()
    period = max(2 * (size - 1), 1)
    reached = (torch.arange(size, device=like.device)[:, None] + offsets) % period  # (size, kernel_size)
    source = torch.minimum(reached, period - reached) if size > 1 else torch.zeros_like(reached)
    matrix = torch.zeros(size, size, device=like.device, dtype=like.dtype)
    return matrix.scatter_add(1, source, taps.expand(size, -1))


def gaussian_blur(x: Tensor, kernel_size: int, sigma: float) -> Tensor:
    """Gaussian blur, the border reflected, as one matrix product per axis.

    Costs the same for every kernel size; for windows near the size of the image far less than a convolution.

    Args:
        x: maps, in fp32 or fp64.
        kernel_size: odd; may exceed the image.
        sigma: in pixels.

    Shape:
        x: (B, C, H, W); returns the same.

    Raises:
        ValueError: an even kernel or a sigma that is not positive.

    >>> import torch
    >>> bool(torch.allclose(gaussian_blur(torch.ones(1, 1, 4, 5), 281, 140.5), torch.ones(1, 1, 4, 5)))
    True
    """
    rows = gaussian_matrix(x.shape[2], kernel_size, sigma, x)
    columns = gaussian_matrix(x.shape[3], kernel_size, sigma, x)
    with without_autocast(x):
        return rows @ x @ columns.T


def grow(mask: Tensor, radius: int, dim: int) -> Tensor:
    """A binary mask dilated along one axis: 1 wherever a 1 lies within ``radius`` pixels.

    Args:
        mask: 0 or 1.
        radius: pixels, at least 0.
        dim: the axis.

    Shape:
        mask: any; returns the same.

    >>> import torch
    >>> grow(torch.tensor([0.0, 0, 0, 1, 0, 0]), 1, 0).tolist()
    [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    """
    if radius < 1:
        return mask
    # The number of ones in each window is a difference of running sums, whatever the window's size.
    size = mask.shape[dim]
    sums = mask.cumsum(dim)
    zero = torch.zeros_like(sums.narrow(dim, 0, 1))
    sums = torch.cat([zero, sums], dim)
    positions = torch.arange(size, device=mask.device)
    upper = sums.index_select(dim, (positions + radius + 1).clamp_max(size))
    lower = sums.index_select(dim, (positions - radius).clamp_min(0))
    return (upper - lower > 0.5).to(mask.dtype)
