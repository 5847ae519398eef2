"""Segmentation decoders: DeepLab-v3+ and -v2, and a light one of separable convolutions."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gancomponents.decoders.aspp import ASPP, conv_unit
from gancomponents.decoders.inputs import check_channels, check_low_level, check_size, fused
from gancomponents.layers import UpsampleNearest, initialise, resize
from gancomponents.layers.checks import check_positive

_PUBLISHED = (
    (r"^aspp\.conv_out\.", "aspp.reduce."),
    (r"^aspp\.conv1\.", "aspp.branches.0."),
    (r"^aspp\.conv2\.", "aspp.branches.1."),
    (r"^aspp\.conv3\.", "aspp.branches.2."),
    (r"^aspp\.conv4\.", "aspp.branches.3."),
    (r"^decoder\.conv_low\.", "reduce."),
    (r"^decoder\.conv_cat\.", "refine."),
)


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
        image_pooling: give the ASPP the branch that pools the whole image.
        upstream_layout: the layout of upstream's checkpoints.

    Shape: features [(B, in_channels[0], H / 4, W / 4), ..., (B, in_channels[-1], h, w)], fusion None or of
    the coarse features' shape, to logits (B, num_classes, \\*size); without ``size``, of the low-level
    features' size ((h + 2, w + 2) in the upstream layout).

    Raises:
        ValueError: an encoder with one feature map, sizes below one, features or a fusion that do not match,
            or a ``size`` that is no pair of height and width.

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
        image_pooling: bool = False,
        upstream_layout: bool = False,
    ) -> None:
        super().__init__()
        check_low_level(in_channels, "add them")
        check_positive(num_classes=num_classes, low_channels=low_channels, channels=channels)
        self.in_channels = list(in_channels)
        self.upstream_layout = upstream_layout
        self.aspp = ASPP(
            in_channels[-1],
            channels=aspp_channels,
            rates=rates,
            image_pooling=image_pooling,
            upstream_layout=upstream_layout,
        )
        reduced, kept = in_channels[0], aspp_channels
        if upstream_layout:
            reduced, kept = kept, reduced
        self.reduce = conv_unit(reduced, low_channels, 1, upstream_layout)
        self.refine = nn.Sequential(
            conv_unit(low_channels + kept, channels, 3, upstream_layout),
            conv_unit(channels, channels, 3, upstream_layout),
        )
        self.classify = nn.Conv2d(channels, num_classes, 1, bias=not upstream_layout)
        initialise(self, "kaiming_fan_out")

    #: What a file of a published network does not hold for this decoder, since its classes are others.
    published_without = ("classify.",)

    @staticmethod
    def published_key(key: str) -> str | None:
        """Where a key of a published network (``aspp.`` and ``decoder.``, the upstream layout) belongs here."""
        for theirs, ours in _PUBLISHED:
            key, count = re.subn(theirs, ours, key)
            if count:
                return re.sub(r"\.bn\.", ".norm.", key)
        return None

    def forward(
        self,
        features: Sequence[Tensor],
        *,
        fusion: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        check_channels(features, self.in_channels)
        check_size(size)
        low, context = features[0], self.aspp(fused(features[-1], fusion))
        logits = self.combine(context, low) if self.upstream_layout else self.combine(low, context)
        return resize(logits, size, align_corners=self.upstream_layout)

    def combine(self, guide: Tensor, other: Tensor) -> Tensor:
        """Logits from two maps: ``guide`` is reduced and sets the size, ``other`` is resized to it."""
        other = resize(other, (guide.shape[-2], guide.shape[-1]), align_corners=self.upstream_layout)
        return self.classify(self.refine(torch.cat([self.reduce(guide), other], dim=1)))


class DeepLabV2Decoder(nn.Module):
    """Class logits from the coarse features alone: ASPP with image pooling, and two convolutions.

    The segmentation head of ClimateGAN (Schmidt et al. 2022) on DeepLab-v2 features. Despite that name
    its ASPP is that of Chen et al. 2017, "Rethinking Atrous Convolution" (DeepLab-v3), figure 5, where
    DeepLab-v2 sums the logits of four branches.

    Args:
        in_channels: channels of the encoder's features, coarse last; only the last are used.
        num_classes: classes.
        aspp_channels: width of the ASPP.
        channels: width of the two convolutions.
        rates: dilations of the ASPP; those of the paper's output stride of 16. At 8 it doubles them.
        upsample: double the ASPP output first.
        dropout: probabilities behind the ASPP, the first and the second convolution.
        upstream_layout: align the corners of the final resize, for parity with public checkpoints.

    Shape: features [..., (B, in_channels[-1], h, w)], fusion None or of the coarse features' shape, to
    logits (B, num_classes, \\*size); without ``size``, (B, num_classes, h, w), doubled with ``upsample``. The
    final resize is bilinear.

    Raises:
        ValueError: sizes below one, not three probabilities, features or a fusion that do not match, or a
            ``size`` that is no pair of height and width.

    >>> decoder = DeepLabV2Decoder([8, 32], 11, aspp_channels=8, channels=8)
    >>> decoder([torch.randn(1, 8, 10, 6), torch.randn(1, 32, 5, 3)], size=(40, 24)).shape
    torch.Size([1, 11, 40, 24])
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int = 11,
        *,
        aspp_channels: int = 256,
        channels: int = 256,
        rates: Sequence[int] = (6, 12, 18),
        upsample: bool = False,
        dropout: Sequence[float] = (0.5, 0.5, 0.1),
        upstream_layout: bool = False,
    ) -> None:
        super().__init__()
        check_positive(num_classes=num_classes, channels=channels)
        if len(dropout) != 3:
            raise ValueError(f"dropout must be three probabilities, got {tuple(dropout)}: give 0 for none")
        self.in_channels = list(in_channels)
        self.upstream_layout = upstream_layout
        self.aspp = ASPP(
            in_channels[-1], channels=aspp_channels, rates=rates, image_pooling=True, dropout=dropout[0]
        )
        self.upsample = UpsampleNearest(2) if upsample else nn.Identity()
        self.refine = nn.Sequential(
            conv_unit(aspp_channels, channels, 3),
            nn.Dropout(dropout[1]),
            conv_unit(channels, channels, 3),
            nn.Dropout(dropout[2]),
        )
        self.classify = nn.Conv2d(channels, num_classes, 1)
        initialise(self, "kaiming_fan_out")

    def forward(
        self,
        features: Sequence[Tensor],
        *,
        fusion: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        check_channels(features, self.in_channels)
        check_size(size)
        context = self.aspp(fused(features[-1], fusion))
        logits = self.classify(self.refine(self.upsample(context)))
        return resize(logits, size, align_corners=self.upstream_layout)


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
        ValueError: sizes below one, features or a fusion that do not match, or a ``size`` that is no pair of
            height and width.

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
        check_positive(num_classes=num_classes, channels=channels)
        self.in_channels = list(in_channels)
        self.upstream_layout = upstream_layout
        self.blocks = nn.Sequential(_separable(in_channels[-1], channels), _separable(channels, channels))
        self.classify = nn.Conv2d(channels, num_classes, 1)
        initialise(self, "kaiming_fan_out")

    def forward(
        self,
        features: Sequence[Tensor],
        *,
        fusion: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        check_channels(features, self.in_channels)
        check_size(size)
        logits = self.classify(self.blocks(fused(features[-1], fusion)))
        return resize(logits, size, align_corners=self.upstream_layout)


def _separable(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
