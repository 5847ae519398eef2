"""The U-Net image-to-image generator of pix2pix."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from gancomponents.encoders.protocol import check_image
from gancomponents.layers import ConvBlock, InstanceNorm, leaky_relu, upsample_nearest
from gancomponents.layers.checks import check_positive

_WIDEST = 8  # times the width of the first level
_DROPPED = 3  # coarsest decoder levels with dropout


class UNetGenerator(nn.Module):
    """Image from an image through an encoder and a decoder with a skip connection at every level.

    Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks" (pix2pix), appendix
    6.1.1: 4x4 convolutions of stride two down, the first and the innermost without norm, dropout in the three
    coarsest levels up. Deviations: nearest up-sampling and a 3x3 convolution in place of each transposed one, to
    the size of the skip, so that any size works; instance in place of batch norm; and dropout rests in
    evaluation, where the paper keeps it as its source of chance (dropout layers left in training mode bring that
    back).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the image.
        width: channels of the first level; they double per level, up to eight times.
        levels: halvings, and as many doublings.
        dropout: probability of dropping a value in the three coarsest levels up.
        norm: factory of the norms, or None.
        spectral: normalise every weight spectrally.

    Shape: (B, in_channels, H, W) to (B, out_channels, H, W) in [-1, 1]. Level k has maps of
    floor(H / 2^k) x floor(W / 2^k).

    Raises:
        ValueError: a size below one, a ``dropout`` outside [0, 1), or an input of other channels or smaller than
            ``min_size`` on a side.

    >>> generator = UNetGenerator(width=4, levels=4)
    >>> generator(torch.randn(1, 3, 17, 30)).shape
    torch.Size([1, 3, 17, 30])
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        width: int = 64,
        levels: int = 8,
        dropout: float = 0.5,
        norm: Callable[[int], nn.Module] | None = InstanceNorm,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        check_positive(in_channels=in_channels, out_channels=out_channels, width=width, levels=levels)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}: 0 switches it off")
        self.in_channels = in_channels
        #: Smallest height and width that leave one pixel at the innermost level.
        self.min_size = 2**levels
        widths = [width * min(2**level, _WIDEST) for level in range(levels)]
        self.down = nn.ModuleList(
            ConvBlock(
                before,
                after,
                4,
                stride=2,
                padding=1,
                norm=norm if 0 < level < levels - 1 else None,
                activation=leaky_relu if level < levels - 1 else nn.ReLU,
                spectral=spectral,
            )
            for level, (before, after) in enumerate(pairwise([in_channels, *widths]))
        )
        up = []
        for level in range(levels - 1, 0, -1):
            skipped = 0 if level == levels - 1 else widths[level]
            block = ConvBlock(widths[level] + skipped, widths[level - 1], norm=norm, spectral=spectral)
            dropped = dropout > 0 and level >= levels - _DROPPED
            up.append(nn.Sequential(block, nn.Dropout(dropout)) if dropped else block)
        self.up = nn.ModuleList(up)
        last = width if levels == 1 else 2 * width
        self.to_image = ConvBlock(last, out_channels, activation=None, spectral=spectral)

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels, self.min_size)
        size = (x.shape[-2], x.shape[-1])
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        y = skips.pop()
        for up in self.up:
            skip = skips.pop()
            y = up(upsample_nearest(y, (skip.shape[-2], skip.shape[-1])))
            y = torch.cat([y, skip], 1)
        return torch.tanh(self.to_image(upsample_nearest(y, size)))
