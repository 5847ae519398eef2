"""Conformance cases of `gancomponents.decoders`."""

from typing import Any

import torch
from torch import nn

from gancomponents import decoders
from tests.case import Case, Elsewhere

_CHANNELS = [8, 12]
_SIZE = (29, 22)


def _features(batch: int) -> tuple[list[torch.Tensor]]:
    return ([torch.randn(batch, 8, 11, 9), torch.randn(batch, 12, 6, 5)],)


def _fused(batch: int) -> tuple[Any, ...]:
    return (*_features(batch), torch.randn(batch, 12, 6, 5))


def _conditioned(batch: int, channels: int = 15) -> tuple[Any, ...]:
    return (*_features(batch), torch.randn(batch, channels, 7, 13))


def _coarse(batch: int) -> tuple[torch.Tensor]:
    return (torch.randn(batch, 12, 6, 5),)


def _fuse(decoder: nn.Module, features: Any, fusion: torch.Tensor) -> Any:
    return decoder(features, fusion=fusion)


def _fuse_sized(decoder: nn.Module, features: Any, fusion: torch.Tensor) -> Any:
    return decoder(features, fusion=fusion, size=_SIZE)


def _depth_alone(decoder: nn.Module, features: Any) -> Any:
    return decoder(features, size=_SIZE)[0]


def _dada(**options: Any) -> decoders.DADADepthDecoder:
    return decoders.DADADepthDecoder(
        _CHANNELS, hidden_channels=8, bottleneck_channels=6, head_channels=4, **options
    )


def _v3plus(**options: Any) -> decoders.DeepLabV3PlusDecoder:
    return decoders.DeepLabV3PlusDecoder(
        _CHANNELS, 5, aspp_channels=6, low_channels=4, channels=6, rates=(1, 2), **options
    )


def _v2(**options: Any) -> decoders.DeepLabV2Decoder:
    return decoders.DeepLabV2Decoder(_CHANNELS, 5, aspp_channels=6, channels=6, rates=(1, 2), **options)


def _spade(**options: Any) -> decoders.SPADEMaskDecoder:
    return decoders.SPADEMaskDecoder(_CHANNELS, channels=8, hidden_channels=4, **options)


CASES: list[Case | Elsewhere] = [
    *(
        Case(
            "decoders.ASPP",
            lambda options=options: decoders.ASPP(12, channels=4, rates=(1, 2), **options),
            _coarse,
            lambda b, border=border: (b, 4, 6 + border, 5 + border),
            label=label,
        )
        for label, options, border in [
            ("plain", {}, 0),
            ("pooling", {"image_pooling": True, "dropout": 0.5}, 0),
            ("upstream", {"upstream_layout": True}, 2),
        ]
    ),
    Case(
        "decoders.ConvDecoder",
        lambda: decoders.ConvDecoder(_CHANNELS, 3, upsamplings=2, residual_blocks=1, proj_channels=4),
        _fused,
        lambda b: (b, 3, 24, 20),
        call=_fuse,
    ),
    Case(
        "decoders.MaskDecoder",
        lambda: decoders.MaskDecoder(_CHANNELS, residual_blocks=1, proj_channels=8),
        _fused,
        lambda b: (b, 1, 48, 40),
        call=_fuse,
    ),
    Case(
        "decoders.DADADepthDecoder",
        _dada,
        _features,
        lambda b: [(b, 1, *_SIZE), (b, 12, 6, 5)],
        call=lambda decoder, features: decoder(features, size=_SIZE),
        label="fusion",
    ),
    Case(
        "decoders.DADADepthDecoder",
        lambda: _dada(fusion=False, upsample=False),
        _features,
        lambda b: (b, 1, *_SIZE),
        call=_depth_alone,
        label="plain",
    ),
    *(
        Case(
            "decoders.DepthDecoder",
            lambda options=options: decoders.DepthDecoder(_CHANNELS, proj_channels=4, **options),
            _features,
            lambda b, channels=channels: (b, channels, *_SIZE),
            call=_depth_alone,
            label=label,
        )
        for label, options, channels in [
            ("map", {}, 1),
            ("buckets", {"buckets": 6, "low_level": True, "upsample": False}, 6),
            ("spectral", {"spectral": True, "norm": None, "bias": False}, 1),
        ]
    ),
    *(
        Case(f"decoders.{name}", make, _fused, lambda b: (b, 5, *_SIZE), call=_fuse_sized, label=label)
        for name, label, make in [
            ("DeepLabV3PlusDecoder", "right", _v3plus),
            ("DeepLabV3PlusDecoder", "pooling", lambda: _v3plus(image_pooling=True)),
            ("DeepLabV3PlusDecoder", "upstream", lambda: _v3plus(upstream_layout=True)),
            ("DeepLabV2Decoder", "plain", _v2),
            ("DeepLabV2Decoder", "doubled", lambda: _v2(upsample=True, upstream_layout=True)),
            ("SeparableDecoder", "", lambda: decoders.SeparableDecoder(_CHANNELS, 5, channels=6)),
        ]
    ),
    Case(
        "decoders.SPADEMaskDecoder",
        lambda: _spade(proj_channels=4, upsamplings=2),
        _conditioned,
        lambda b: (b, 1, 24, 20),
        label="projected",
    ),
    Case(
        "decoders.SPADEMaskDecoder",
        lambda: _spade(proj_channels=None, cond_channels=12, upsamplings=1, activate_output=False),
        lambda b: _conditioned(b, 12),
        lambda b: (b, 1, 12, 10),
        label="unprojected",
    ),
    Case(
        "decoders.SPADEMaskDecoder",
        lambda: _spade(low_level=False, upsamplings=1, bias=True, spectral_blocks=False),
        _conditioned,
        lambda b: (b, 1, 12, 10),
        label="coarse",
    ),
    Case(
        "decoders.mask_condition",
        lambda: decoders.mask_condition,
        lambda b: (torch.randn(b, 1, 6, 5), torch.randn(b, 11, 6, 5), torch.randn(b, 3, 25, 19)),
        lambda b: (b, 15, 6, 5),
    ),
    Case(
        "decoders.encode_bucketed_depth",
        lambda: decoders.encode_bucketed_depth,
        lambda b: (torch.rand(b, 1, 6, 5) + 1,),
        lambda b: (b, 1, 6, 5),
        cannot={"gradients": "buckets are whole numbers"},
    ),
    Case(
        "decoders.decode_bucketed_depth",
        lambda: decoders.decode_bucketed_depth,
        lambda b: (torch.randn(b, 7, 6, 5),),
        lambda b: (b, 1, 6, 5),
        cannot={"gradients": "the most likely bucket is a choice"},
    ),
]
