"""The encoder of DeepLab-v2: a ResNet that dilates, with batch norms that are kept as they are."""

from collections.abc import Callable, Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.encoders.bottleneck import EXPANSION, LAYOUTS, check_sizes, dilated_stages
from gancomponents.encoders.freezing import FrozenBatchNorm
from gancomponents.encoders.protocol import check_image
from gancomponents.layers import InstanceNorm, ResidualBlock, leaky_relu

_FROZEN_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "all": FrozenBatchNorm,
    "affine": partial(FrozenBatchNorm, statistics=False),
    "none": nn.BatchNorm2d,
}


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
        check_sizes(in_channels, width, blocks)
        if frozen_norms not in _FROZEN_NORMS:
            raise ValueError(
                f"frozen_norms must be one of {sorted(_FROZEN_NORMS)}, got {frozen_norms!r}: choose one"
            )
        if residual_blocks < 0:
            raise ValueError(f"residual_blocks must be >= 0, got {residual_blocks}: 0 leaves them out")
        self.in_channels = in_channels
        self.out_channels = [EXPANSION * width, 8 * EXPANSION * width]
        self.strides = [4, 8]
        #: Smallest height and width, two coarse pixels, so that norms train on a batch of one.
        self.min_size = 16
        self.upstream_layout = upstream_layout
        norm = _FROZEN_NORMS[frozen_norms]
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(width)
        strides, dilations = LAYOUTS[8]
        grids = [[1] * count for count in blocks]
        stages = dilated_stages(width, strides, dilations, grids, stride_first=True, norm=norm)
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
