"""Clouds: Perlin noise, and a sky filled with it."""

import math

import torch
from torch import Tensor


def perlin_noise(angles: Tensor, size: tuple[int, int]) -> Tensor:
    """Gradient noise between the corners of a grid.

    Perlin 2002, Improving Noise (https://doi.org/10.1145/566570.566636), in the plane: at each corner a unit
    gradient (cos a, sin a) over (row, column), blended by 6 t^5 - 15 t^4 + 10 t^3 and scaled by sqrt 2. The
    size need not be a multiple of the cells, as it must be upstream.

    Args:
        angles: a of each corner; ``2 * math.pi * torch.rand(9, 9)`` for 8 x 8 cells.
        size: height and width of the noise, pixels.

    Shape:
        angles: (..., rows + 1, columns + 1), floating; returns (..., H, W) in [-1, 1].

    Raises:
        ValueError: less than one cell, or a size below one.

    >>> import torch
    >>> noise = perlin_noise(6.283 * torch.rand(4, 5), (12, 16))
    >>> noise.shape, bool((noise[::4, ::4] == 0).all())
    (torch.Size([12, 16]), True)
    """
    if angles.dim() < 2 or min(angles.shape[-2:]) < 2 or not angles.is_floating_point():
        raise ValueError(
            f"angles must be floating (..., rows + 1, columns + 1), got {angles.dtype} {tuple(angles.shape)}: "
            "give one for each corner of at least one cell"
        )
    if min(size) < 1:
        raise ValueError(f"size must be (height, width), each >= 1, got {tuple(size)}: give pixels")
    row, down = _cells(size[0], angles.shape[-2] - 1, angles)
    column, right = _cells(size[1], angles.shape[-1] - 1, angles)
    down, right = down[:, None], right[None, :]

    def corner(below: int, beside: int) -> Tensor:
        angle = angles.index_select(-2, row + below).index_select(-1, column + beside)  # (..., H, W)
        return angle.cos() * (down - below) + angle.sin() * (right - beside)

    upper = torch.lerp(corner(0, 0), corner(0, 1), _fade(right))
    lower = torch.lerp(corner(1, 0), corner(1, 1), _fade(right))
    return math.sqrt(2) * torch.lerp(upper, lower, _fade(down))


def cloudy(
    x: Tensor,
    sky: Tensor,
    *,
    weight: float = 0.8,
    cells: tuple[int, int] = (8, 8),
    angles: Tensor | None = None,
) -> Tensor:
    """The image with clouds in its sky, for a painter that is to see a dull sky and paint duller water.

    ClimateGAN's released code (not in the paper): inside the sky, w n + (1 - w) x, where n is Perlin noise
    from which its minimum has been subtracted, so that it starts at 0 and exceeds 1 here and there; grey, the
    same in all channels. Differentiable in image and sky.

    Args:
        x: image in [-1, 1].
        sky: where the clouds are, 0 to 1; see `sky_mask`.
        weight: w, 0 for the image itself.
        cells: rows and columns of the noise's grid, where ``angles`` is None.
        angles: of the noise, see `perlin_noise`; (rows + 1, columns + 1) for one map that all images share, as
            upstream; (B, rows + 1, columns + 1) for one each; None to draw one each.

    Shape:
        x: (B, C, H, W); sky: (B, 1, H, W); returns (B, C, H, W).

    Raises:
        ValueError: shapes that do not fit, a weight outside 0..1, less than one cell.

    >>> import torch
    >>> x, sky = torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    >>> sky[..., :4, :] = 1
    >>> clouds = cloudy(x, sky)
    >>> bool((clouds[..., :4, :] >= 0).all()), bool((clouds[..., 4:, :] == 0).all())
    (True, True)
    """
    if x.dim() != 4 or sky.shape != (x.shape[0], 1, *x.shape[2:]):
        raise ValueError(
            f"sky must be (B, 1, H, W) for x {tuple(x.shape)}, got {tuple(sky.shape)}: resize the mask"
        )
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be in 0..1, got {weight}: 0.8 is the published value")
    if angles is None:
        if min(cells) < 1:
            raise ValueError(f"cells must be (rows, columns), each >= 1, got {tuple(cells)}: (8, 8) is usual")
        angles = 2 * math.pi * torch.rand(x.shape[0], cells[0] + 1, cells[1] + 1, device=x.device)
    if angles.dim() not in (2, 3) or (angles.dim() == 3 and angles.shape[0] != x.shape[0]):
        raise ValueError(
            f"angles must be (rows + 1, columns + 1), or one such map for each of {x.shape[0]} images, got "
            f"{tuple(angles.shape)}"
        )
    noise = perlin_noise(angles.to(torch.promote_types(x.dtype, torch.float32)), (x.shape[2], x.shape[3]))
    noise = noise - noise.amin(dim=(-2, -1), keepdim=True)
    noise_B1HW = noise.reshape(-1, 1, *noise.shape[-2:]).to(x.dtype)
    sky = sky.to(x.dtype)
    return sky * (weight * noise_B1HW + (1 - weight) * x) + (1 - sky) * x


def _cells(side: int, cells: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cell of each pixel along one axis, and its place inside the cell, from 0 to 1."""
    # In whole numbers, so that pixels on a corner lie exactly there.
    position = torch.arange(side, device=like.device) * cells
    return position // side, (position % side).to(like.dtype) / side


def _fade(t: Tensor) -> Tensor:
    return t**3 * (t * (6 * t - 15) + 10)
