"""Which discriminators a state dict has, read from its keys and shapes."""

from gancomponents.errors import InputError
from recipes.upstream.entries import Entries
from recipes.upstream.parts import Part


def critics(entries: Entries) -> Part | None:
    """All of D, or None where it is empty."""
    found: dict[str, Part | None] = {"segmentation": None, "mask": None, "painter": None}
    for name, prefix in (("segmentation", "s.Advent"), ("mask", "m.Advent"), ("painter", "p")):
        if entries.has(prefix):
            found[name] = _critic(entries.under(prefix))
    if not any(found.values()):
        first = next(iter(entries), None)
        if first is not None:
            fix = "check that this is a ClimateGAN checkpoint"
            raise InputError("D", expected="keys of p., m.Advent. or s.Advent.", got=first, fix=fix)
        return None
    return Part("climategan.Critics", {**found, "init_gain": None})


def _critic(entries: Entries) -> Part:
    if entries.has("global") or entries.has("local"):
        whole, local = _patches(entries.under("global")), _patches(entries.under("local"))
        if whole != local:
            fix = "check that this is a ClimateGAN checkpoint"
            raise InputError("p.local", expected=f"a copy of p.global, {whole}", got=str(local), fix=fix)
        in_channels = whole.arguments["in_channels"]
        inner = {name: value for name, value in whole.arguments.items() if name != "in_channels"}
        factory = Part(whole.name, inner, built=False)
        arguments = {"in_channels": in_channels, "discriminator": factory}
        return Part("discriminators.LocalGlobalDiscriminator", arguments)
    if entries.has("discriminator_0"):
        return _patches(entries)
    width, in_channels, _, _ = entries.conv("0")
    arguments = {"in_channels": in_channels, "width": width, "spectral": entries.is_spectral("0")}
    return Part("discriminators.EntropyDiscriminator", arguments)


def _patches(entries: Entries) -> Part:
    width, in_channels, _, _ = entries.conv("discriminator_0.model0.0")
    batch = "discriminator_0.model1.1.running_mean" in entries
    arguments = {
        "in_channels": in_channels,
        "scales": entries.count("discriminator_"),
        "width": width,
        "layers": entries.count("discriminator_0.model") - 2,
        "norm": Part("nn.BatchNorm2d" if batch else "layers.InstanceNorm", built=False),
        "spectral": entries.is_spectral("discriminator_0.model0.0"),
        "bias": not batch,
    }
    return Part("discriminators.MultiScalePatchDiscriminator", arguments)
