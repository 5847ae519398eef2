"""Small decoders and the features they take."""

from functools import partial

import torch
from torch import Tensor

from gancomponents.decoders import (
    DADADepthDecoder,
    DeepLabV2Decoder,
    DeepLabV3PlusDecoder,
    DepthDecoder,
    MaskDecoder,
    SeparableDecoder,
    SPADEMaskDecoder,
)

CHANNELS = [8, 12]
DADA = partial(DADADepthDecoder, CHANNELS, hidden_channels=8, bottleneck_channels=6, head_channels=4)
DEPTH = partial(DepthDecoder, CHANNELS, proj_channels=4)
V3PLUS = partial(DeepLabV3PlusDecoder, CHANNELS, 5, aspp_channels=6, low_channels=4, channels=6, rates=(1, 2))
V2 = partial(DeepLabV2Decoder, CHANNELS, 5, aspp_channels=6, channels=6, rates=(1, 2))
SEPARABLE = partial(SeparableDecoder, CHANNELS, 5, channels=6)
MASK = partial(MaskDecoder, CHANNELS, proj_channels=16)
SPADE = partial(SPADEMaskDecoder, CHANNELS, cond_channels=3, channels=8, proj_channels=4, hidden_channels=4)


def features(batch: int = 2, height: int = 6, width: int = 5) -> list[Tensor]:
    return [torch.randn(batch, 8, 2 * height, 2 * width), torch.randn(batch, 12, height, width)]
