"""Conformance cases of `gancomponents.encoders`."""

import torch

from gancomponents import encoders
from tests.case import Case, Elsewhere


def _x(batch: int) -> tuple[torch.Tensor]:
    return (torch.randn(batch, 3, 33, 38),)


def _small(batch: int) -> tuple[torch.Tensor]:
    return (torch.randn(batch, 8, 5, 6),)


def _resnet(**options: object) -> encoders.DeepLabV3ResNet:
    return encoders.DeepLabV3ResNet(width=4, blocks=(1, 1, 1, 2), multi_grid=(1, 2), **options)  # type: ignore[arg-type]


def _v2(**options: object) -> encoders.DeepLabV2ResNet:
    return encoders.DeepLabV2ResNet(width=4, blocks=(1, 1, 1, 1), **options)  # type: ignore[arg-type]


CASES: list[Case | Elsewhere] = [
    Case("encoders.Bottleneck", lambda: encoders.Bottleneck(8, 2), _small, lambda b: (b, 8, 5, 6)),
    Case(
        "encoders.Bottleneck",
        lambda: encoders.Bottleneck(8, 3, stride=2, dilation=2, stride_first=True),
        _small,
        lambda b: (b, 12, 3, 3),
        label="strided",
    ),
    Case(
        "encoders.InvertedResidual", lambda: encoders.InvertedResidual(8, 8), _small, lambda b: (b, 8, 5, 6)
    ),
    Case(
        "encoders.InvertedResidual",
        lambda: encoders.InvertedResidual(8, 4, stride=2, expansion=1),
        _small,
        lambda b: (b, 4, 3, 3),
        label="strided",
    ),
    Case("encoders.DeepLabV3ResNet", _resnet, _x, lambda b: [(b, 16, 9, 10), (b, 128, 5, 5)]),
    Case(
        "encoders.DeepLabV3ResNet",
        lambda: _resnet(output_stride=16),
        _x,
        lambda b: [(b, 16, 9, 10), (b, 128, 3, 3)],
        label="16",
    ),
    *(
        Case(
            "encoders.DeepLabV2ResNet",
            lambda norms=norms, blocks=blocks: _v2(frozen_norms=norms, residual_blocks=blocks),
            _x,
            lambda b: [(b, 16, 9, 10), (b, 128, 5, 5)],
            label=norms,
        )
        for norms, blocks in [("all", 0), ("affine", 1), ("none", 0)]
    ),
    Case(
        "encoders.MobileNetV2",
        lambda: encoders.MobileNetV2(width_multiplier=0.25),
        _x,
        lambda b: [(b, 8, 9, 10), (b, 80, 5, 5)],
    ),
    *(
        Case(
            "encoders.PretrainedEncoder",
            lambda name=name, stride=stride: encoders.PretrainedEncoder(name, output_stride=stride),
            lambda b: (torch.randn(b, 3, 65, 78),),
            lambda b, channels=channels, coarse=coarse: [
                (b, c, *size) for c, size in zip(channels, [(17, 20), (9, 10), (5, 5), coarse], strict=True)
            ],
            label=name,
        )
        for name, stride, channels, coarse in [
            ("tu-test_resnet", 16, (32, 48, 192, 96), (5, 5)),
            ("tu-test_convnext", 32, (24, 32, 48, 64), (3, 3)),
        ]
    ),
    Case(
        "encoders.PretrainedEncoder",
        lambda: encoders.PretrainedEncoder(
            "tu-swin_tiny_patch4_window7_224",
            options={"depths": (1, 2), "num_heads": (1, 1), "embed_dim": 4, "strict_img_size": False},
            depth=3,
        ),
        lambda b: (torch.randn(b, 3, 65, 78),),
        lambda b: [(b, 4, 17, 20), (b, 8, 9, 10)],
        label="windows",
    ),
    Case("encoders.FrozenBatchNorm", lambda: encoders.FrozenBatchNorm(8), _small, lambda b: (b, 8, 5, 6)),
    Case(
        "encoders.freeze",
        lambda: encoders.freeze(_resnet()),
        _x,
        lambda b: [(b, 16, 9, 10), (b, 128, 5, 5)],
    ),
    Elsewhere("encoders.Encoder", "tests/encoders/test_protocol.py"),
    Elsewhere("encoders.load_weights", "tests/encoders/test_weights.py"),
]
