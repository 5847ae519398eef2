"""Conformance cases of `gancomponents.discriminators`."""

from functools import partial

import torch
from torch import Tensor, nn

from gancomponents import discriminators
from gancomponents.layers import initialise
from tests.case import Case, Elsewhere

Shape = tuple[int, ...]


def _image(batch: int) -> tuple[Tensor]:
    return (torch.randn(batch, 3, 21, 18),)


def _pair(batch: int) -> tuple[Tensor, Tensor]:
    return (*_image(batch), *_image(batch))


def _mask(batch: int) -> Tensor:
    return torch.rand(batch, 1, 21, 18)


def _patch(batch: int) -> list[Shape]:
    """Of an image: one stage of stride two, one of stride one, scores."""
    return [(batch, 4, 10, 9), (batch, 8, 9, 8), (batch, 1, 8, 7)]


def _scales(batch: int) -> list[list[Shape]]:
    return [_patch(batch), [(batch, 4, 5, 4), (batch, 8, 4, 3), (batch, 1, 3, 2)]]


def _drawn(block: nn.Module) -> nn.Module:
    """With weights where construction leaves zeros."""
    return initialise(block, "kaiming")


_PATCH = partial(discriminators.PatchDiscriminator, 3, width=4, layers=1)
_SCALES = partial(discriminators.MultiScalePatchDiscriminator, scales=2, width=4, layers=1)
_PAIR = partial(
    discriminators.LocalGlobalDiscriminator,
    3,
    discriminator=partial(discriminators.PatchDiscriminator, width=4, layers=1),
)
_IMAGE = partial(discriminators.ImageDiscriminator, 3, width=4, downsamplings=2)

CASES: list[Case | Elsewhere] = [
    Case(
        "discriminators.PatchDiscriminator",
        partial(_PATCH, norm=None, spectral=False),
        _image,
        _patch,
        label="plain",
    ),
    Case(
        "discriminators.PatchDiscriminator",
        partial(_PATCH, norm=nn.BatchNorm2d),
        _image,
        _patch,
        label="batch-spectral",
    ),
    Case(
        "discriminators.PatchDiscriminator",
        _PATCH,
        _pair,
        lambda b: (_patch(b), _patch(b)),
        call=lambda critic, real, fake: critic.compare(real, fake),
        label="compare",
    ),
    Case("discriminators.MultiScalePatchDiscriminator", partial(_SCALES, 3), _image, _scales),
    Case(
        "discriminators.MultiScalePatchDiscriminator",
        partial(_SCALES, 3),
        _pair,
        lambda b: (_scales(b), _scales(b)),
        call=lambda critic, real, fake: critic.compare(real, fake),
        label="compare",
    ),
    Case(
        "discriminators.LocalGlobalDiscriminator",
        _PAIR,
        lambda b: (*_image(b), _mask(b)),
        lambda b: (_patch(b), _patch(b)),
    ),
    Case(
        "discriminators.LocalGlobalDiscriminator",
        _PAIR,
        lambda b: (*_pair(b), _mask(b)),
        lambda b: ((_patch(b), _patch(b)), (_patch(b), _patch(b))),
        call=lambda critic, real, fake, mask: critic.compare(real, fake, mask),
        label="compare",
    ),
    Case("discriminators.ImageDiscriminator", lambda: _drawn(_IMAGE()), _image, lambda b: (b, 1)),
    Case(
        "discriminators.ImageDiscriminator",
        lambda: _drawn(_IMAGE(spectral=True, blocks=2)),
        _image,
        lambda b: [(b, 8, 21, 18), (b, 16, 11, 9), (b, 16, 6, 5), (b, 1)],
        call=lambda critic, x: critic.features(x),
        label="features-spectral",
    ),
    *(
        Case(
            "discriminators.EntropyDiscriminator",
            partial(discriminators.EntropyDiscriminator, 2, width=4, spectral=spectral),
            lambda b: (torch.rand(b, 2, 33, 65),),
            lambda b: (b, 1, 1, 2),
            label="spectral" if spectral else "plain",
        )
        for spectral in (True, False)
    ),
    *(
        Case(
            "discriminators.DomainClassifier",
            partial(discriminators.DomainClassifier, [4, 6], width=8, spectral=spectral),
            lambda b: ([torch.randn(b, 4, 13, 9), torch.randn(b, 6, 7, 5)],),
            lambda b: (b, 4),
            label="spectral" if spectral else "plain",
        )
        for spectral in (True, False)
    ),
]
