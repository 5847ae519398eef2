"""Encoders, decoders, painter and discriminators against the reference cases."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancomponents.decoders import ASPP, DADADepthDecoder, DeepLabV3PlusDecoder, MaskDecoder, SeparableDecoder
from gancomponents.discriminators import EntropyDiscriminator, MultiScalePatchDiscriminator
from gancomponents.encoders import DeepLabV3ResNet, MobileNetV2
from gancomponents.generators import SPADEPainter, paste
from gancomponents.layers import InstanceNorm
from tests.reference import keys
from tests.reference.cases import Case, Outputs, cases, check_module
from tests.reference.test_blocks import FREE_NORMS

#: Batch norm over few values makes a ResNet in training mode ill-conditioned.
DEEP = {"tolerance": 1e-7, "state_tolerance": 1e-4}


def is_v3(case: Case) -> bool:
    """Whether the case uses DeepLab-v3 parts and none that this package has not got yet."""
    config = case.config
    later = ("gen.encoder.architecture", "gen.s.architecture", "gen.m.use_spade")
    return not any(config.get(key) for key in later)


def is_mobilenet(config: dict[str, Any]) -> bool:
    return config.get("gen.deeplabv3.backbone") == "mobilenet"


def make_encoder(config: dict[str, Any]) -> tuple[nn.Module, keys.Rename]:
    if is_mobilenet(config):
        return MobileNetV2(), keys.mobilenet
    return DeepLabV3ResNet(output_stride=config.get("gen.deeplabv3.output_stride", 8)), keys.same


def encoder_channels(config: dict[str, Any]) -> list[int]:
    return [24, 320] if is_mobilenet(config) else [256, 2048]


def make_depth_decoder(config: dict[str, Any]) -> DADADepthDecoder:
    return DADADepthDecoder(
        encoder_channels(config),
        fusion=config.get("gen.s.use_dada", True) or config.get("gen.m.use_dada", False),
        upsample=config.get("gen.d.upsample_featuremaps", True),
        resize="upstream",
    )


def make_segmentation_decoder(config: dict[str, Any]) -> tuple[nn.Module, keys.Rename]:
    channels = encoder_channels(config)
    if is_mobilenet(config):
        return SeparableDecoder(channels, upstream_layout=True), keys.separable_decoder
    return DeepLabV3PlusDecoder(channels, upstream_layout=True), keys.v3plus_decoder


def make_mask_decoder(config: dict[str, Any]) -> MaskDecoder:
    return MaskDecoder(encoder_channels(config), low_level=config.get("gen.m.use_low_level_feats", True))


def make_painter(config: dict[str, Any]) -> SPADEPainter:
    return SPADEPainter(
        config["latent_dim"],
        upsamplings=config["spade_n_up"],
        spectral=config.get("spade_use_spectral_norm", True),
        norm=FREE_NORMS[config.get("spade_param_free_norm", "instance")],
        final_shortcut=config.get("use_final_shortcut", False),
    )


def prefixed(parts: dict[str, tuple[nn.Module, keys.Rename, str]]) -> tuple[nn.ModuleDict, keys.Slots]:
    """Several networks as one module, with the slots of each under its upstream prefix."""
    module = nn.ModuleDict({name: part for name, (part, _, _) in parts.items()})
    found: keys.Slots = {}
    for name, (part, rename, prefix) in parts.items():
        for key, slot in keys.slots(part, rename).items():
            found[f"{prefix}.{key}"] = keys.Slot(f"{name}.{slot.key}", slot.half)
    return module, found


def features(x: dict[str, Tensor], config: dict[str, Any]) -> list[Tensor]:
    """The encoder's features of a decoder case; a decoder without use for the low ones gets none recorded."""
    high = x["z_high"]
    low = x.get("z_low")
    return [high.new_zeros(high.shape[0], encoder_channels(config)[0], 1, 1) if low is None else low, high]


@pytest.mark.parametrize("case", cases("Encoder", where=is_v3))
def test_encoder(case: Case) -> None:
    encoder, rename = make_encoder(case.config)

    def call(x: dict[str, Tensor]) -> Outputs:
        low, high = encoder(x["x"])
        return {"0": high, "1": low}

    limits = DEEP if case.meta["mode"] == "train" else {}
    check_module(case, encoder, keys.slots(encoder, rename), call, **limits)


@pytest.mark.parametrize("case", cases("DADADepthDecoder"))
def test_depth_decoder(case: Case) -> None:
    decoder = make_depth_decoder(case.config)
    side = case.config["target_size"]

    def call(x: dict[str, Tensor]) -> Outputs:
        depth, fusion = decoder(features(x, case.config), (side, side))
        return {"0": depth} if fusion is None else {"0": depth, "1": fusion}

    check_module(case, decoder, keys.slots(decoder, keys.dada_decoder), call)


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


