"""Atrous spatial pyramid pooling, the context module of the DeepLab decoders."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.layers import ConvBlock
from gancomponents.layers.checks import check_positive


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: parallel convolutions of several dilations, concatenated and reduced.

    Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation"
    (DeepLab-v3+), figure 2. Deviations, with ClimateGAN: by default no image-level pooling branch and no
    dropout. In the pooling branch, batch norm sees one value per sample; in training on a single sample, which
    has no variance, it uses its running statistics.

    Args:
        in_channels: channels of the coarse features.
        channels: width of each branch and of the output.
        rates: dilations of the 3x3 branches; a 1x1 branch is always there.
        image_pooling: add a branch that sees the mean over the whole image (Chen et al. 2017, DeepLab-v3,
            section 3.3).
        dropout: probability of dropping an entry of the output in training.
        upstream_layout: biases, no ReLU, and a 1x1 reduction padded by one pixel, which enlarges the map (for
            parity with public checkpoints of the DeepLab-v3+ decoder).

    Shape: (B, in_channels, h, w) to (B, channels, h, w), or (B, channels, h + 2, w + 2) in the upstream
    layout.

    Raises:
        ValueError: sizes or rates below one.

    >>> ASPP(8, channels=4, image_pooling=True)(torch.randn(1, 8, 5, 7)).shape
    torch.Size([1, 4, 5, 7])
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int = 256,
        rates: Sequence[int] = (6, 12, 18),
        image_pooling: bool = False,
        dropout: float = 0.0,
        upstream_layout: bool = False,
    ) -> None:
        super().__init__()
        check_positive(in_channels=in_channels, channels=channels)
        if any(rate < 1 for rate in rates):
            raise ValueError(f"rates must be >= 1, got {tuple(rates)}: give dilations in pixels")
        self.branches = nn.ModuleList(
            [
                conv_unit(in_channels, channels, 1, upstream_layout),
                *(conv_unit(in_channels, channels, 3, upstream_layout, dilation=rate) for rate in rates),
            ]
        )
        self.pool = _ImagePooling(in_channels, channels) if image_pooling else None
        self.reduce = conv_unit(
            channels * (1 + len(rates) + image_pooling),
            channels,
            1,
            upstream_layout,
            padding=1 if upstream_layout else None,
        )
        self.dropout = nn.Dropout(dropout) if dropout else None

    def forward(self, x: Tensor) -> Tensor:
        found = [branch(x) for branch in self.branches]
        if self.pool is not None:
            found.append(self.pool(x))
        y = self.reduce(torch.cat(found, dim=1))
        return y if self.dropout is None else self.dropout(y)


def conv_unit(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    upstream_layout: bool = False,
    *,
    dilation: int = 1,
    padding: int | None = None,
) -> ConvBlock:
    """Convolution, batch norm and ReLU; in upstream's layout with a bias and without the ReLU.

    >>> conv_unit(2, 3, 1)(torch.randn(2, 2, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """
    return ConvBlock(
        in_channels,
        out_channels,
        kernel_size,
        dilation=dilation,
        padding=padding,
        norm=nn.BatchNorm2d,
        activation=None if upstream_layout else nn.ReLU,
        bias=upstream_layout,
    )


class _ImagePooling(nn.Module):
    """The mean over the image, a 1x1 unit, and the result at every pixel."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.norm = _BatchNormOfOne(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu_(self.norm(self.conv(x.mean(dim=(2, 3), keepdim=True))))
        return y.expand(-1, -1, x.shape[-2], x.shape[-1])  # what a bilinear resize of one pixel is


class _BatchNormOfOne(nn.BatchNorm2d):
    """Batch norm that takes its running statistics where the batch is a single value per channel."""

    def forward(self, input: Tensor) -> Tensor:
        if input.numel() > input.shape[1]:
            return super().forward(input)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
