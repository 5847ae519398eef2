"""Where each entry of an upstream state dict lives in our modules.

Each network has a function from one of our module paths to upstream's; :func:`slots` applies it to a whole
module and adds what is the same everywhere: the spectral-norm triplet, the layer norm's names, and SPADE's
gamma and beta, which are two convolutions upstream and one here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from gancomponents.layers import ChannelLayerNorm, spectral_norms

Rename = Callable[[str], str]


@dataclass(frozen=True)
class Slot:
    """An entry of our state dict, or one half of it along the first dimension."""

    key: str
    half: int | None = None

    def __str__(self) -> str:
        return self.key if self.half is None else f"{self.key} ({('first', 'second')[self.half]} half)"

    def read(self, state: Mapping[str, Tensor]) -> Tensor:
        """The entry, as a view."""
        value = state[self.key]
        return value if self.half is None else value.chunk(2)[self.half]


Slots = dict[str, Slot]

_SPECTRAL = {
    "parametrizations.weight.original": "weight_bar",
    "parametrizations.weight.0._u": "weight_u",
    "parametrizations.weight.0._v": "weight_v",
    "bias": "bias",
}


def slots(module: nn.Module, rename: Rename) -> Slots:
    """Upstream key to our entry, for every entry of ``module``'s state dict."""
    normalised = {layer for layer, _ in spectral_norms(module)}
    found: Slots = {}
    for path, layer in module.named_modules():
        prefix = f"{path}." if path else ""
        if layer in normalised:
            for ours, theirs in _SPECTRAL.items():
                if ours != "bias" or layer.bias is not None:
                    found[f"{rename(path)}.module.{theirs}"] = Slot(prefix + ours)
            continue
        if "parametrizations" in path:
            continue
        entries = [*layer._parameters.items(), *layer._buffers.items()]
        for leaf in [name for name, value in entries if value is not None]:
            if path.endswith("gamma_beta"):
                before = rename(path).removesuffix("gamma_beta")
                found[f"{before}mlp_gamma.{leaf}"] = Slot(prefix + leaf, 0)
                found[f"{before}mlp_beta.{leaf}"] = Slot(prefix + leaf, 1)
                continue
            theirs = (
                {"weight": "gamma", "bias": "beta"}[leaf] if isinstance(layer, ChannelLayerNorm) else leaf
            )
            found[f"{rename(path)}.{theirs}".lstrip(".")] = Slot(prefix + leaf)
    return found


def prefixed(parts: Mapping[str, tuple[nn.Module, Rename, str]]) -> tuple[nn.ModuleDict, Slots]:
    """Several networks as one module, with the slots of each under its upstream prefix."""
    module = nn.ModuleDict({name: part for name, (part, _, _) in parts.items()})
    found: Slots = {}
    for name, (part, rename, prefix) in parts.items():
        for key, slot in slots(part, rename).items():
            found[f"{prefix}.{key}"] = Slot(f"{name}.{slot.key}", slot.half)
    return module, found


Rule = tuple[str, str | Callable[[re.Match[str]], str]]


def _substitutions(*rules: Rule) -> Rename:
    def rename(path: str) -> str:
        for pattern, replacement in rules:
            path = re.sub(pattern, replacement, path)
        return path

    return rename


same: Rename = _substitutions()
residual_blocks: Rename = _substitutions(
    (r"^(\d+)\.block([12])", lambda m: f"model.{m[1]}.model.{int(m[2]) - 1}")
)
spade: Rename = _substitutions((r"(^|\.)shared$", r"\1mlp_shared.0"), (r"(^|\.)norm$", r"\1param_free_norm"))


def spade_block(path: str) -> str:
    return spade(path.replace("_shortcut", "_s"))


def painter(path: str) -> str:
    path = re.sub(r"^blocks\.(\d+)", lambda m: _PAINTER_BLOCKS.get(m[1], f"up_spades.{int(m[1]) - 3}"), path)
    for ours, theirs in _PAINTER.items():
        path = re.sub(rf"^{ours}(?=\.|$)", theirs, path)
    return path if path.startswith("final_shortcut") else spade_block(path)


_PAINTER_BLOCKS = {"0": "head_0", "1": "G_middle_0", "2": "G_middle_1"}
_PAINTER = {
    "latent": "fc",
    "final": "final_spade",
    "to_image": "conv_img",
    r"shortcut\.conv": "final_shortcut.0",
    r"shortcut\.norm": "final_shortcut.1",
}


