"""Conformance cases of `gancomponents.generators`."""

from functools import partial

import torch
from torch import Tensor, nn

from gancomponents import generators
from gancomponents.layers import initialise
from tests.case import Case, Elsewhere


def _image(batch: int) -> tuple[Tensor]:
    return (torch.randn(batch, 3, 21, 18),)


def _latent(batch: int) -> tuple[Tensor]:
    return (torch.randn(batch, 6),)


def _drawn(block: nn.Module) -> nn.Module:
    """With weights where construction leaves zeros."""
    return initialise(block, "kaiming")


_PAINTER = partial(generators.SPADEPainter, 8, upsamplings=2, hidden_channels=4)
_RESNET = partial(generators.ResNetGenerator, 3, 2, width=4, residual_blocks=1)
_UNET = partial(generators.UNetGenerator, 3, 2, width=4, levels=3)
_FREE_BATCH_NORM = partial(nn.BatchNorm2d, affine=False)

CASES: list[Case | Elsewhere] = [
    Case("generators.SPADEPainter", _PAINTER, _image, lambda b: (b, 3, 21, 18)),
    Case(
        "generators.SPADEPainter",
        partial(_PAINTER, final_shortcut=True),
        lambda b: (*_image(b), torch.randn(b, 8, 6, 5)),
        lambda b: (b, 3, 21, 18),
        label="shortcut-latent",
        cannot={"gradients": "the layer that reads the latent map from the image rests where one is given"},
    ),
    Case(
        "generators.SPADEPainter",
        partial(_PAINTER, norm=_FREE_BATCH_NORM, spectral=False, kernel_size=5, cond_channels=4),
        lambda b: (torch.randn(b, 4, 9, 14),),
        lambda b: (b, 3, 9, 14),
        label="batch",
    ),
    Case(
        "generators.SPADEPainter",
        partial(_PAINTER, checkpointing=True),
        _image,
        lambda b: (b, 3, 21, 18),
        label="checkpointing",
    ),
    Case(
        "generators.paste",
        lambda: generators.paste,
        lambda b: (*_image(b), *_image(b), torch.rand(b, 1, 21, 18)),
        lambda b: (b, 3, 21, 18),
    ),
    Case(
        "generators.LatentGenerator",
        lambda: _drawn(generators.LatentGenerator(6, width=4, base=(3, 2), upsamplings=2)),
        _latent,
        lambda b: (b, 3, 12, 8),
    ),
    Case(
        "generators.LatentGenerator",
        lambda: _drawn(
            generators.LatentGenerator(
                6, 1, width=4, base=(3, 2), upsamplings=1, blocks=2, norm=nn.BatchNorm2d, spectral=True
            )
        ),
        _latent,
        lambda b: (b, 1, 6, 4),
        label="batch-spectral",
    ),
    Case("generators.ResNetGenerator", _RESNET, _image, lambda b: (b, 2, 21, 18)),
    Case(
        "generators.ResNetGenerator",
        partial(_RESNET, norm=None, padding_mode="zeros", spectral=True, downsamplings=1),
        _image,
        lambda b: (b, 2, 21, 18),
        label="plain-spectral",
    ),
    Case("generators.UNetGenerator", partial(_UNET, dropout=0), _image, lambda b: (b, 2, 21, 18)),
    Case(
        "generators.UNetGenerator",
        partial(_UNET, norm=nn.BatchNorm2d, spectral=True),
        _image,
        lambda b: (b, 2, 21, 18),
        label="batch-spectral-dropout",
    ),
]
