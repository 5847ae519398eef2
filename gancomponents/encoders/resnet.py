"""Dilated ResNets: the encoders of DeepLab-v3, with its multi-grid, and of DeepLab-v2."""

from collections.abc import Callable, Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.encoders.freezing import FrozenBatchNorm
from gancomponents.encoders.protocol import check_image
from gancomponents.layers import InstanceNorm, ResidualBlock, initialise, leaky_relu

_EXPANSION = 4
# output stride: (strides, dilations) of the four stages
_LAYOUTS = {8: ((1, 2, 1, 1), (1, 1, 2, 4)), 16: ((1, 2, 2, 1), (1, 1, 1, 2))}


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
        out_channels = _EXPANSION * channels
        first, second = (stride, 1) if stride_first else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, stride=first, bias=False)
        self.bn1 = norm(channels)
        self.conv2 = nn.Conv2d(
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
        if output_stride not in _LAYOUTS:
            raise ValueError(f"output_stride must be 8 or 16, got {output_stride}: choose one of them")
        _check_sizes(in_channels, width, blocks)
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
        for stage, layer in enumerate(_stages(width, strides, dilations, grids), start=1):
            self.add_module(f"layer{stage}", layer)
        initialise(self, "kaiming_fan_out")

    @staticmethod
    def published_key(key: str) -> str | None:
        """Where a key of a published segmentation network belongs in the encoder: behind ``backbone.``."""
        return key.removeprefix("backbone.") if key.startswith("backbone.") else None

    def forward(self, x: Tensor) -> list[Tensor]:
        check_image(x, self.in_channels, self.min_size)
        x = F.relu_(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        low = self.layer1(x)
        high = self.layer4(self.layer3(self.layer2(low)))
        return [low, high]


class DeepLabV2ResNet(nn.Module):
    """ResNet whose last two stages dilate instead of striding, its batch norms frozen.

    Chen et al. 2017, "DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution,
    and Fully Connected CRFs" (DeepLab-v2), section 4.1: fine-tuned with the batch norm of the pretrained
    weights, as in Caffe. The defaults are the ResNet-101 of AdvEnt and ClimateGAN: 42 500 160 numbers, of
    which the scales and shifts of the norms are buffers, which nothing can train. Convolutions start at
    N(0, 0.01), as published, which only makes sense with pretrained weights
    (:func:`~gancomponents.encoders.load_weights`) or moving norms. Deviations: the features of the first
    stage are returned as well, so that every decoder fits; an odd side of the stem is rounded up.

    Args:
        in_channels: channels of the image.
        width: channels of the stem.
        blocks: bottlenecks in each of the four stages.
        frozen_norms: "all" freezes scales, shifts and statistics of the batch norms; "affine" lets the
            statistics move in training, as upstream does; "none" trains them like any other.
        residual_blocks: residual blocks with instance norm behind the last stage.
        bias: of the residual blocks' convolutions, as in :class:`~gancomponents.layers.ConvBlock`; True for
            parity with public checkpoints.
        upstream_layout: drop the last row or column of a stem of odd side, for parity with upstream; no
            difference where both sides are multiples of four.

    Shape: (B, in_channels, H, W) to [(B, 4 width, ceil(H / 4), ceil(W / 4)), (B, 32 width, ceil(H / 8),
    ceil(W / 8))]; images in [-1, 1], features >= 0 (without residual blocks).

    Raises:
        ValueError: blocks of the wrong length, an unknown ``frozen_norms``, or an image smaller than two
            coarse pixels.

    >>> import torch
    >>> encoder = DeepLabV2ResNet(width=8, blocks=(1, 1, 1, 1))
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
        frozen_norms: str = "all",
        residual_blocks: int = 0,
        bias: bool | None = None,
        upstream_layout: bool = False,
    ) -> None:
        super().__init__()
        _check_sizes(in_channels, width, blocks)
        if frozen_norms not in _FROZEN_NORMS:
            raise ValueError(
                f"frozen_norms must be one of {sorted(_FROZEN_NORMS)}, got {frozen_norms!r}: choose one"
            )
        if residual_blocks < 0:
            raise ValueError(f"residual_blocks must be >= 0, got {residual_blocks}: 0 leaves them out")
        self.in_channels = in_channels
        self.out_channels = [_EXPANSION * width, 8 * _EXPANSION * width]
        self.strides = [4, 8]
        #: Smallest height and width: two coarse pixels, so that norms train on a batch of one.
        self.min_size = 16
        self.upstream_layout = upstream_layout
        norm = _FROZEN_NORMS[frozen_norms]
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(width)
        strides, dilations = _LAYOUTS[8]
        grids = [[1] * count for count in blocks]
        stages = _stages(width, strides, dilations, grids, stride_first=True, norm=norm)
        for stage, layer in enumerate(stages, start=1):
            self.add_module(f"layer{stage}", layer)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.01)
        self.residual = nn.Sequential(
            *(
                ResidualBlock(
                    self.out_channels[-1],
                    norm=InstanceNorm,
                    activation=leaky_relu,
                    padding_mode="reflect",
                    bias=bias,
                )
                for _ in range(residual_blocks)
            )
        )

    @staticmethod
    def published_key(key: str) -> str | None:
        """Where a key of a published network belongs: behind its first component, the classifier left out."""
        inside = key.partition(".")[2]
        return None if inside.split(".")[0] in ("", "layer5", "resblock") else inside

    def forward(self, x: Tensor) -> list[Tensor]:
        check_image(x, self.in_channels, self.min_size)
        x = F.relu_(self.bn1(self.conv1(x)))
        if self.upstream_layout:
            x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)
        else:  # the same windows, and one more where a side is odd; after a ReLU, zeros change no maximum
            x = F.max_pool2d(F.pad(x, (0, 2, 0, 2)), 3, stride=2)
        low = self.layer1(x)
        high = self.layer4(self.layer3(self.layer2(low)))
        return [low, self.residual(high)]


_FROZEN_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "all": FrozenBatchNorm,
    "affine": partial(FrozenBatchNorm, statistics=False),
    "none": nn.BatchNorm2d,
}


def _check_sizes(in_channels: int, width: int, blocks: Sequence[int]) -> None:
    for name, value in {"in_channels": in_channels, "width": width}.items():
        if value < 1:
            raise ValueError(f"{name} must be >= 1, got {value}: give a positive whole number")
    if len(blocks) != 4 or min(blocks) < 1:
        raise ValueError(f"blocks must be four numbers >= 1, got {tuple(blocks)}: one per stage")


def _stages(
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
            before = _EXPANSION * channels
        stages.append(layer)
    return stages
