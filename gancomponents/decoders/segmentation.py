"""Segmentation decoders: DeepLab-v3+, and a light one of separable convolutions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gancomponents.decoders.inputs import check_channels, fused, resized
from gancomponents.layers import ConvBlock, initialise


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: parallel convolutions of several dilations, concatenated and reduced.

    Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation"
    (DeepLab-v3+), figure 2. Deviation, with ClimateGAN: no image-level pooling branch, so it trains at any
    batch size, and no dropout.

    Args:
        in_channels: channels of the coarse features.
        channels: width of each branch and of the output.
        rates: dilations of the 3x3 branches; a 1x1 branch is always there.
        upstream_layout: biases, no ReLU, and a 1x1 reduction padded by one pixel, which enlarges the map (for
            parity with public checkpoints).

    Shape: (B, in_channels, h, w) to (B, channels, h, w), or (B, channels, h + 2, w + 2) in the upstream
    layout.

    Raises:
        ValueError: sizes or rates below one.

    >>> ASPP(8, channels=4)(torch.randn(2, 8, 5, 7)).shape
    torch.Size([2, 4, 5, 7])
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int = 256,
        rates: Sequence[int] = (6, 12, 18),
        upstream_layout: bool = False,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                _unit(in_channels, channels, 1, upstream_layout),
                *(_unit(in_channels, channels, 3, upstream_layout, dilation=rate) for rate in rates),
            ]
        )
        self.reduce = _unit(
            channels * (1 + len(rates)), channels, 1, upstream_layout, padding=1 if upstream_layout else None
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.reduce(torch.cat([branch(x) for branch in self.branches], dim=1))


class DeepLabV3PlusDecoder(nn.Module):
    """Class logits from coarse features through ASPP, refined by the low-level ones.

    Chen et al. 2018 (DeepLab-v3+), figure 2: the ASPP output is up-sampled to the low-level features, which
    a 1x1 convolution reduces; both are concatenated and refined by two 3x3 convolutions. Deviation: see
    :class:`ASPP`; plain instead of separable convolutions.

    Upstream exchanges the two roles: the ASPP output, two pixels larger than the coarse
    features, is reduced, and the low-level features are shrunk to it. ``upstream_layout=True`` reproduces
    that, with biases, without ReLU, and with aligned corners, for parity with public checkpoints.

    Args:
        in_channels: channels of the encoder's features, coarse last (``encoder.out_channels``); the first
            and the last are used.
        num_classes: classes.
        aspp_channels: width of the ASPP.
        low_channels: width of the reduced features.
        rates: dilations of the ASPP.
        channels: width of the refinement.
        upstream_layout: the layout of upstream's checkpoints.

    Shape: features [(B, in_channels[0], H / 4, W / 4), ..., (B, in_channels[-1], h, w)], fusion None or of
    the coarse features' shape, to logits (B, num_classes, \\*size); without ``size``, of the low-level
    features' size ((h + 2, w + 2) in the upstream layout).

    Raises:
        ValueError: an encoder with one feature map, sizes below one, or features that do not match.

    >>> decoder = DeepLabV3PlusDecoder([8, 32], 11, aspp_channels=8, low_channels=4, channels=8)
    >>> decoder([torch.randn(2, 8, 10, 6), torch.randn(2, 32, 5, 3)], size=(40, 24)).shape
    torch.Size([2, 11, 40, 24])
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int = 11,
        *,
        aspp_channels: int = 256,
        low_channels: int = 48,
        rates: Sequence[int] = (6, 12, 18),
        channels: int = 256,
        upstream_layout: bool = False,
    ) -> None:
        super().__init__()
        if len(in_channels) < 2:
            raise ValueError(
                f"in_channels must hold low-level features too, got {list(in_channels)}: add them"
            )
        if num_classes < 1:
            raise ValueError(f"num_classes must be >= 1, got {num_classes}: count the classes")
        self.in_channels = list(in_channels)
        self.upstream_layout = upstream_layout
        self.aspp = ASPP(
            in_channels[-1], channels=aspp_channels, rates=rates, upstream_layout=upstream_layout
        )
        reduced, kept = in_channels[0], aspp_channels
        if upstream_layout:
            reduced, kept = kept, reduced
        self.reduce = _unit(reduced, low_channels, 1, upstream_layout)
        self.refine = nn.Sequential(
            _unit(low_channels + kept, channels, 3, upstream_layout),
            _unit(channels, channels, 3, upstream_layout),
        )
        self.classify = nn.Conv2d(channels, num_classes, 1, bias=not upstream_layout)
        initialise(self, "kaiming_fan_out")

    def forward(
        self,
        features: Sequence[Tensor],
        fusion: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        check_channels(features, self.in_channels)
        low, context = features[0], self.aspp(fused(features[-1], fusion))
        logits = self.combine(context, low) if self.upstream_layout else self.combine(low, context)
        return resized(logits, size, align_corners=self.upstream_layout)

    def combine(self, guide: Tensor, other: Tensor) -> Tensor:
        """Logits from two maps: ``guide`` is reduced and sets the size, ``other`` is resized to it."""
        other = resized(other, (guide.shape[-2], guide.shape[-1]), align_corners=self.upstream_layout)
        return self.classify(self.refine(torch.cat([self.reduce(guide), other], dim=1)))


class SeparableDecoder(nn.Module):
    """Class logits from the coarse features alone, by separable convolutions; for light encoders.

    Howard et al. 2017, "MobileNets", section 3.1: depthwise and pointwise convolutions, each with batch
    norm and ReLU. The segmentation head of ClimateGAN's MobileNet variant.

    Args:
        in_channels: channels of the encoder's features, coarse last; only the last are used.
        num_classes: classes.
        channels: width.
        upstream_layout: align the corners of the final resize, for parity with public checkpoints.

    Shape: features [..., (B, in_channels[-1], h, w)], fusion None or of the coarse features' shape, to
    logits (B, num_classes, \\*size), (B, num_classes, h, w) without ``size``. The final resize is bilinear.

    Raises:
        ValueError: sizes below one, or features that do not match ``in_channels``.

    >>> decoder = SeparableDecoder([8, 32], 11, channels=16)
    >>> decoder([torch.randn(2, 8, 10, 6), torch.randn(2, 32, 5, 3)], size=(40, 24)).shape
    torch.Size([2, 11, 40, 24])
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int = 11,
        *,
        channels: int = 256,
        upstream_layout: bool = False,
    ) -> None:
        super().__init__()
        if num_classes < 1 or channels < 1:
            raise ValueError(f"num_classes and channels must be >= 1, got {num_classes} and {channels}")
        self.in_channels = list(in_channels)
        self.upstream_layout = upstream_layout
        self.blocks = nn.Sequential(_separable(in_channels[-1], channels), _separable(channels, channels))
        self.classify = nn.Conv2d(channels, num_classes, 1)
        initialise(self, "kaiming_fan_out")

    def forward(
        self,
        features: Sequence[Tensor],
        fusion: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        check_channels(features, self.in_channels)
        logits = self.classify(self.blocks(fused(features[-1], fusion)))
        return resized(logits, size, align_corners=self.upstream_layout)


def _unit(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    upstream_layout: bool,
    *,
    dilation: int = 1,
    padding: int | None = None,
) -> ConvBlock:
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


def _separable(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
