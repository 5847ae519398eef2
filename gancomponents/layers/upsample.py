"""Nearest-neighbour resizing that every backend runs without falling back."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def upsample_nearest(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize by nearest neighbour: output pixel i shows input pixel floor(i * input size / output size).

    Exactly so at every size: torch's own "nearest" computes the ratio in floating point, and is off by one here
    and there. On XLA, where the gradient of ``F.interpolate`` leaves the graph, whole factors up are an expand
    and a reshape; elsewhere that gradient is twenty times slower on a CPU. Whole factors down are a strided
    slice. Channels-last stays channels-last.

    Args:
        x: any feature map.
        size: height and width of the result.

    Shape: (B, C, h, w) to (B, C, \\*size).

    Raises:
        ValueError: ``x`` has not four dimensions, or a size below one.

    >>> upsample_nearest(torch.arange(4.0).reshape(1, 1, 2, 2), (2, 4))
    tensor([[[[0., 0., 1., 1.],
              [2., 2., 3., 3.]]]])
    """
    if x.ndim != 4:
        raise ValueError(f"x must be (B, C, H, W), got shape {tuple(x.shape)}: add the missing dimensions")
    h, w = x.shape[-2:]
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"size must be at least 1x1, got {height}x{width}: give the size of the result")
    if (height, width) == (h, w):
        return x
    if x.device.type == "xla" and height % h == 0 and width % w == 0:
        return _repeat(x, height // h, width // w)
    if h % height == 0 and w % width == 0:
        return x[:, :, :: h // height, :: w // width]
    if height % h == 0 and width % w == 0:
        # Half a pixel from every edge: for whole factors the same pixels, and safe from rounding.
        return F.interpolate(x, size=(height, width), mode="nearest-exact")
    return _selected(_selected(x, 2, height), 3, width)


class UpsampleNearest(nn.Module):
    """:func:`upsample_nearest` by a whole factor, as a module.

    Args:
        factor: how many times taller and wider.

    Shape: (B, C, h, w) to (B, C, factor h, factor w).

    Raises:
        ValueError: a factor below one.

    >>> UpsampleNearest(3)(torch.zeros(1, 2, 4, 5)).shape
    torch.Size([1, 2, 12, 15])
    """

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        if factor < 1:
            raise ValueError(f"factor must be a whole number >= 1, got {factor}: use 2 to double the size")
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return upsample_nearest(x, (x.shape[-2] * self.factor, x.shape[-1] * self.factor))

    def extra_repr(self) -> str:
        return f"factor={self.factor}"


def _repeat(x: Tensor, down: int, across: int) -> Tensor:
    b, c, h, w = x.shape
    size = (h * down, w * across)
    if x.is_contiguous(memory_format=torch.channels_last):
        nhwc = x.permute(0, 2, 3, 1)[:, :, None, :, None, :]
        return nhwc.expand(b, h, down, w, across, c).reshape(b, *size, c).permute(0, 3, 1, 2)
    return x[:, :, :, None, :, None].expand(b, c, h, down, w, across).reshape(b, c, *size)


def _selected(x: Tensor, dim: int, length: int) -> Tensor:
    if x.shape[dim] == length:
        return x
    places = torch.arange(length, device=x.device) * x.shape[dim] // length
    y = x.index_select(dim, places)
    last = x.is_contiguous(memory_format=torch.channels_last)
    return y.contiguous(memory_format=torch.channels_last) if last else y
