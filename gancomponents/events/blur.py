"""Separable filters with windows as large as the image."""

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from gancomponents.layers import resize
from gancomponents.layers.precision import without_autocast

#: What a coarser grid may add to a blur, over the range of its input: half a level of 255.
TOLERANCE = 1 / 512


def gaussian_matrix(size: int, kernel_size: int, sigma: float, like: Tensor, *, step: int = 1) -> Tensor:
    """The matrix M for which M @ v is the Gaussian blur of v, the border reflected.

    A window that reaches beyond the far border is reflected again and again, so that no image is too small
    for it.

    Args:
        size: length of v.
        kernel_size: taps of the Gaussian, odd.
        sigma: its standard deviation in pixels.
        like: gives device and dtype.
        step: of the blur, only every so many pixels, the first of them the first pixel, the last beyond the last.

    Shape:
        returns (ceil((size - 1) / step) + 1, size); rows sum to 1.

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
    count = _nodes(size, step)
    centres = step * torch.arange(count, device=like.device)
    reached = (centres[:, None] + offsets) % period  # (count, kernel_size)
    source = torch.minimum(reached, period - reached) if size > 1 else torch.zeros_like(reached)
    matrix = torch.zeros(count, size, device=like.device, dtype=like.dtype)
    return matrix.scatter_add(1, source, taps.expand(count, -1))


def gaussian_blur(x: Tensor, kernel_size: int, sigma: float, *, tolerance: float = TOLERANCE) -> Tensor:
    """Gaussian blur, the border reflected, as one matrix product per axis.

    Costs the same for every kernel size; for windows near the size of the image far less than a convolution.
    Where the blur is so wide that pixels between two computed ones follow from these, only every k-th row and
    column is computed, and the others are interpolated linearly: k is the largest for which the error stays below
    ``tolerance`` whatever ``x`` is. The published blur, 281 taps, is computed in full.

    Args:
        x: maps, in fp32 or fp64.
        kernel_size: odd; may exceed the image.
        sigma: in pixels.
        tolerance: largest error, over the range of ``x``; 0 to compute every pixel.

    Shape:
        x: (B, C, H, W); returns the same.

    Raises:
        ValueError: an even kernel, a sigma that is not positive or a tolerance below 0.

    >>> import torch
    >>> bool(torch.allclose(gaussian_blur(torch.ones(1, 1, 4, 5), 281, 140.5), torch.ones(1, 1, 4, 5)))
    True
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be >= 0, got {tolerance}: 0 computes every pixel")
    height, width = x.shape[-2:]
    step = _step(kernel_size, sigma, tolerance)
    rows = gaussian_matrix(height, kernel_size, sigma, x, step=step)
    columns = gaussian_matrix(width, kernel_size, sigma, x, step=step)
    with without_autocast(x):
        nodes = rows @ x @ columns.T
    if step == 1:
        return nodes
    full = (step * (rows.shape[0] - 1) + 1, step * (columns.shape[0] - 1) + 1)
    return resize(nodes, full, align_corners=True)[..., :height, :width]


def _nodes(size: int, step: int) -> int:
    return -(-(size - 1) // step) + 1


def _step(kernel_size: int, sigma: float, tolerance: float) -> int:
    """The largest distance of computed pixels at which a blur between them is linear within the tolerance.

    From pixel to pixel, the blur of an x in [0, 1] with taps t_0 .. t_n changes by t_0 (what enters the window
    less what leaves it), within t_0 of 0, and by what the slope of the taps adds. The latter itself changes by at
    most c = |t_1 - t_0| + sum |t_i - 2 t_(i+1) + t_(i+2)| / 2. Over k pixels the blur is thus off its chord by at
    most k t_0 / 2 + k^2 c / 8, along each of two axes.
    """
    if tolerance == 0 or kernel_size < 3 or sigma <= 0:
        return 1
    radius = kernel_size // 2
    taps = [math.exp(-(offset**2) / (2 * sigma**2)) for offset in range(-radius, radius + 1)]
    slopes = [after - before for before, after in pairwise(taps)]
    edge = taps[0] / sum(taps)
    curve = (abs(slopes[0]) + sum(abs(after - before) for before, after in pairwise(slopes)) / 2) / sum(taps)
    step = 1
    while (step + 1) * edge + (step + 1) ** 2 * curve / 4 <= tolerance:
        step += 1
    return step


def grow(mask: Tensor, radius: int, dim: int, size: int | None = None) -> Tensor:
    """A binary mask dilated along one axis: 1 wherever a 1 lies within ``radius`` pixels.

    Args:
        mask: 0 or 1.
        radius: pixels, at least 0; of the result.
        dim: the axis, one of the last two.
        size: resize the axis to this many pixels first, by `torch.nn.functional.interpolate`'s "nearest".

    Shape:
        mask: (B, C, H, W); returns the same, or ``size`` along the axis.

    >>> import torch
    >>> grow(torch.tensor([0.0, 0, 0, 1, 0, 0]).reshape(1, 1, 1, 6), 1, 3).flatten().tolist()
    [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    """
    before = mask.shape[dim]
    after = before if size is None else size
    places = torch.arange(before, device=mask.device, dtype=torch.float32).reshape(1, 1, -1, 1)
    if after != before:
        places = functional.interpolate(places, (after, 1), mode="nearest")
    source = places.flatten().long()  # of each pixel of the result
    pixels = torch.arange(after, device=mask.device)
    if after < before or radius < 1:  # what is left out must not be counted
        mask = mask if after == before else mask.index_select(dim, source)
        source = pixels
    if radius < 1:
        return mask
    # The number of ones in each window is a difference of running sums, whatever the window's size.
    sums = mask.cumsum(dim)
    zero = torch.zeros_like(sums.narrow(dim, 0, 1))
    sums = torch.cat([zero, sums], dim)
    last = source.index_select(0, (pixels + radius).clamp_max(after - 1))
    first = source.index_select(0, (pixels - radius).clamp_min(0))
    ones = sums.index_select(dim, last + 1) - sums.index_select(dim, first)
    return (ones > 0.5).to(mask.dtype)
