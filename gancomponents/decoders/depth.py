"""The DADA depth decoder, whose features also steer the segmentation decoder."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.decoders.inputs import check_channels, resized
from gancomponents.layers import ConvBlock, UpsampleNearest, leaky_relu

_RESIZES = ("bilinear", "bicubic", "upstream")
_UPSTREAM_SIDE = 384


class DADADepthDecoder(nn.Module):
    """Depth from the coarse features, and a map that fuses depth into other decoders.

    Vu et al. 2019, "DADA: Depth-Aware Domain Adaptation in Semantic Segmentation": a residual
    auxiliary block, encoded to few channels for depth and decoded again for the fusion. Deviation, with
    ClimateGAN (Schmidt et al. 2022): the encoding is doubled and reduced to one channel by a small head.

    Args:
        in_channels: channels of the encoder's features, coarse last; only the last are used.
        hidden_channels: width of the first two blocks.
        bottleneck_channels: width of the third, from which depth and fusion are read.
        head_channels: width of the head.
        fusion: make the fusion map.
        upsample: double, and reduce by the head; off, depth is the mean over the bottleneck channels.
        resize: how to reach ``size``: "bilinear", "bicubic", or "upstream": bicubic to 384x384, then nearest
            (for parity with public checkpoints).

    Shape: features [..., (B, in_channels[-1], h, w)] to depth (B, 1, \\*size), or (B, 1, 2h, 2w) without
    ``size`` ((B, 1, h, w) without ``upsample``), raw, in whatever unit the loss compares (inverse depth in
    ClimateGAN); and fusion (B, in_channels[-1], h, w), to multiply the coarse features with, or None.

    Raises:
        ValueError: sizes below one, an unknown ``resize``, or features that do not match ``in_channels``.

    >>> import torch
    >>> decoder = DADADepthDecoder([8, 32], hidden_channels=16, bottleneck_channels=8, head_channels=4)
    >>> depth, fusion = decoder([torch.randn(2, 8, 10, 6), torch.randn(2, 32, 5, 3)])
    >>> depth.shape, fusion.shape
    (torch.Size([2, 1, 10, 6]), torch.Size([2, 32, 5, 3]))
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        hidden_channels: int = 512,
        bottleneck_channels: int = 128,
        head_channels: int = 32,
        fusion: bool = True,
        upsample: bool = True,
        resize: str = "bilinear",
    ) -> None:
        super().__init__()
        if resize not in _RESIZES:
            raise ValueError(f"resize must be one of {_RESIZES}, got {resize!r}: choose one")
        self.in_channels = list(in_channels)
        self.resize = resize
        coarse = in_channels[-1]

        def block(before: int, after: int, kernel_size: int) -> ConvBlock:
            return ConvBlock(
                before,
                after,
                kernel_size,
                norm=nn.BatchNorm2d,
                activation=leaky_relu,
                padding_mode="reflect",
            )

        self.encode = nn.Sequential(
            block(coarse, hidden_channels, 1),
            block(hidden_channels, hidden_channels, 3),
            block(hidden_channels, bottleneck_channels, 1),
        )
        self.decode = ConvBlock(bottleneck_channels, coarse, 1, activation=leaky_relu) if fusion else None
        self.head: nn.Module | None = None
        if upsample:
            self.head = nn.Sequential(
                UpsampleNearest(2),
                block(bottleneck_channels, head_channels, 3),
                nn.Conv2d(head_channels, 1, 1),
            )

    def forward(
        self, features: Sequence[Tensor], size: tuple[int, int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        check_channels(features, self.in_channels)
        encoded = self.encode(features[-1])
        fusion = None if self.decode is None else self.decode(encoded)
        depth = encoded.mean(dim=1, keepdim=True) if self.head is None else self.head(encoded)
        return self._resized(depth, size), fusion

    def _resized(self, depth: Tensor, size: tuple[int, int] | None) -> Tensor:
        if size is None or tuple(size) == tuple(depth.shape[-2:]):
            return depth
        if self.resize == "bilinear":
            return resized(depth, size)
        if self.resize == "bicubic":
            return F.interpolate(depth, size=tuple(size), mode="bicubic")
        depth = F.interpolate(depth, size=(_UPSTREAM_SIDE, _UPSTREAM_SIDE), mode="bicubic")
        return F.interpolate(depth, size=tuple(size), mode="nearest")
