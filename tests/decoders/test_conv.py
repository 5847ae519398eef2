"""The residual decoder and the plain mask decoder."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gancomponents.decoders import ConvDecoder, MaskDecoder
from tests.decoders.blocks import CHANNELS, MASK, features


def test_parameter_count_of_the_published_decoder() -> None:
    with torch.device("meta"):
        decoder = MaskDecoder([256, 2048])
    # Upstream counts the vectors of spectral norm too.
    assert sum(p.numel() for p in decoder.parameters()) == 542_377 - 9_576


def test_low_features_are_halved_without_aliasing() -> None:
    # Half-pixel bilinear halving is the mean of 2x2.
    low = torch.randn(1, 3, 8, 6)
    torch.testing.assert_close(F.interpolate(low, size=(4, 3), mode="bilinear"), F.avg_pool2d(low, 2))
    decoder = MASK().eval()
    maps = features()
    shuffled = maps[0].clone()
    decoder.low = nn.Identity()
    decoder.merge = nn.Conv2d(8 + 16, 16, 1)
    shuffled = torch.stack([shuffled[..., 1::2], shuffled[..., ::2]], -1).flatten(-2)  # swap columns in pairs
    torch.testing.assert_close(decoder([shuffled, maps[1]]), decoder(maps))


def test_options() -> None:
    x = features()
    assert MaskDecoder([12], low_level=False)([x[1]]).shape == (2, 1, 48, 40)
    assert MASK(low_level=False)(x).shape == (2, 1, 48, 40)
    assert MASK(upsamplings=0)(x).shape == (2, 1, 6, 5)
    assert MASK(residual_blocks=0, norm=nn.BatchNorm2d, padding_mode="zeros")(x).shape == (2, 1, 48, 40)
    assert MASK(spectral=False, bias=False, padding_mode="replicate")(x).shape == (2, 1, 48, 40)
    assert ConvDecoder(CHANNELS, 3, upsamplings=2, proj_channels=None, low_level=False)(x).shape == (
        2,
        3,
        24,
        20,
    )
    probabilities = MASK(output_activation=nn.Sigmoid)(x)
    assert torch.equal(probabilities, probabilities.clamp(0, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(MaskDecoder, [12]), "low-level features too"),
        (partial(MaskDecoder, CHANNELS, proj_channels=None), "proj_channels must be a number"),
        (partial(MaskDecoder, CHANNELS, proj_channels=12), "multiple of 8 for 3 upsamplings, got 12: use 16"),
        (partial(MaskDecoder, CHANNELS, upsamplings=-1), "upsamplings and residual_blocks"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
