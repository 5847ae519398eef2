"""Atrous convolution, quick also where oneDNN is slow at wide dilations."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

# Measured with oneDNN 3 on AVX-512 and AMX; from these on, its kernels give way to slow ones.
_WIDE = 6  # pixels of dilation
_MANY = 1024  # input channels, of which a bf16 kernel takes no more at once


class AtrousConv2d(nn.Conv2d):
    """``nn.Conv2d``, quicker on a CPU where its dilation is wide.

    Chen et al. 2018, "DeepLab", section 3.1. Arguments, state dict and results are those of ``nn.Conv2d``, to
    rounding. At dilations of six pixels and more, where the output has the size of the input, the gradient of the
    weight is one matrix product for each tap, over those pixels alone that the tap reaches inside the image; and a
    bf16 convolution of many channels is a sum over some of them at a time.

    Shape: as ``nn.Conv2d``.

    >>> layer = AtrousConv2d(4, 2, 3, padding=6, dilation=6)
    >>> layer(torch.zeros(1, 4, 9, 7)).shape
    torch.Size([1, 2, 9, 7])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.device.type != "cpu" or not self._wide():
            return super().forward(input)
        x, weight, bias = input, self.weight, self.bias
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
        y: Tensor = _ByTaps.apply(x, weight, bias, self.dilation[0])
        return y

    def _wide(self) -> bool:
        (rows, columns), (taps, others) = self.dilation, self.kernel_size
        return (
            rows == columns >= _WIDE
            and taps == others > 1
            and taps % 2 == 1
            and self.padding == (rows * (taps // 2),) * 2
            and self.stride == (1, 1)
            and self.groups == 1
            and self.padding_mode == "zeros"
        )


class _ByTaps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        padding = dilation * (weight.shape[-1] // 2)
        parts = [(x, weight)]
        if x.dtype is torch.bfloat16:
            parts = list(zip(x.split(_MANY, 1), weight.split(_MANY, 1), strict=True))
        y = F.conv2d(*parts[0], bias, padding=padding, dilation=dilation)
        for part in parts[1:]:
            y += F.conv2d(*part, padding=padding, dilation=dilation)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        padding = ctx.dilation * (weight.shape[-1] // 2)
        found: list[Tensor | None] = [None, None, None, None]
        if of_x:
            found[0] = conv2d_input(x.shape, weight, gradient, padding=padding, dilation=ctx.dilation)
        if of_weight:
            found[1] = _weight_gradient(x, weight, gradient, ctx.dilation)
        if of_bias:
            found[2] = gradient.sum((0, 2, 3))
        return tuple(found)


def _weight_gradient(x: Tensor, weight: Tensor, gradient: Tensor, dilation: int) -> Tensor:
    """dL/dW of tap (i, j): the sum over pixels p of gradient(p) x(p + offset)^T, p + offset being in the image."""
    x_BHWI, gradient_BHWO = x.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)
    taps = weight.shape[-1]
    found = []
    for rows_out, rows_in in _reach(x.shape[2], taps, dilation):
        for columns_out, columns_in in _reach(x.shape[3], taps, dilation):
            g_PO = gradient_BHWO[:, rows_out, columns_out].flatten(0, 2)
            found.append(g_PO.t() @ x_BHWI[:, rows_in, columns_in].flatten(0, 2))
    return torch.stack(found, 1).unflatten(1, (taps, taps)).permute(0, 3, 1, 2)  # channels-last


def _reach(size: int, taps: int, dilation: int) -> Iterator[tuple[slice, slice]]:
    """For each tap along one side: the outputs whose input lies in the image, and those inputs."""
    for tap in range(taps):
        offset = (tap - taps // 2) * dilation
        first, last = min(max(0, -offset), size), max(min(size, size - offset), 0)
        last = max(first, last)
        yield slice(first, last), slice(first + offset, last + offset) if last > first else slice(0, 0)
