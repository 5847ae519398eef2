"""Encoders against the reference cases."""

from typing import Any

import pytest
from torch import Tensor, nn

from gancomponents.encoders import DeepLabV2ResNet, DeepLabV3ResNet, MobileNetV2
from recipes.upstream import keys
from tests.reference.cases import Case, Outputs, cases, check_module

#: Batch norm over few values makes a ResNet in training mode ill-conditioned.
DEEP = {"tolerance": 1e-7, "state_tolerance": 1e-4}


def is_v2(config: dict[str, Any]) -> bool:
    return config.get("gen.encoder.architecture") == "deeplabv2"


def is_mobilenet(config: dict[str, Any]) -> bool:
    return not is_v2(config) and config.get("gen.deeplabv3.backbone") == "mobilenet"


def make_encoder(config: dict[str, Any]) -> tuple[nn.Module, keys.Rename]:
    if is_v2(config):
        encoder = DeepLabV2ResNet(
            blocks=config.get("gen.deeplabv2.nblocks", (3, 4, 23, 3)),
            frozen_norms="affine",
            residual_blocks=config.get("gen.encoder.n_res", 0),
            bias=True,
            upstream_layout=True,
        )
        return encoder, keys.v2_resnet
    if is_mobilenet(config):
        return MobileNetV2(dilate_repeats=False), keys.mobilenet
    return DeepLabV3ResNet(output_stride=config.get("gen.deeplabv3.output_stride", 8)), keys.same


def encoder_channels(config: dict[str, Any]) -> list[int]:
    return [24, 320] if is_mobilenet(config) else [256, 2048]


def named_features(features: list[Tensor], config: dict[str, Any], prefix: str, single: str) -> Outputs:
    """Features by upstream's names: a pair, coarse first, or the coarse ones alone of DeepLab-v2."""
    low, high = features
    return {single: high} if is_v2(config) else {f"{prefix}0": high, f"{prefix}1": low}


@pytest.mark.parametrize("case", cases("Encoder"))
def test_encoder(case: Case) -> None:
    encoder, rename = make_encoder(case.config)
    limits = DEEP if case.meta["mode"] == "train" else {}
    check_module(
        case,
        encoder,
        keys.slots(encoder, rename),
        lambda x: named_features(encoder(x["x"]), case.config, "", "out"),
        **limits,
    )
