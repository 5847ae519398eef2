"""MobileNet-v2 as a segmentation encoder."""

import re

from torch import Tensor, nn

from gancomponents.encoders.protocol import check_image
from gancomponents.layers import initialise, upsample_nearest
from gancomponents.layers.checks import check_positive

# Per block, groups of (expansion, channels, repeats, stride).
_BLOCKS = (
    ((1, 16, 1, 1),),
    ((6, 24, 2, 2),),
    ((6, 32, 3, 2),),
    ((6, 64, 4, 2), (6, 96, 3, 1)),
    ((6, 160, 3, 1), (6, 320, 1, 1)),  # stride 2 in the paper; dilated instead
)
_LAST_DILATION = 2
_UNIT = {"conv": ".0", "bn": ".1"}


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise and 1x1 linear convolution; a shortcut where shapes agree.

    Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", figure 4(d).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the depthwise convolution.
        expansion: its width over that of the input; 1 leaves the expansion out.
        dilation: of the depthwise convolution.

    Shape: (B, in_channels, H, W) to (B, out_channels, ceil(H / stride), ceil(W / stride)).

    >>> import torch
    >>> InvertedResidual(8, 8)(torch.zeros(2, 8, 5, 7)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, expansion: int = 6, dilation: int = 1
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        expand = [] if expansion == 1 else [_conv_bn_relu6(in_channels, hidden, 1)]
        self.conv = nn.Sequential(
            *expand,
            _conv_bn_relu6(hidden, hidden, 3, stride=stride, dilation=dilation, groups=hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.skip = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return x + y if self.skip else y


class MobileNetV2(nn.Module):
    """MobileNet-v2 without its classifier, dilated at the end and doubled to an output stride of 8.

    Sandler et al. 2018, table 2. The last block dilates by two instead of striding, and its output is
    doubled by nearest neighbour from H / 16 to H / 8. 1 811 712 parameters at full width.

    Args:
        in_channels: channels of the image.
        width_multiplier: factor of every width, rounded to a multiple of eight.
        dilate_repeats: dilate the whole last block, in place of the stride that it lost. Off, only the first
            unit of each of its two groups dilates, as upstream does and public checkpoints were trained.

    Shape: (B, in_channels, H, W) to [(B, 24, ceil(H / 4), ceil(W / 4)), (B, 320, ceil(H / 8), ceil(W / 8))]
    at full width; images in [-1, 1].

    Raises:
        ValueError: widths not above zero, or an image smaller than 32 on a side.

    >>> import torch
    >>> [tuple(f.shape) for f in MobileNetV2()(torch.zeros(1, 3, 64, 41))]
    [(1, 24, 16, 11), (1, 320, 8, 6)]
    """

    block1: nn.Sequential
    block2: nn.Sequential
    block3: nn.Sequential
    block4: nn.Sequential
    block5: nn.Sequential

    def __init__(
        self, in_channels: int = 3, *, width_multiplier: float = 1.0, dilate_repeats: bool = True
    ) -> None:
        super().__init__()
        check_positive(in_channels=in_channels)
        if not width_multiplier > 0:
            raise ValueError(f"width_multiplier must be > 0, got {width_multiplier}: use 1.0 for full width")
        self.in_channels = in_channels
        self.strides = [4, 8]
        #: Smallest height and width, two pixels at H / 16, so that batch norm trains on a batch of one.
        self.min_size = 32
        before = _scaled(32, width_multiplier)
        self.conv1 = _conv_bn_relu6(in_channels, before, 3, stride=2)
        widths = []
        for number, groups in enumerate(_BLOCKS, start=1):
            dilation = _LAST_DILATION if number == len(_BLOCKS) else 1
            block = nn.Sequential()
            for expansion, channels, repeats, stride in groups:
                after = _scaled(channels, width_multiplier)
                for index in range(repeats):
                    block.append(
                        InvertedResidual(
                            before,
                            after,
                            stride=stride if index == 0 else 1,
                            expansion=expansion,
                            dilation=dilation if index == 0 or dilate_repeats else 1,
                        )
                    )
                    before = after
            self.add_module(f"block{number}", block)
            widths.append(before)
        self.out_channels = [widths[1], widths[4]]
        initialise(self, "kaiming_fan_out")

    @staticmethod
    def published_key(key: str) -> str | None:
        """Where a key of a published segmentation network belongs: behind ``encoder.``, with our indices."""
        found = re.fullmatch(r"encoder\.((?:conv1|block[1-5])\..*)", key)
        if found is None:
            return None
        # A unit of convolution, norm and activation has names there and indices here.
        return re.sub(r"\.(conv|bn)(?=\.[a-z_]+$)", lambda m: _UNIT[m[1]], found[1])

    def forward(self, x: Tensor) -> list[Tensor]:
        check_image(x, self.in_channels, self.min_size)
        height, width = x.shape[-2:]
        low = self.block2(self.block1(self.conv1(x)))
        high = self.block5(self.block4(self.block3(low)))
        return [low, upsample_nearest(high, (-(-height // 8), -(-width // 8)))]


def _conv_bn_relu6(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )


def _scaled(channels: int, multiplier: float) -> int:
    return max(8, round(channels * multiplier / 8) * 8)