@pytest.mark.parametrize("case", cases("SegmentationDecoder", where=is_v3))
def test_segmentation_decoder(case: Case) -> None:
    decoder, rename = make_segmentation_decoder(case.config)
    side = case.config["target_size"]
    check_module(
        case,
        decoder,
        keys.slots(decoder, rename),
        lambda x: {"out": decoder(features(x, case.config), x.get("z_depth"), (side, side))},
    )


@pytest.mark.parametrize("case", cases("MaskBaseDecoder"))
def test_mask_decoder(case: Case) -> None:
    decoder = make_mask_decoder(case.config)
    check_module(
        case,
        decoder,
        keys.slots(decoder, keys.conv_decoder(3)),
        lambda x: {"out": decoder(features(x, case.config), x.get("z_depth"))},
    )


@pytest.mark.parametrize("case", cases("Generator", where=is_v3))
def test_masker(case: Case) -> None:
    config = case.config
    encoder, encoder_keys = make_encoder(config)
    segmentation, segmentation_keys = make_segmentation_decoder(config)
    depth, mask = make_depth_decoder(config), make_mask_decoder(config)
    module, slots = prefixed(
        {
            "encoder": (encoder, encoder_keys, "encoder"),
            "d": (depth, keys.dada_decoder, "decoders.d"),
            "s": (segmentation, segmentation_keys, "decoders.s"),
            "m": (mask, keys.conv_decoder(3), "decoders.m"),
        }
    )
    size = (config["target_size_ds"],) * 2

    def call(x: dict[str, Tensor]) -> Outputs:
        low, high = encoder(x["x"])
        d, fusion = depth([low, high], size)
        s = segmentation([low, high], fusion, size)
        m = mask([low, high], fusion if config.get("gen.m.use_dada") else None)
        smallest, largest = d.amin((1, 2, 3), True), d.amax((1, 2, 3), True)
        small = nn.functional.interpolate(x["x"], size=size, mode="bilinear", align_corners=True)
        cond = torch.cat([(d - smallest) / (largest - smallest), s.softmax(1), small], 1)
        named = {"z.0": high, "z.1": low, "d": d, "s": s, "cond": cond, "m_logits": m, "m": m.sigmoid()}
        return named if fusion is None else {**named, "z_depth": fusion}

    check_module(case, module, slots, call, **(DEEP if case.meta["mode"] == "train" else {}))


@pytest.mark.parametrize("case", cases("Painter"))
def test_painter(case: Case) -> None:
    painter = make_painter(case.config)
    check_module(case, painter, keys.slots(painter, keys.painter), lambda x: {"out": painter(x["cond"])})


@pytest.mark.parametrize("case", cases("Generator.paint"))
def test_paint(case: Case) -> None:
    module, slots = prefixed({"painter": (make_painter(case.config), keys.painter, "painter")})

    def call(x: dict[str, Tensor]) -> Outputs:
        fake = module["painter"](x["x"] * (1 - x["m"]))
        pasted = case.config["paste_original_content"] and not case.config["no_paste"]
        return {"out": paste(fake, x["x"], x["m"]) if pasted else fake}

    check_module(case, module, slots, call)


@pytest.mark.parametrize("case", cases("MultiscaleDiscriminator"))
def test_patch_discriminator(case: Case) -> None:
    config = case.config
    instance = config["norm"] == "instance"
    critic = MultiScalePatchDiscriminator(
        config["input_nc"],
        scales=config["num_D"],
        width=config["ndf"],
        layers=config["n_layers"],
        norm=InstanceNorm if instance else nn.BatchNorm2d,
        sigmoid=config["use_sigmoid"],
        bias=instance,
    )

    def call(x: dict[str, Tensor]) -> Outputs:
        results = critic(x["x"])
        if not config["get_intermediate_features"]:
            results = [scale[-1:] for scale in results]
        return {f"{i}.{k}": feature for i, scale in enumerate(results) for k, feature in enumerate(scale)}

    check_module(case, critic, keys.slots(critic, keys.patch_discriminator), call)


@pytest.mark.parametrize("case", cases("AdventDiscriminator"))
def test_entropy_discriminator(case: Case) -> None:
    config = case.config
    critic = EntropyDiscriminator(config["num_classes"], width=config["ndf"], spectral=config["use_norm"])
    check_module(
        case, critic, keys.slots(critic, keys.entropy_discriminator), lambda x: {"out": critic(x["x"])}
    )
