"""Layers against the reference cases."""

import re
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancomponents.decoders import ConvDecoder
from gancomponents.layers import (
    SPADE,
    AdaptiveInstanceNorm,
    ChannelLayerNorm,
    ConvBlock,
    InstanceNorm,
    PaddingMode,
    ResidualBlock,
    SPADEResidualBlock,
    fuse_batch_norms,
    leaky_relu,
    spectral_norm,
)
from recipes.upstream import keys
from tests.reference import recipe
from tests.reference.cases import Case, Outputs, cases, check_module

NORMS: dict[str, Callable[[int], nn.Module] | None] = {
    "none": None,
    "batch": nn.BatchNorm2d,
    "instance": InstanceNorm,
    "layer": ChannelLayerNorm,
}
ACTIVATIONS: dict[str, Callable[[], nn.Module] | None] = {
    "none": None,
    "relu": nn.ReLU,
    "lrelu": leaky_relu,
    "prelu": nn.PReLU,
    "selu": nn.SELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
PADDING: dict[str, PaddingMode] = {"zero": "zeros", "reflect": "reflect", "replicate": "replicate"}
FREE_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "instance": InstanceNorm,
    "batch": partial(nn.BatchNorm2d, affine=False),
}


def norm_arguments(name: str) -> dict[str, Any]:
    """Upstream's norm option: "spectral", "spectral_<norm>" or "<norm>"; only plain "batch" has no bias."""
    spectral = name.startswith("spectral")
    rest = re.sub("^spectral_?", "", name) or "none"
    return {"norm": NORMS[rest], "spectral": spectral, "bias": name != "batch"}


@pytest.mark.parametrize("case", cases("Conv2dBlock"))
def test_conv_block(case: Case) -> None:
    config = case.config
    arguments = norm_arguments(config["norm"])
    block = ConvBlock(
        config["input_dim"],
        config["output_dim"],
        config["kernel_size"],
        stride=config["stride"],
        padding=config["padding"],
        dilation=config["dilation"],
        activation=ACTIVATIONS[config["activation"]],
        padding_mode=PADDING[config["pad_type"]],
        **{**arguments, "bias": arguments["bias"] and config["bias"]},
    )
    check_module(case, block, keys.slots(block, keys.same), lambda x: {"out": block(x["x"])})


@pytest.mark.parametrize("case", cases("LayerNorm"))
def test_layer_norm(case: Case) -> None:
    norm = ChannelLayerNorm(case.config["num_features"])
    check_module(case, norm, keys.slots(norm, keys.same), lambda x: {"out": norm(x["x"])})


@pytest.mark.parametrize("case", cases("AdaptiveInstanceNorm2d"))
def test_adaptive_instance_norm(case: Case) -> None:
    norm = AdaptiveInstanceNorm(case.config["num_features"])
    # Upstream's has statistics in its state dict that it neither reads nor changes.
    for name in ("running_mean", "running_var"):
        norm.register_buffer(name, torch.zeros(norm.channels))

    def call(x: dict[str, Tensor]) -> Outputs:
        style = (x[name].view(x["x"].shape[:2]) for name in ("weight", "bias"))
        return {"out": norm(x["x"], *style)}

    check_module(case, norm, keys.slots(norm, keys.same), call)


@pytest.mark.parametrize("case", cases("SpectralNorm"))
def test_spectral_norm(case: Case) -> None:
    config = case.config
    conv = nn.Conv2d(config["in"], config["out"], config["k"], padding=config["padding"])
    module = nn.Sequential(spectral_norm(conv))
    check_module(case, module, keys.slots(module, keys.same), lambda x: {"out": module(x["x"])})


@pytest.mark.parametrize("case", cases("ResBlocks"))
def test_residual_blocks(case: Case) -> None:
    config = case.config
    module = nn.Sequential(
        *(
            ResidualBlock(
                config["dim"],
                activation=ACTIVATIONS[config["activation"]],
                padding_mode=PADDING[config["pad_type"]],
                **norm_arguments(config["norm"]),
            )
            for _ in range(config["num_blocks"])
        )
    )
    check_module(case, module, keys.slots(module, keys.residual_blocks), lambda x: {"out": module(x["x"])})


@pytest.mark.parametrize("case", cases("BaseDecoder"))
def test_conv_decoder(case: Case) -> None:
    config = case.config
    low = config["low_level_feats_dim"]
    module = ConvDecoder(
        [low, config["input_dim"]] if low > 0 else [config["input_dim"]],
        config["output_dim"],
        upsamplings=config["n_upsample"],
        residual_blocks=config["n_res"],
        proj_channels=config["proj_dim"] if config["proj_dim"] > 0 else None,
        low_level=low > 0,
        activation=ACTIVATIONS[config["activ"]],
        padding_mode=PADDING[config["pad_type"]],
        output_activation=ACTIVATIONS[config["output_activ"]],
        **norm_arguments(config["norm"]),
    )
    check_module(
        case,
        module,
        keys.slots(module, keys.conv_decoder(config["n_upsample"])),
        lambda x: {
            "out": module(
                [x["z_low"], x["z_high"]] if low > 0 else [x["z_high"]],
                fusion=x["z_depth"] if config["use_dada"] else None,
            )
        },
    )


@pytest.mark.parametrize("case", cases("SPADE"))
def test_spade(case: Case) -> None:
    config = case.config
    layer = SPADE(
        config["norm_nc"],
        config["cond_nc"],
        kernel_size=config["kernel_size"],
        norm=FREE_NORMS[config["param_free_norm"]],
    )
    check_module(case, layer, keys.slots(layer, keys.spade), lambda x: {"out": layer(x["x"], x["cond"])})


@pytest.mark.parametrize("case", cases("SPADEResnetBlock"))
def test_spade_residual_block(case: Case) -> None:
    config = case.config
    block = SPADEResidualBlock(
        config["fin"],
        config["fout"],
        config["cond_nc"],
        kernel_size=config["spade_kernel_size"],
        spectral=config["spade_use_spectral_norm"],
        norm=FREE_NORMS[config["spade_param_free_norm"]],
        activate_output=config["last_activation"] == "lrelu",
    )
    check_module(
        case, block, keys.slots(block, keys.spade_block), lambda x: {"out": block(x["x"], x["cond"])}
    )


@pytest.mark.parametrize("case", cases("bn_fuse"))
def test_fused_batch_norms(case: Case) -> None:
    inputs, shapes = case.inputs(), {name: entry["shape"] for name, entry in case.meta["outputs"].items()}
    (middle, channels, *kernel), (out, _, *last) = shapes["a.weight"], shapes["d.weight"]
    layers = {
        "a": nn.Conv2d(channels, middle, tuple(kernel), padding=kernel[0] // 2, bias=False),
        "b": nn.BatchNorm2d(middle),
        "c": nn.ReLU(),
        "d": nn.Conv2d(middle, out, tuple(last), padding=last[0] // 2, bias=False),
        "e": nn.BatchNorm2d(out),
    }
    module = nn.Sequential(OrderedDict(layers)).double().eval()
    made = case.config
    for key, value in module.state_dict().items():
        entry = recipe.weight(key, tuple(value.shape), made["seed"], gain=made["gain"])
        value.copy_(torch.from_numpy(entry))
    fused = fuse_batch_norms(module, inputs["x"])
    found = {"before": module(inputs["x"]), "after": fused(inputs["x"]), **dict(fused.named_parameters())}
    for name in shapes:
        case.compare(f"output/{name}", found[name], 1e-5)
