"""Layers: convolution and residual blocks, up-sampling, norms, spectral norm, initialisation, checkpointing."""

from gancomponents.layers.atrous import AtrousConv2d
from gancomponents.layers.blocks import ConvBlock, PaddingMode, PreActivationBlock, ResidualBlock, leaky_relu
from gancomponents.layers.checkpointing import checkpointed
from gancomponents.layers.fusion import fuse_batch_norms
from gancomponents.layers.initialisation import initialise
from gancomponents.layers.norms import AdaptiveInstanceNorm, ChannelLayerNorm, InstanceNorm
from gancomponents.layers.resize import resize
from gancomponents.layers.spade import SPADE, SPADEResidualBlock
from gancomponents.layers.spectral import (
    SpectralNorm,
    raw_weight,
    spectral_norm,
    spectral_norms,
    update_spectral_norms_in_eval,
)
from gancomponents.layers.sync_norm import SyncBatchNorm, synchronise_batch_norms
from gancomponents.layers.upsample import UpsampleNearest, upsample_nearest

__all__ = [
    "SPADE",
    "AdaptiveInstanceNorm",
    "AtrousConv2d",
    "ChannelLayerNorm",
    "ConvBlock",
    "InstanceNorm",
    "PaddingMode",
    "PreActivationBlock",
    "ResidualBlock",
    "SPADEResidualBlock",
    "SpectralNorm",
    "SyncBatchNorm",
    "UpsampleNearest",
    "checkpointed",
    "fuse_batch_norms",
    "initialise",
    "leaky_relu",
    "raw_weight",
    "resize",
    "spectral_norm",
    "spectral_norms",
    "synchronise_batch_norms",
    "update_spectral_norms_in_eval",
    "upsample_nearest",
]
