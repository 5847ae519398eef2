"""The encoder of DeepLab-v3: a ResNet that dilates, its last stage by a multi-grid."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.encoders.bottleneck import EXPANSION, LAYOUTS, check_sizes, dilated_stages
from gancomponents.encoders.protocol import check_image
from gancomponents.layers import initialise


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
        if output_stride not in LAYOUTS:
            raise ValueError(f"output_stride must be 8 or 16, got {output_stride}: choose one of them")
        check_sizes(in_channels, width, blocks)
        if len(multi_grid) != blocks[3] or min(multi_grid) < 1:
            raise ValueError(
                f"multi_grid must be {blocks[3]} numbers >= 1, one per block of the last stage, "
                f"got {tuple(multi_grid)}: change it or blocks[3]"
            )
        self.in_channels = in_channels
        self.out_channels = [EXPANSION * width, 8 * EXPANSION * width]
        self.strides = [4, output_stride]
        #: Smallest height and width, two coarse pixels, so that batch norm trains on a batch of one.
        self.min_size = 2 * output_stride

        strides, dilations = LAYOUTS[output_stride]
        grids = [*([1] * count for count in blocks[:3]), list(multi_grid)]
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for stage, layer in enumerate(dilated_stages(width, strides, dilations, grids), start=1):
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
