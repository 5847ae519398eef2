"""Upstream's checkpoints made small: models of ours, their entries under upstream's keys, saved as it saves."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gancomponents import decoders, encoders
from gancomponents.discriminators import (
    EntropyDiscriminator,
    LocalGlobalDiscriminator,
    MultiScalePatchDiscriminator,
)
from gancomponents.generators import SPADEPainter
from gancomponents.layers import ChannelLayerNorm
from gancomponents.training import checkpoint
from recipes import config
from recipes.climategan import ClimateGAN, Critics, Masker
from recipes.folder import RunFolder
from recipes.upstream.systems import critic_slots, model_slots

V3 = partial(encoders.DeepLabV3ResNet, width=2, blocks=(1, 2, 1, 3))
DADA = partial(
    decoders.DADADepthDecoder, hidden_channels=6, bottleneck_channels=5, head_channels=4, resize="upstream"
)
V3PLUS = partial(
    decoders.DeepLabV3PlusDecoder, aspp_channels=6, low_channels=4, channels=5, upstream_layout=True
)
FREE_BATCH = partial(nn.BatchNorm2d, affine=False)


def usual() -> ClimateGAN:
    """The default configuration."""
    masker = Masker(
        V3(), depth=DADA, segmentation=V3PLUS, mask=partial(decoders.MaskDecoder, proj_channels=8)
    )
    return ClimateGAN(masker, painter())


def painter(**options: Any) -> SPADEPainter:
    return SPADEPainter(8, upsamplings=3, hidden_channels=4, **options)


def old() -> ClimateGAN:
    """DeepLab-v2 throughout, the mask steered by depth and classes."""
    encoder = encoders.DeepLabV2ResNet(
        width=2,
        blocks=(1, 1, 2, 1),
        frozen_norms="affine",
        residual_blocks=1,
        bias=True,
        upstream_layout=True,
    )
    masker = Masker(
        encoder,
        depth=partial(DADA, upsample=False),
        segmentation=partial(
            decoders.DeepLabV2Decoder, aspp_channels=6, channels=5, upsample=True, upstream_layout=True
        ),
        mask=partial(
            decoders.SPADEMaskDecoder,
            cond_channels=12,
            channels=8,
            low_level=False,
            proj_channels=None,
            hidden_channels=4,
            spectral_blocks=False,
            bias=True,
        ),
    )
    return ClimateGAN(masker, painter(spectral=False, norm=FREE_BATCH, final_shortcut=True))


def light() -> ClimateGAN:
    """MobileNet, depth in buckets, nothing fused, no painter."""
    masker = Masker(
        encoders.MobileNetV2(width_multiplier=0.25, dilate_repeats=False),
        depth=partial(
            decoders.DepthDecoder,
            buckets=9,
            low_level=True,
            proj_channels=8,
            norm=ChannelLayerNorm,
            bias=True,
            upstream_layout=True,
        ),
        segmentation=partial(decoders.SeparableDecoder, channels=6, upstream_layout=True),
        mask=partial(
            decoders.MaskDecoder,
            low_level=False,
            proj_channels=None,
            residual_blocks=0,
            upsamplings=2,
            norm=nn.BatchNorm2d,
            spectral=False,
            activation=nn.PReLU,
        ),
        fuse_segmentation=False,
    )
    return ClimateGAN(masker)


def steered() -> ClimateGAN:
    """The mask steered by depth, classes and image, with and from features of both scales."""
    mask = partial(decoders.SPADEMaskDecoder, channels=8, proj_channels=6, hidden_channels=4, bias=True)
    return ClimateGAN(Masker(V3(), depth=DADA, segmentation=V3PLUS, mask=mask))


def alone() -> ClimateGAN:
    """A mask decoder and nothing else."""
    mask = partial(decoders.MaskDecoder, proj_channels=8, residual_blocks=1)
    return ClimateGAN(Masker(V3(), depth=None, segmentation=None, mask=mask, fuse_segmentation=False))


MODELS = {"usual": usual, "old": old, "light": light, "steered": steered, "alone": alone}

_patches = partial(MultiScalePatchDiscriminator, scales=2, width=4, layers=2)
# Upstream's convolutions keep a bias in front of instance norm.
CRITICS = {
    "usual": lambda: Critics(
        segmentation=EntropyDiscriminator(11, width=3),
        mask=EntropyDiscriminator(2, width=3),
        painter=_patches(4, bias=True),
    ),
    "other": lambda: Critics(
        segmentation=EntropyDiscriminator(11, width=3, spectral=False),
        mask=_patches(2, bias=True),
        painter=LocalGlobalDiscriminator(3, discriminator=partial(_patches, norm=nn.BatchNorm2d, bias=False)),
    ),
}


def shuffled(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with random values everywhere, statistics included, so that no two entries are alike."""
    generator = torch.Generator().manual_seed(seed)
    state = module.state_dict()
    for key, value in state.items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) * 0.2 + (0.9 if "var" in key else -0.1))
    return module.eval()


def upstream_state(model: ClimateGAN) -> dict[str, Tensor]:
    """G as upstream saves it."""
    state = model.state_dict()
    slots = [found for part in model_slots(model).values() for found in part.items()]
    return {key: slot.read(state).clone() for key, slot in slots}


def upstream_critics(critics: Critics) -> dict[str, Tensor]:
    """D as upstream saves it."""
    state = critics.state_dict()
    parts = critic_slots(critics).values()
    return {key: slot.read(state).clone() for part in parts for key, slot in part.items()}


def save(path: Path, generator: dict[str, Tensor], discriminator: dict[str, Tensor] | None = None) -> Path:
    """A checkpoint file in upstream's structure."""
    moments = {"step": 7, "exp_avg": torch.zeros(1), "exp_avg_sq": torch.zeros(1)}
    optimiser = {"state": {0: moments}, "param_groups": [{"lr": 5e-5, "betas": (0.9, 0.999), "params": [0]}]}
    content: dict[str, Any] = {"epoch": 3, "step": 1234, "G": generator, "g_opt": optimiser}
    if discriminator is not None:
        content |= {"D": discriminator, "d_opt": {"state": {}, "param_groups": []}}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def load(folder: Path) -> ClimateGAN:
    """The model of a converted run, from nothing but its folder."""
    run = RunFolder(folder)
    config.parse(str(run.config))
    model = config.build(ClimateGAN, strict=False)
    path = checkpoint.newest(run.checkpoints)
    assert path is not None
    assert model.load_weights(checkpoint.load_weights(path)) == []
    return model.eval()


def load_critics(folder: Path) -> Critics:
    """The critics of a converted run."""
    run = RunFolder(folder)
    config.parse(str(run.config))
    critics = config.build(Critics, strict=False)
    path = checkpoint.newest(run.checkpoints)
    assert path is not None
    critics.load_state_dict(checkpoint.load_weights(path, "critics"))
    return critics.eval()
