"""Depth decoders: DADA, whose features also steer other decoders, and a plain one, also in buckets."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.decoders.conv import ConvDecoder
from gancomponents.decoders.inputs import check_channels, check_size
from gancomponents.layers import ConvBlock, PaddingMode, UpsampleNearest, leaky_relu, resize
from gancomponents.layers.precision import full_precision

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
        ValueError: sizes below one, an unknown ``resize``, features that do not match ``in_channels``, or a
            ``size`` that is no pair of height and width.

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
        #: Whether ``forward`` also returns a map that fuses depth into other decoders.
        self.makes_fusion = fusion
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
        self, features: Sequence[Tensor], *, size: tuple[int, int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        check_channels(features, self.in_channels)
        check_size(size)
        encoded = self.encode(features[-1])
        fusion = None if self.decode is None else self.decode(encoded)
        depth = encoded.mean(dim=1, keepdim=True) if self.head is None else self.head(encoded)
        return self._resized(depth, size), fusion

    def _resized(self, depth: Tensor, size: tuple[int, int] | None) -> Tensor:
        if self.resize != "upstream":
            return resize(depth, size, mode=self.resize)
        if size is None or tuple(size) == tuple(depth.shape[-2:]):
            return depth
        depth = resize(depth, (_UPSTREAM_SIDE, _UPSTREAM_SIDE), mode="bicubic")
        return F.interpolate(depth, size=tuple(size), mode="nearest")


class DepthDecoder(nn.Module):
    """Depth from the coarse features by a residual decoder, as one map or as a choice between buckets.

    Schmidt et al. 2022, "ClimateGAN": the plain alternative to :class:`DADADepthDecoder`, a
    :class:`ConvDecoder` with batch norm, leaky ReLU and reflection.

    Args:
        in_channels: channels of the encoder's features, coarse last.
        buckets: None for one map; otherwise the decoder classifies logarithmic depth into so many buckets
            (:func:`encode_bucketed_depth`, :func:`decode_bucketed_depth`).
        upsample: double the coarse features' size.
        residual_blocks: residual blocks before that.
        proj_channels: width of the 1x1 projection in front, even with ``upsample``, or None for none.
        low_level: also use the finest features.
        norm: factory of the norms, or None.
        activation: factory of the activations.
        padding_mode: "zeros", "reflect" or "replicate".
        bias: as in :class:`~gancomponents.layers.ConvBlock`.
        spectral: normalise every weight but the last spectrally.
        upstream_layout: align the corners of the final resize, for parity with public checkpoints.

    Shape: features [..., (B, in_channels[-1], h, w)] to depth (B, 1, \\*size), raw, in whatever unit the loss
    compares, or logits (B, buckets, \\*size); without ``size``, (2h, 2w), or (h, w) without ``upsample``. Then
    None in the place of :class:`DADADepthDecoder`'s fusion, which this decoder has not.

    Raises:
        ValueError: fewer than two buckets, a ``size`` that is no pair of height and width, or as
            :class:`ConvDecoder`.

    >>> import torch
    >>> decoder = DepthDecoder([8, 32], buckets=16, proj_channels=8)
    >>> logits, fusion = decoder([torch.randn(2, 8, 10, 6), torch.randn(2, 32, 5, 3)], size=(12, 9))
    >>> logits.shape, fusion
    (torch.Size([2, 16, 12, 9]), None)
    """

    #: No map that fuses depth into other decoders.
    makes_fusion = False

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        buckets: int | None = None,
        upsample: bool = True,
        residual_blocks: int = 1,
        proj_channels: int | None = 32,
        low_level: bool = False,
        norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d,
        activation: Callable[[], nn.Module] | None = leaky_relu,
        padding_mode: PaddingMode = "reflect",
        bias: bool | None = None,
        spectral: bool = False,
        upstream_layout: bool = False,
    ) -> None:
        super().__init__()
        if buckets is not None:
            _check_buckets(buckets)
        self.upstream_layout = upstream_layout
        self.decode = ConvDecoder(
            in_channels,
            1 if buckets is None else buckets,
            upsamplings=1 if upsample else 0,
            residual_blocks=residual_blocks,
            proj_channels=proj_channels,
            low_level=low_level,
            norm=norm,
            activation=activation,
            padding_mode=padding_mode,
            bias=bias,
            spectral=spectral,
        )

    def forward(
        self, features: Sequence[Tensor], *, size: tuple[int, int] | None = None
    ) -> tuple[Tensor, None]:
        check_size(size)
        return resize(self.decode(features), size, align_corners=self.upstream_layout), None


def encode_bucketed_depth(
    depth: Tensor, buckets: int = 256, *, lowest: float = 0.35, highest: float = 6.95
) -> Tensor:
    """The bucket of each depth: targets for a depth decoder that classifies.

    Buckets are equal steps of the logarithm of depth between ``lowest`` and ``highest``; the first and last
    hold everything beyond.

    Args:
        depth: depth above zero in metres; zero falls into the first bucket.
        buckets: how many.
        lowest, highest: logarithms of metres; the defaults span 1.4 m to 1043 m.

    Shape: (...) to (...), int64 in [0, buckets).

    Raises:
        ValueError: fewer than two buckets, or an empty range.

    >>> import torch
    >>> encode_bucketed_depth(torch.tensor([0.0, 1.5, 1000.0]))
    tensor([  0,   3, 253])
    """
    _check_buckets(buckets, lowest, highest)
    wide = full_precision(depth)
    edges = torch.linspace(lowest, highest, buckets - 1, dtype=wide.dtype, device=wide.device)
    if wide.device.type == "xla":  # which has no bucketize
        return (wide.log()[..., None] >= edges).sum(-1)
    return torch.bucketize(wide.log(), edges, right=True)


def decode_bucketed_depth(logits: Tensor, *, lowest: float = 0.35, highest: float = 6.95) -> Tensor:
    """Depth in metres of the most likely bucket; inverts :func:`encode_bucketed_depth` to within a bucket.

    Args:
        logits: of the buckets, or anything else whose largest entry is the choice.
        lowest, highest: logarithms of metres, as when encoding.

    Shape: (B, buckets, H, W) to (B, 1, H, W), above zero.

    Raises:
        ValueError: not four dimensions, fewer than two buckets, or an empty range.

    >>> import torch
    >>> round(float(decode_bucketed_depth(torch.eye(256)[128].reshape(1, 256, 1, 1))), 2)
    38.98
    """
    if logits.ndim != 4:
        raise ValueError(
            f"logits must be (B, buckets, H, W), got {tuple(logits.shape)}: add a batch dimension"
        )
    _check_buckets(logits.shape[1], lowest, highest)
    dtype = torch.float64 if logits.dtype is torch.float64 else torch.float32
    values = torch.linspace(lowest, highest, logits.shape[1], dtype=dtype, device=logits.device)
    return values[logits.argmax(dim=1, keepdim=True)].exp()


def _check_buckets(buckets: int, lowest: float = 0.0, highest: float = 1.0) -> None:
    if buckets < 2:
        raise ValueError(f"buckets must be >= 2, got {buckets}: upstream uses 256")
    if not lowest < highest:
        raise ValueError(
            f"highest must be above lowest, got {lowest} and {highest}: give logarithms of metres"
        )
