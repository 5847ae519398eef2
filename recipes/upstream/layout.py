"""Which configuration of upstream's a state dict is of, read from its keys and shapes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gancomponents.errors import InputError
from recipes.upstream import critics, decoders
from recipes.upstream.entries import Entries, Shape
from recipes.upstream.parts import Part
from recipes.upstream.settings import Assumption, Settings


@dataclass(frozen=True)
class Layout:
    """A configuration: what to build, and what was assumed about it.

    Attributes:
        model: a `recipes.climategan.ClimateGAN`.
        critics: a `recipes.climategan.Critics`, or None where the file has no discriminators.
        data: how a `recipes.data.Data` reads the photos that the model is for.
        assumed: the settings that the file cannot tell.
    """

    model: Part
    critics: Part | None
    data: Part
    assumed: tuple[Assumption, ...]

    def networks(self) -> dict[str, Part]:
        """The networks by name, for a reader."""
        masker = self.model.arguments.get("masker")
        named = {} if masker is None else dict(masker.arguments)
        named["painter"] = self.model.arguments.get("painter")
        judges = {} if self.critics is None else self.critics.arguments
        named |= {f"{name} critic": part for name, part in judges.items()}
        return {name: part for name, part in named.items() if isinstance(part, Part)}


def infer(
    generator: Mapping[str, Shape], discriminator: Mapping[str, Shape], overrides: Iterable[str] = ()
) -> Layout:
    """Read the configuration from the shapes of upstream's G and D, by key.

    Args:
        generator: of G: encoder, decoders and painter, or some of them.
        discriminator: of D; empty where the file has none.
        overrides: settings that the file cannot tell, such as "output_stride=16".

    Raises:
        InputError: when a part is not of any configuration of upstream's, or an override does not apply.
    """
    settings, entries = Settings(overrides), Entries(generator)
    arguments: dict[str, Any] = {}
    if entries.has("encoder") or entries.has("decoders"):
        arguments["masker"] = _masker(entries, settings)
    if entries.has("painter"):
        arguments["painter"] = _painter(entries.under("painter"))
        arguments["paste_original"] = settings.take("paste_original")
    if not arguments:
        fix = "pass a checkpoint of a ClimateGAN masker or painter"
        raise InputError("G", expected="keys of encoder., decoders. or painter.", got="none", fix=fix)
    judges = critics.critics(Entries(discriminator))
    reading = {name: settings.take(name) for name in ("size", "stretch")}
    if "target_stride" in (masker := getattr(arguments.get("masker"), "arguments", {})):
        reading["target_stride"] = masker["target_stride"]
    model, data = Part("climategan.ClimateGAN", arguments), Part("data.Data", reading)
    return Layout(model, judges, data, settings.finish())


def _masker(entries: Entries, settings: Settings) -> Part:
    encoder = _encoder(entries.under("encoder"), settings)
    d, s, m = (entries.under(f"decoders.{task}") for task in "dsm")
    depth = decoders.depth(d, settings) if any(d) else None
    segmentation = decoders.segmentation(s) if any(s) else None
    mask = decoders.mask(m, settings) if any(m) else None
    if depth is None and segmentation is None and mask is None:
        fix = "pass the checkpoint of a masker that was trained"
        raise InputError("G", expected="keys of decoders.d., .s. or .m.", got="an encoder alone", fix=fix)
    arguments: dict[str, Any] = {
        "encoder": encoder,
        "depth": depth,
        "segmentation": segmentation,
        "mask": mask,
    }
    if depth is not None or segmentation is not None:
        arguments["target_stride"] = settings.take("target_stride")
    arguments |= _fusion(depth, segmentation, mask, settings)
    if mask is not None and "cond_channels" in mask.arguments:
        decoders.check_condition(mask, segmentation)
        arguments["detach_condition"] = settings.take("detach_condition")
    return Part("climategan.Masker", {**arguments, "init_gain": None})


def _fusion(
    depth: Part | None, segmentation: Part | None, mask: Part | None, settings: Settings
) -> dict[str, bool]:
    """Who multiplies its features by the depth decoder's map: upstream makes that map where anyone does."""
    if depth is None or not depth.arguments.get("fusion"):
        return {"fuse_segmentation": False, "fuse_mask": False}
    if segmentation is None or mask is None:
        return {"fuse_segmentation": segmentation is not None, "fuse_mask": mask is not None}
    fuse_segmentation = settings.take("fuse_segmentation")
    fuse_mask = settings.take("fuse_mask", default=not fuse_segmentation)
    if not fuse_segmentation and not fuse_mask:
        fix = "set one of fuse_segmentation and fuse_mask to True"
        got = "a file whose depth decoder makes a map (dec4) for the others"
        raise InputError("--set fuse_mask", expected="someone to take it", got=got, fix=fix)
    return {"fuse_segmentation": fuse_segmentation, "fuse_mask": fuse_mask}


def _encoder(entries: Entries, settings: Settings) -> Part:
    if "model.conv1.weight" in entries:
        arguments = {
            "width": entries.conv("model.conv1")[0],
            "blocks": _blocks(entries, "model."),
            "frozen_norms": "affine",
            "residual_blocks": entries.count("model.layer_res.model"),
            "bias": True,
            "upstream_layout": True,
        }
        return Part("encoders.DeepLabV2ResNet", arguments)
    if "conv1.conv.weight" in entries:
        multiplier = entries.conv("conv1.conv")[0] / 32
        arguments = {"width_multiplier": multiplier, "dilate_repeats": False}
        return Part("encoders.MobileNetV2", arguments)
    blocks = _blocks(entries, "")
    arguments = {
        "width": entries.conv("conv1")[0],
        "blocks": blocks,
        "output_stride": settings.take("output_stride"),
        "multi_grid": tuple(min(2**k, 4) for k in range(blocks[3])),  # 1, 2, 4 of three blocks
    }
    return Part("encoders.DeepLabV3ResNet", arguments)


def _blocks(entries: Entries, prefix: str) -> tuple[int, ...]:
    counts = tuple(entries.count(f"{prefix}layer{stage}") for stage in (1, 2, 3, 4))
    if min(counts) < 1:
        fix = "check that this is a ClimateGAN checkpoint"
        raise InputError("encoder", expected="a ResNet of four stages", got=f"blocks {counts}", fix=fix)
    return counts


def _painter(entries: Entries) -> Part:
    hidden, cond_channels, kernel_size, _ = entries.conv("head_0.norm_0.mlp_shared.0")
    arguments = {
        "width": entries.conv("fc")[0],
        "upsamplings": 2 + entries.count("up_spades"),
        "cond_channels": cond_channels,
        "hidden_channels": hidden,
        "kernel_size": kernel_size,
        "spectral": entries.is_spectral("head_0.conv_0"),
        "norm": decoders.free_norm("head_0.norm_0.param_free_norm.running_mean" in entries),
        "final_shortcut": entries.has("final_shortcut"),
    }
    return Part("generators.SPADEPainter", arguments)
