"""Decoders against the reference cases."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancomponents.decoders import (
    ASPP,
    DADADepthDecoder,
    DeepLabV2Decoder,
    DeepLabV3PlusDecoder,
    DepthDecoder,
    MaskDecoder,
    SeparableDecoder,
    SPADEMaskDecoder,
    decode_bucketed_depth,
    encode_bucketed_depth,
    mask_condition,
)
from gancomponents.layers import InstanceNorm
from gancomponents.layers.norms import min_max
from recipes.upstream import keys
from tests.reference.cases import Case, Outputs, cases, check_module
from tests.reference.test_blocks import FREE_NORMS
from tests.reference.test_encoders import encoder_channels, is_mobilenet, is_v2

NORMS: dict[str, Callable[[int], nn.Module] | None] = {
    "batch": nn.BatchNorm2d,
    "instance": InstanceNorm,
    "spectral": None,
    "none": None,
}


def make_dada_decoder(config: dict[str, Any]) -> DADADepthDecoder:
    return DADADepthDecoder(
        encoder_channels(config),
        fusion=config.get("gen.s.use_dada", True) or config.get("gen.m.use_dada", False),
        upsample=config.get("gen.d.upsample_featuremaps", True),
        resize="upstream",
    )


def make_depth_decoder(config: dict[str, Any]) -> tuple[DepthDecoder, keys.Rename]:
    upsample = config.get("gen.d.upsample_featuremaps", True)
    buckets = config.get("gen.d.classify.linspace.buckets", 256)
    proj_channels = config.get("gen.d.proj_dim", 32)
    decoder = DepthDecoder(
        encoder_channels(config),
        buckets=buckets if config.get("gen.d.classify.enable") else None,
        upsample=upsample,
        residual_blocks=config.get("gen.d.n_res", 1),
        proj_channels=None if proj_channels == -1 else proj_channels,
        low_level=config.get("gen.d.use_low_level_feats", False),
        norm=NORMS[config.get("gen.d.norm", "batch")],
        upstream_layout=True,
    )
    return decoder, keys.plain_depth_decoder(int(upsample))


def make_segmentation_decoder(config: dict[str, Any]) -> tuple[nn.Module, keys.Rename]:
    channels = encoder_channels(config)
    if config.get("gen.s.architecture") == "deeplabv2":
        upsample = config.get("gen.s.upsample_featuremaps", False)
        return DeepLabV2Decoder(channels, upsample=upsample, upstream_layout=True), keys.v2_decoder(upsample)
    if is_mobilenet(config):
        return SeparableDecoder(channels, upstream_layout=True), keys.separable_decoder
    return DeepLabV3PlusDecoder(channels, upstream_layout=True), keys.v3plus_decoder


def make_mask_decoder(config: dict[str, Any]) -> tuple[MaskDecoder, keys.Rename]:
    proj_channels = config.get("gen.m.proj_dim", 64)
    decoder = MaskDecoder(
        encoder_channels(config),
        residual_blocks=config.get("gen.m.n_res", 3),
        proj_channels=None if proj_channels == -1 else proj_channels,
        low_level=config.get("gen.m.use_low_level_feats", True) and not is_v2(config),
    )
    return decoder, keys.conv_decoder(3)


def make_spade_mask_decoder(config: dict[str, Any]) -> tuple[SPADEMaskDecoder, keys.Rename]:
    projects = config.get("gen.m.use_proj", True) and not is_mobilenet(config)
    decoder = SPADEMaskDecoder(
        encoder_channels(config),
        cond_channels=config.get("gen.m.spade.cond_nc", 15),
        channels=config.get("gen.m.spade.latent_dim", 128),
        upsamplings=config.get("gen.m.spade.num_layers", 3),
        low_level=not is_v2(config),
        proj_channels=config.get("gen.m.proj_dim", 64) if projects else None,
        norm=FREE_NORMS[config.get("gen.m.spade.spade_param_free_norm", "batch")],
        bias=True,
        activate_output=config.get("gen.m.spade.activations.all_lrelu", True),
    )
    return decoder, keys.single_spade_mask_decoder if is_v2(config) else keys.spade_mask_decoder


def features(x: dict[str, Tensor], config: dict[str, Any]) -> list[Tensor]:
    """The encoder's features of a decoder case; a decoder without use for the low ones gets none recorded."""
    high = x["z_high"]
    low = x.get("z_low")
    return [high.new_zeros(high.shape[0], encoder_channels(config)[0], 1, 1) if low is None else low, high]


