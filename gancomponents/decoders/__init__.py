"""Decoders: from an encoder's features to depth, segmentation and flood mask."""

from gancomponents.decoders.aspp import ASPP
from gancomponents.decoders.conv import ConvDecoder, MaskDecoder
from gancomponents.decoders.depth import (
    DADADepthDecoder,
    DepthDecoder,
    decode_bucketed_depth,
    encode_bucketed_depth,
)
from gancomponents.decoders.segmentation import DeepLabV2Decoder, DeepLabV3PlusDecoder, SeparableDecoder
from gancomponents.decoders.spade import SPADEMaskDecoder, mask_condition

__all__ = [
    "ASPP",
    "ConvDecoder",
    "DADADepthDecoder",
    "DeepLabV2Decoder",
    "DeepLabV3PlusDecoder",
    "DepthDecoder",
    "MaskDecoder",
    "SPADEMaskDecoder",
    "SeparableDecoder",
    "decode_bucketed_depth",
    "encode_bucketed_depth",
    "mask_condition",
]
