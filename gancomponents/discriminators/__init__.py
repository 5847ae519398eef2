"""Discriminators: PatchGAN at one and several scales, and the entropy-map discriminator of AdvEnt."""

from gancomponents.discriminators.entropy import EntropyDiscriminator
from gancomponents.discriminators.patch import MultiScalePatchDiscriminator, PatchDiscriminator

__all__ = ["EntropyDiscriminator", "MultiScalePatchDiscriminator", "PatchDiscriminator"]