@pytest.mark.parametrize("case", cases("DADADepthDecoder"))
def test_dada_depth_decoder(case: Case) -> None:
    decoder = make_dada_decoder(case.config)
    side = case.config["target_size"]

    def call(x: dict[str, Tensor]) -> Outputs:
        depth, fusion = decoder(features(x, case.config), size=(side, side))
        return {"0": depth} if fusion is None else {"0": depth, "1": fusion}

    check_module(case, decoder, keys.slots(decoder, keys.dada_decoder), call)


@pytest.mark.parametrize("case", cases("BaseDepthDecoder"))
def test_depth_decoder(case: Case) -> None:
    decoder, rename = make_depth_decoder(case.config)
    side = case.config["target_size"]
    check_module(
        case,
        decoder,
        keys.slots(decoder, rename),
        lambda x: {"out": decoder(features(x, case.config), size=(side, side))[0]},
    )


@pytest.mark.parametrize("case", cases("decode_bucketed_depth"))
def test_bucketed_depth(case: Case) -> None:
    inputs, config = case.inputs(torch.float32), case.config
    limits = {"lowest": config["min"], "highest": config["max"]}
    case.compare("output/depth", decode_bucketed_depth(inputs["logits"], **limits), 1e-6)
    depth = inputs["logd"].double().exp()
    case.compare("output/bucket", encode_bucketed_depth(depth, config["buckets"], **limits), 0.0)


@pytest.mark.parametrize("case", cases("ASPPv3Plus"))
def test_aspp(case: Case) -> None:
    aspp = ASPP(case.config["in"], upstream_layout=True)
    check_module(case, aspp, keys.slots(aspp, keys.aspp), lambda x: {"out": aspp(x["x"])})


@pytest.mark.parametrize("case", cases("V3PlusDecoder"))
def test_v3plus_head(case: Case) -> None:
    classes = case.meta["outputs"]["out"]["shape"][1]
    decoder = DeepLabV3PlusDecoder([256, 8], classes, upstream_layout=True)
    del decoder.aspp  # the case holds the head alone
    check_module(
        case,
        decoder,
        keys.slots(decoder, keys.v3plus_head),
        lambda x: {"out": decoder.combine(x["feat_low"], x["feat_aspp"])},
    )


@pytest.mark.parametrize("case", cases("SegmentationDecoder"))
def test_segmentation_decoder(case: Case) -> None:
    decoder, rename = make_segmentation_decoder(case.config)
    side = case.config["target_size"]
    check_module(
        case,
        decoder,
        keys.slots(decoder, rename),
        lambda x: {"out": decoder(features(x, case.config), fusion=x.get("z_depth"), size=(side, side))},
    )


@pytest.mark.parametrize("case", cases("MaskBaseDecoder"))
def test_mask_decoder(case: Case) -> None:
    decoder, rename = make_mask_decoder(case.config)
    check_module(
        case,
        decoder,
        keys.slots(decoder, rename),
        lambda x: {"out": decoder(features(x, case.config), fusion=x.get("z_depth"))},
    )


@pytest.mark.parametrize("case", cases("MaskSpadeDecoder"))
def test_spade_mask_decoder(case: Case) -> None:
    decoder, rename = make_spade_mask_decoder(case.config)
    check_module(
        case,
        decoder,
        keys.slots(decoder, rename),
        lambda x: {"out": decoder(features(x, case.config), x["cond"])},
    )


@pytest.mark.parametrize("case", cases("make_m_cond"))
def test_mask_condition(case: Case) -> None:
    inputs = {name: value.requires_grad_() for name, value in case.inputs().items()}
    image = inputs["x"] if case.config["cond_nc"] > 12 else None
    cond = mask_condition(inputs["d"], inputs["s_"], image)
    case.compare("output64/cond", cond, 1e-9)
    cond.sum().backward()
    for name, value in inputs.items():
        if f"grad64_input/{name}" in case.tensors:
            gradient = torch.zeros_like(value) if value.grad is None else value.grad
            case.compare(f"grad64_input/{name}", gradient, 1e-9)


@pytest.mark.parametrize("case", cases("normalize"))
def test_min_max(case: Case) -> None:
    t = case.inputs()["t"]
    found = {
        "unit": min_max(t),
        "r31": min_max(t, 0.3, 1.0),
        "chw": min_max(t[:1])[0],  # upstream takes three dimensions for one image
        "tensor_global": min_max(t[None])[0],
    }
    for name in case.meta["outputs"]:
        case.compare(f"output64/{name}", found[name], 1e-9)
