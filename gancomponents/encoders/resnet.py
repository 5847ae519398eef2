"""Dilated ResNet with a multi-grid last stage: the DeepLab-v3 encoder."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.encoders.protocol import check_image
from gancomponents.layers import initialise

_EXPANSION = 4
# output stride: (strides, dilations) of the four stages
_LAYOUTS = {8: ((1, 2, 1, 1), (1, 1, 2, 4)), 16: ((1, 2, 2, 1), (1, 1, 1, 2))}


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; the 3x3 holds stride and dilation.

    He et al. 2016, "Deep Residual Learning for Image Recognition", figure 5 (right); the stride sits on the
    3x3.

    Args:
        in_channels: channels of the input.
        channels: channels of the 3x3 convolution; the output has four times as many.
        stride: of the 3x3 convolution and of the shortcut.
        dilation: of the 3x3 convolution.

    Shape: (B, in_channels, H, W) to (B, 4 channels, ceil(H / stride), ceil(W / stride)).

    >>> import torch
    >>> Bottleneck(8, 4, stride=2)(torch.zeros(2, 8, 7, 6)).shape
    torch.Size([2, 16, 4, 3])
    """

    def __init__(self, in_channels: int, channels: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        out_channels = _EXPANSION * channels
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(
            channels, channels, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu_(self.bn1(self.conv1(x)))
        y = F.relu_(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu_(y + (x if self.downsample is None else self.downsample(x)))


class DeepLabV3ResNet(nn.Module):
    """ResNet whose last stages dilate instead of striding, the last one by a multi-grid.

    Chen et al. 2017, "Rethinking Atrous Convolution for Semantic Image Segmentation" (DeepLab-v3), sections
    3.1 to 3.3. The defaults are the ResNet-101 of ClimateGAN, 42 500 160 parameters. Parameter names are
    torchvision's, though in a dilated stage the first block dilates like the others.

    Args:
        in_channels: channels of the image.
        width: channels of the stem.
        blocks: bottlenecks in each of the four stages.
        output_stride: 8 or 16, input pixels per pixel of the coarse features.
        multi_grid: factors of the last stage's dilations, one per block.

    Shape: (B, in_channels, H, W) to [(B, 4 width, ceil(H / 4), ceil(W / 4)),
    (B, 32 width, ceil(H / output_stride), ceil(W / output_stride))]; images in [-1, 1], features >= 0.

    Raises:
        ValueError: another output stride, blocks or multi-grid of the wrong length, or an image smaller than
            two coarse pixels.

    >>> import torch
    >>> encoder = DeepLabV3ResNet(width=8, blocks=(1, 1, 1, 2), multi_grid=(1, 2)).eval()
    >>> [tuple(f.shape) for f in encoder(torch.zeros(1, 3, 64, 41))]
    [(1, 32, 16, 11), (1, 256, 8, 6)]
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 64,
        blocks: Sequence[int] = (3, 4, 23, 3),
        output_stride: int = 8,
        multi_grid: Sequence[int] = (1, 2, 4),
    ) -> None:
        super().__init__()
        for name, value in {"in_channels": in_channels, "width": width}.items():
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}: give a positive whole number")
        if output_stride not in _LAYOUTS:
            raise ValueError(f"output_stride must be 8 or 16, got {output_stride}: choose one of them")
        if len(blocks) != 4 or min(blocks) < 1:
            raise ValueError(f"blocks must be four numbers >= 1, got {tuple(blocks)}: one per stage")
        if len(multi_grid) != blocks[3] or min(multi_grid) < 1:
            raise ValueError(
                f"multi_grid must be {blocks[3]} numbers >= 1, one per block of the last stage, "
                f"got {tuple(multi_grid)}: change it or blocks[3]"
            )
        self.in_channels = in_channels
        self.out_channels = [_EXPANSION * width, 8 * _EXPANSION * width]
        self.strides = [4, output_stride]
        #: Smallest height and width: two coarse pixels, so that batch norm trains on a batch of one.
        self.min_size = 2 * output_stride

        strides, dilations = _LAYOUTS[output_stride]
        grids = [*([1] * count for count in blocks[:3]), list(multi_grid)]
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        before = width
        for stage in range(4):
            channels = width * 2**stage
            layer = nn.Sequential()
            for index, grid in enumerate(grids[stage]):
                stride = strides[stage] if index == 0 else 1
                layer.append(Bottleneck(before, channels, stride=stride, dilation=dilations[stage] * grid))
                before = _EXPANSION * channels
            self.add_module(f"layer{stage + 1}", layer)
        initialise(self, "kaiming_fan_out")

    def forward(self, x: Tensor) -> list[Tensor]:
        check_image(x, self.in_channels, self.min_size)
        x = F.relu_(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        low = self.layer1(x)
        high = self.layer4(self.layer3(self.layer2(low)))
        return [low, high]
