"""Decoders: from an encoder's features to depth, segmentation and flood mask."""

from gancomponents.decoders.conv import ConvDecoder, MaskDecoder
from gancomponents.decoders.depth import DADADepthDecoder
from gancomponents.decoders.segmentation import ASPP, DeepLabV3PlusDecoder, SeparableDecoder

__all__ = [
    "ASPP",
    "ConvDecoder",
    "DADADepthDecoder",
    "DeepLabV3PlusDecoder",
    "MaskDecoder",
    "SeparableDecoder",
]
