"""The residual image-to-image generator of style transfer and CycleGAN."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from gancomponents.encoders.protocol import check_image
from gancomponents.layers import ConvBlock, InstanceNorm, PaddingMode, ResidualBlock, upsample_nearest
from gancomponents.layers.checks import check_positive


class ResNetGenerator(nn.Module):
    """Image from an image through a stack of residual blocks at a quarter of its size.

    Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", as in Zhu et al.
    2017 ("CycleGAN"), appendix 7.2: c7s1-64, d128, d256, nine R256, u128, u64, c7s1-3. Deviation: nearest
    up-sampling and a 3x3 convolution in place of each fractionally strided one (Odena et al. 2016, "Deconvolution
    and Checkerboard Artifacts"), to the size that was there on the way down, so that any size works.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the image.
        width: channels at full size; they double with each down-sampling.
        downsamplings: halvings, and as many doublings.
        residual_blocks: residual blocks between the two.
        norm: factory of the norms, or None.
        activation: factory of the activations.
        padding_mode: of the residual blocks and of the first and last convolution.
        spectral: normalise every weight spectrally.

    Shape: (B, in_channels, H, W) to (B, out_channels, H, W) in [-1, 1].

    Raises:
        ValueError: a size below one, ``downsamplings`` or ``residual_blocks`` below zero, or an input of other
            channels or smaller than ``min_size`` on a side.

    >>> generator = ResNetGenerator(width=4, residual_blocks=2)
    >>> generator(torch.randn(1, 3, 17, 30)).shape
    torch.Size([1, 3, 17, 30])
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        width: int = 64,
        downsamplings: int = 2,
        residual_blocks: int = 9,
        norm: Callable[[int], nn.Module] | None = InstanceNorm,
        activation: Callable[[], nn.Module] = nn.ReLU,
        padding_mode: PaddingMode = "reflect",
        spectral: bool = False,
    ) -> None:
        super().__init__()
        check_positive(in_channels=in_channels, out_channels=out_channels, width=width)
        for name, value in {"downsamplings": downsamplings, "residual_blocks": residual_blocks}.items():
            if value < 0:
                raise ValueError(f"{name} must be >= 0, got {value}: 0 leaves them out")
        self.in_channels = in_channels
        reflect = padding_mode == "reflect"
        coarse = 2**downsamplings + 1  # leaves two pixels, which reflection and instance norm need
        #: Smallest height and width.
        self.min_size = max(4 if reflect else 1, coarse if reflect or norm is not None else 1)

        def block(
            in_channels: int,
            out_channels: int,
            kernel_size: int,
            *,
            stride: int = 1,
            pad: PaddingMode = "zeros",
        ) -> ConvBlock:
            return ConvBlock(
                in_channels,
                out_channels,
                kernel_size,
                stride=stride,
                norm=norm,
                activation=activation,
                padding_mode=pad,
                spectral=spectral,
            )

        widths = [width * 2**level for level in range(downsamplings + 1)]
        self.first = block(in_channels, width, 7, pad=padding_mode)
        self.down = nn.ModuleList(block(fine, coarse, 3, stride=2) for fine, coarse in pairwise(widths))
        self.residual = nn.Sequential(
            *(
                ResidualBlock(
                    widths[-1], norm=norm, activation=activation, padding_mode=padding_mode, spectral=spectral
                )
                for _ in range(residual_blocks)
            )
        )
        self.up = nn.ModuleList(block(coarse, fine, 3) for coarse, fine in pairwise(widths[::-1]))
        self.to_image = ConvBlock(
            width, out_channels, 7, activation=None, padding_mode=padding_mode, spectral=spectral
        )

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels, self.min_size)
        y = self.first(x)
        sizes = []
        for down in self.down:
            sizes.append((y.shape[-2], y.shape[-1]))
            y = down(y)
        y = self.residual(y)
        for up, size in zip(self.up, reversed(sizes), strict=True):
            y = up(upsample_nearest(y, size))
        return torch.tanh(self.to_image(y))
