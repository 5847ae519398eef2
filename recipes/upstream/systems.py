"""Where each entry of upstream's G and D lives in a whole model of ours and its critics."""

from collections.abc import Callable

from torch import nn

from gancomponents import decoders, discriminators, encoders, generators
from gancomponents.layers import UpsampleNearest
from recipes.climategan import ClimateGAN, Critics
from recipes.upstream import keys
from recipes.upstream.keys import Rename, Slot, Slots


def model_slots(model: ClimateGAN) -> dict[str, Slots]:
    """The slots of a model, by the part of upstream's G that they are of."""
    masker = model.masker
    parts: dict[str, tuple[str, nn.Module | None]] = {}
    if masker is not None:
        parts["encoder"] = ("masker.encoder", masker.encoder)
        for letter, task in (("d", "depth"), ("s", "segmentation"), ("m", "mask")):
            parts[f"decoders.{letter}"] = (f"masker.{task}", getattr(masker, task))
    parts["painter"] = ("painter", model.painter)
    return _slots(parts)


def critic_slots(critics: Critics) -> dict[str, Slots]:
    """The slots of the critics, by the part of upstream's D that they are of."""
    parts: dict[str, tuple[str, nn.Module | None]] = {}
    for name, prefix in (("painter", "p"), ("mask", "m.Advent"), ("segmentation", "s.Advent")):
        critic = getattr(critics, name)
        if isinstance(critic, discriminators.LocalGlobalDiscriminator):
            parts[f"{prefix}.global"] = (f"{name}.whole", critic.whole)
            parts[f"{prefix}.local"] = (f"{name}.local", critic.local)
        else:
            parts[prefix] = (name, critic)
    return _slots(parts)


def _slots(parts: dict[str, tuple[str, nn.Module | None]]) -> dict[str, Slots]:
    found: dict[str, Slots] = {}
    for prefix, (ours, module) in parts.items():
        if module is not None:
            slots = keys.slots(module, rename_of(module))
            found[prefix] = {
                f"{prefix}.{key}": Slot(f"{ours}.{slot.key}", slot.half) for key, slot in slots.items()
            }
    return found


def rename_of(module: nn.Module) -> Rename:
    """From the paths in one of our networks to upstream's.

    Raises:
        TypeError: for a network that upstream has none of.
    """
    for kind, rename in _RENAMES.items():
        if isinstance(module, kind):
            return rename(module)
    raise TypeError(f"module must be a network that upstream has too, got {type(module).__name__}")


def _doublings(decoder: nn.Sequential) -> int:
    return sum(isinstance(layer, UpsampleNearest) for layer in decoder)


def _always(rename: Rename) -> Callable[[nn.Module], Rename]:
    return lambda module: rename


_RENAMES: dict[type[nn.Module], Callable[..., Rename]] = {
    encoders.DeepLabV3ResNet: _always(keys.same),
    encoders.DeepLabV2ResNet: _always(keys.v2_resnet),
    encoders.MobileNetV2: _always(keys.mobilenet),
    decoders.DADADepthDecoder: _always(keys.dada_decoder),
    decoders.DepthDecoder: lambda d: keys.plain_depth_decoder(_doublings(d.decode.upsample)),
    decoders.DeepLabV3PlusDecoder: _always(keys.v3plus_decoder),
    decoders.DeepLabV2Decoder: lambda d: keys.v2_decoder(isinstance(d.upsample, UpsampleNearest)),
    decoders.SeparableDecoder: _always(keys.separable_decoder),
    decoders.MaskDecoder: lambda d: keys.conv_decoder(_doublings(d.upsample)),
    decoders.SPADEMaskDecoder: lambda d: (
        keys.single_spade_mask_decoder if d.low is None else keys.spade_mask_decoder
    ),
    generators.SPADEPainter: _always(keys.painter),
    discriminators.MultiScalePatchDiscriminator: _always(keys.patch_discriminator),
    discriminators.EntropyDiscriminator: _always(keys.entropy_discriminator),
}
