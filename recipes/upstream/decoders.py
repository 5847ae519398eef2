"""Which decoders a state dict has, read from its keys and shapes."""

from typing import Any

from gancomponents.errors import InputError
from recipes.upstream.entries import Entries
from recipes.upstream.parts import Part
from recipes.upstream.settings import Settings

_ACTIVATIONS = {
    "relu": "nn.ReLU",
    "selu": "nn.SELU",
    "tanh": "nn.Tanh",
    "sigmoid": "nn.Sigmoid",
    "prelu": "nn.PReLU",
}


def free_norm(batch: bool) -> Part:
    """SPADE's norm without scale and shift: of the batch, or of the instance."""
    if batch:
        return Part("nn.BatchNorm2d", {"affine": False}, built=False)
    return Part("layers.InstanceNorm", built=False)


def depth(entries: Entries, settings: Settings) -> Part:
    """The depth decoder: DADA's, or the plain one."""
    if "enc4_1.conv.weight" not in entries:
        upsamplings, plain = _plain(entries, settings, "depth")
        out_channels = plain.pop("out_channels")
        buckets = None if out_channels == 1 else out_channels
        arguments = {"buckets": buckets, "upsample": bool(upsamplings), **plain, "upstream_layout": True}
        return Part("decoders.DepthDecoder", arguments, built=False)
    arguments = {
        "hidden_channels": entries.conv("enc4_1.conv")[0],
        "bottleneck_channels": entries.conv("enc4_3.conv")[0],
        "fusion": entries.has("dec4"),
        "upsample": entries.has("upsample"),
    }
    if entries.has("upsample"):
        arguments["head_channels"] = entries.conv("upsample.1.conv")[0]
    arguments["resize"] = settings.take("depth_resize")
    return Part("decoders.DADADepthDecoder", arguments, built=False)


def segmentation(entries: Entries) -> Part:
    """The segmentation decoder: of DeepLab-v2, of MobileNet, or of DeepLab-v3+."""
    if entries.has("aspp.aspp1"):
        first = int("conv.0.weight" not in entries)  # a doubling without entries comes first
        arguments = {
            "num_classes": entries.conv(f"conv.{first + 8}")[0],
            "aspp_channels": entries.conv("aspp.conv1")[0],
            "channels": entries.conv(f"conv.{first}")[0],
            "upsample": bool(first),
        }
        name = "DeepLabV2Decoder"
    elif entries.has("head.block"):
        arguments = {
            "num_classes": entries.conv("head.block.2")[0],
            "channels": entries.conv("head.block.0.block.pointwise")[0],
        }
        name = "SeparableDecoder"
    else:
        arguments = {
            "num_classes": entries.conv("decoder.conv_out")[0],
            "aspp_channels": entries.conv("aspp.conv_out.conv")[0],
            "low_channels": entries.conv("decoder.conv_low.conv")[0],
            "channels": entries.conv("decoder.conv_cat.0.conv")[0],
        }
        name = "DeepLabV3PlusDecoder"
    return Part(f"decoders.{name}", {**arguments, "upstream_layout": True}, built=False)


def mask(entries: Entries, settings: Settings) -> Part:
    """The mask decoder: steered by a condition (SPADE), or the plain one."""
    if not entries.has("mask_conv"):
        upsamplings, plain = _plain(entries, settings, "mask")
        return Part("decoders.MaskDecoder", {"upsamplings": upsamplings, **plain}, built=False)
    low_level = entries.has("low_level_conv")
    hidden, cond_channels, _, _ = entries.conv("spade_blocks.0.norm_0.mlp_shared.0")
    arguments = {
        "cond_channels": cond_channels,
        "channels": entries.conv("merge_feats_conv.conv" if low_level else "fc_conv.conv")[0],
        "upsamplings": entries.count("spade_blocks"),
        "low_level": low_level,
        "proj_channels": _width(entries, "high_level_conv.conv"),
        "hidden_channels": hidden,
        "norm": free_norm("spade_blocks.0.norm_0.param_free_norm.running_mean" in entries),
        "spectral": entries.is_spectral("mask_conv.conv"),
        "spectral_blocks": entries.is_spectral("spade_blocks.0.conv_0"),
        "bias": True,
        "activate_output": settings.take("activate_output"),
    }
    return Part("decoders.SPADEMaskDecoder", arguments, built=False)


def check_condition(mask: Part, segmentation: Part | None) -> None:
    """The mask's condition is depth and classes, and the image where three more channels are left.

    Raises:
        InputError: when it is something else.
    """
    classes = 0 if segmentation is None else segmentation.arguments["num_classes"]
    found = mask.arguments["cond_channels"]
    if segmentation is None or found not in (1 + classes, 4 + classes):
        fix = "check that depth, segmentation and mask decoder are of one model"
        raise InputError(
            "decoders.m",
            expected=f"a condition of {1 + classes} or {4 + classes} channels (depth, classes, image)",
            got=f"{found}" if segmentation is not None else f"{found}, and no segmentation decoder",
            fix=fix,
        )


def _plain(entries: Entries, settings: Settings, task: str) -> tuple[int, dict[str, Any]]:
    """Doublings and arguments of a decoder of residual blocks, then doublings."""
    numbers = entries.numbers("model")
    last = max(numbers, default=1)  # residual blocks are 0, then doubling and block in turn, then the last
    upsamplings = (last - 1) // 2
    blocks = entries.count("model.0.model")
    probes = ["proj_conv", "low_level_conv", "model.0.model.0.model.0", "model.2"]
    probe = next((path for path in probes[: 4 if upsamplings else 3] if entries.has(path)), None)
    arguments: dict[str, Any] = {
        "residual_blocks": blocks,
        "proj_channels": _width(entries, "proj_conv.conv"),
        "low_level": entries.has("low_level_conv"),
        **_style(entries, settings, task, probe),
    }
    if task == "depth":
        arguments["out_channels"] = entries.conv(f"model.{last}.conv")[0]
    else:
        entries.conv(f"model.{last}.conv")  # or there is no such decoder
    return upsamplings, arguments


def _style(entries: Entries, settings: Settings, task: str, probe: str | None) -> dict[str, Any]:
    """Norm, activation, padding and bias of a plain decoder's blocks, seen at one of them."""
    spectral = probe is not None and entries.is_spectral(f"{probe}.conv")
    norm: Part | None = None
    if f"{probe}.norm.running_mean" in entries:
        norm = Part("nn.BatchNorm2d", built=False)
    elif f"{probe}.norm.gamma" in entries:
        norm = Part("layers.ChannelLayerNorm", built=False)
    elif settings.take(f"{task}_norm") == "instance":
        norm = Part("layers.InstanceNorm", built=False)
    activation = "prelu"
    if f"{probe}.activation.weight" not in entries:
        activation = settings.take(f"{task}_activation")
    bias = f"{probe}.conv.bias" in entries or f"{probe}.conv.module.bias" in entries
    style: dict[str, Any] = {"spectral": spectral, "norm": norm, "bias": bias}
    if activation == "none":
        style["activation"] = None
    elif activation != "leaky_relu":  # the default, a function: a recipe can bind classes only
        style["activation"] = Part(_ACTIVATIONS[activation], built=False)
    return {**style, "padding_mode": settings.take(f"{task}_padding")}


def _width(entries: Entries, path: str) -> int | None:
    return entries.conv(path)[0] if entries.has(path) else None
