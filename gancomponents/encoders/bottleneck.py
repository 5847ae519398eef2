"""The bottleneck of ResNets, and stages of it that dilate where others stride."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.layers import AtrousConv2d
from gancomponents.layers.checks import check_positive

#: Channels of a bottleneck's output over those of its 3x3 convolution.
EXPANSION = 4
#: By output stride: strides and dilations of the four stages.
LAYOUTS = {8: ((1, 2, 1, 1), (1, 1, 2, 4)), 16: ((1, 2, 2, 1), (1, 1, 1, 2))}


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; the 3x3 holds stride and dilation.

    He et al. 2016, "Deep Residual Learning for Image Recognition", figure 5 (right), with the stride on the
    3x3 ("v1.5") unless ``stride_first``.

    Args:
        in_channels: channels of the input.
        channels: channels of the 3x3 convolution; the output has four times as many.
        stride: of the 3x3 convolution and of the shortcut.
        dilation: of the 3x3 convolution.
        stride_first: stride in the first 1x1 convolution instead, as in the paper and in DeepLab-v2.
        norm: factory of the norms from their number of channels.

    Shape: (B, in_channels, H, W) to (B, 4 channels, ceil(H / stride), ceil(W / stride)).

    >>> import torch
    >>> Bottleneck(8, 4, stride=2)(torch.zeros(2, 8, 7, 6)).shape
    torch.Size([2, 16, 4, 3])
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        stride_first: bool = False,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        out_channels = EXPANSION * channels
        first, second = (stride, 1) if stride_first else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, stride=first, bias=False)
        self.bn1 = norm(channels)
        self.conv2 = AtrousConv2d(
            channels, channels, 3, stride=second, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = norm(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = norm(out_channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                norm(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu_(self.bn1(self.conv1(x)))
        y = F.relu_(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        # In place: no batch norm needs its own output for the backward pass.
        return F.relu_(y.add_(x if self.downsample is None else self.downsample(x)))


def check_sizes(in_channels: int, width: int, blocks: Sequence[int]) -> None:
    check_positive(in_channels=in_channels, width=width)
    if len(blocks) != 4 or min(blocks) < 1:
        raise ValueError(f"blocks must be four numbers >= 1, got {tuple(blocks)}: one per stage")


def dilated_stages(
    width: int,
    strides: Sequence[int],
    dilations: Sequence[int],
    grids: Sequence[Sequence[int]],
    *,
    stride_first: bool = False,
    norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
) -> list[nn.Sequential]:
    """The four stages; each has one bottleneck per entry of its grid, a factor of the stage's dilation."""
    stages = []
    before = width
    for stage, grid in enumerate(grids):
        channels = width * 2**stage
        layer = nn.Sequential()
        for index, factor in enumerate(grid):
            layer.append(
                Bottleneck(
                    before,
                    channels,
                    stride=strides[stage] if index == 0 else 1,
                    dilation=dilations[stage] * factor,
                    stride_first=stride_first,
                    norm=norm,
                )
            )
            before = EXPANSION * channels
        stages.append(layer)
    return stages