def conv_decoder(upsamplings: int) -> Rename:
    return _substitutions(
        (r"^project\b", "proj_conv"),
        (r"^low\b", "low_level_conv"),
        (r"^merge\b", "merge_feats_conv"),
        (r"^residual\.(\d+)\.block([12])", lambda m: f"model.0.model.{m[1]}.model.{int(m[2]) - 1}"),
        (r"^upsample\.(\d+)", lambda m: f"model.{int(m[1]) + 1}"),
        (r"^head\b", f"model.{1 + 2 * upsamplings}"),
    )


dada_decoder: Rename = _substitutions(
    (r"^encode\.(\d)", lambda m: f"enc4_{int(m[1]) + 1}"),
    (r"^decode\b", "dec4"),
    (r"^head\.", "upsample."),
)
aspp: Rename = _substitutions(
    (r"^branches\.(\d)", lambda m: f"conv{int(m[1]) + 1}"),
    (r"^reduce\b", "conv_out"),
    (r"\.norm$", ".bn"),
)
v3plus_head: Rename = _substitutions(
    (r"^reduce\b", "conv_low"),
    (r"^refine\b", "conv_cat"),
    (r"^classify\b", "conv_out"),
    (r"\.norm$", ".bn"),
)


def plain_depth_decoder(upsamplings: int) -> Rename:
    inner = conv_decoder(upsamplings)
    return lambda path: inner(path.removeprefix("decode."))


def v2_decoder(upsample: bool) -> Rename:
    """Upstream numbers what follows the ASPP: [doubling,] convolution, norm, ReLU, dropout, twice, classifier."""
    first = int(upsample)
    indices = {
        "refine.0.conv": first,
        "refine.0.norm": first + 1,
        "refine.2.conv": first + 4,
        "refine.2.norm": first + 5,
        "classify": first + 8,
    }

    def rename(path: str) -> str:
        return f"conv.{indices[path]}" if path in indices else _v2_aspp(path)

    return rename


_v2_aspp: Rename = _substitutions(
    (r"^aspp\.branches\.(\d)\.conv", lambda m: f"aspp.aspp{int(m[1]) + 1}.atrous_conv"),
    (r"^aspp\.branches\.(\d)\.norm", lambda m: f"aspp.aspp{int(m[1]) + 1}.bn"),
    (r"^aspp\.pool\.conv", "aspp.global_avg_pool.1"),
    (r"^aspp\.pool\.norm", "aspp.global_avg_pool.2"),
    (r"^aspp\.reduce\.conv", "aspp.conv1"),
    (r"^aspp\.reduce\.norm", "aspp.bn1"),
)


def spade_mask_decoder(path: str) -> str:
    for ours, theirs in _SPADE_MASK.items():
        path = re.sub(rf"^{ours}(?=\.|$)", theirs, path)
    return spade_block(path) if path.startswith("spade_blocks") else path


_SPADE_MASK = {
    "low": "low_level_conv",
    "high": "high_level_conv",
    "merge": "merge_feats_conv",
    "blocks": "spade_blocks",
    "head": "mask_conv",
}


def single_spade_mask_decoder(path: str) -> str:
    """Of an encoder with one feature map, whose projection has another name."""
    return spade_mask_decoder(path).replace("merge_feats_conv", "fc_conv")


def v3plus_decoder(path: str) -> str:
    if path.startswith("aspp."):
        return "aspp." + aspp(path.removeprefix("aspp."))
    return "decoder." + v3plus_head(path)


_SEPARABLE = {"0": "depthwise", "1": "bn_depth", "3": "pointwise", "4": "bn_point"}
separable_decoder: Rename = _substitutions(
    (r"^blocks\.(\d)\.(\d)", lambda m: f"head.block.{m[1]}.block.{_SEPARABLE.get(m[2], m[2])}"),
    (r"^classify\b", "head.block.2"),
)
mobilenet: Rename = _substitutions(
    (r"^conv1\.0", "conv1.conv"),
    (r"^conv1\.1", "conv1.bn"),
    (r"(conv\.\d)\.0$", r"\1.conv"),
    (r"(conv\.\d)\.1$", r"\1.bn"),
)
v2_resnet: Rename = _substitutions(
    (r"^residual\.(\d+)\.block([12])", lambda m: f"layer_res.model.{m[1]}.model.{int(m[2]) - 1}"),
    (r"^", "model."),
)
patch_discriminator: Rename = _substitutions(
    (r"^scales\.(\d)\.stages\.(\d)\.conv", r"discriminator_\1.model\2.0"),
    (r"^scales\.(\d)\.stages\.(\d)\.norm", r"discriminator_\1.model\2.1"),
)
entropy_discriminator: Rename = _substitutions((r"^stages\.(\d)\.conv", lambda m: str(2 * int(m[1]))))
