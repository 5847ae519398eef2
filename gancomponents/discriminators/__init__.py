"""Discriminators: of patches, images, painted regions and entropy maps, and a classifier of domains."""

from gancomponents.discriminators.domain import DomainClassifier
from gancomponents.discriminators.entropy import EntropyDiscriminator
from gancomponents.discriminators.image import ImageDiscriminator
from gancomponents.discriminators.local import LocalGlobalDiscriminator
from gancomponents.discriminators.patch import MultiScalePatchDiscriminator, PatchDiscriminator

__all__ = [
    "DomainClassifier",
    "EntropyDiscriminator",
    "ImageDiscriminator",
    "LocalGlobalDiscriminator",
    "MultiScalePatchDiscriminator",
    "PatchDiscriminator",
]
