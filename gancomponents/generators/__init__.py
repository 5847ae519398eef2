"""Generators: the SPADE painter and pasting, an unconditional generator, and two from image to image."""

from gancomponents.generators.latent import LatentGenerator
from gancomponents.generators.painter import SPADEPainter, paste
from gancomponents.generators.resnet import ResNetGenerator
from gancomponents.generators.unet import UNetGenerator

__all__ = ["LatentGenerator", "ResNetGenerator", "SPADEPainter", "UNetGenerator", "paste"]
