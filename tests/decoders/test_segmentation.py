"""DeepLab-v3+, DeepLab-v2 and separable decoders."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.decoders import DeepLabV2Decoder, DeepLabV3PlusDecoder, SeparableDecoder
from tests.decoders.blocks import CHANNELS, SEPARABLE, V2, V3PLUS, features


def test_parameter_counts_of_the_published_decoders() -> None:
    with torch.device("meta"):
        for decoder, parameters in [
            (DeepLabV3PlusDecoder([256, 2048], upstream_layout=True), 16_253_072),
            (DeepLabV2Decoder([256, 2048]), 16_718_603),
            (SeparableDecoder([24, 320]), 157_643),
        ]:
            assert sum(p.numel() for p in decoder.parameters()) == parameters


@pytest.mark.known_bug(8.5)
def test_v3plus_refines_at_the_resolution_of_the_low_features() -> None:
    maps = features()
    assert V3PLUS()(maps).shape == (2, 5, 12, 10)
    assert V3PLUS(upstream_layout=True)(maps).shape == (2, 5, 8, 7)  # coarse features, two pixels larger


@pytest.mark.known_bug(8.5)
def test_v3plus_sees_single_low_level_pixels() -> None:
    decoder = V3PLUS().eval()
    maps = features(1)
    changed = [maps[0].clone(), maps[1]]
    changed[0][..., 3, 3] += 5
    difference = (decoder(changed) - decoder(maps)).abs().amax(1)[0]
    rows, columns = difference.nonzero(as_tuple=True)
    assert {1, 5} == {int(rows.min()), int(rows.max())}  # two 3x3 convolutions reach two pixels
    assert int(columns.max()) == 5


@pytest.mark.known_bug(12)
def test_v2_keeps_its_rates_and_modes() -> None:
    decoder = V2(rates=(2, 5))
    assert [branch.conv.dilation[0] for branch in decoder.aspp.branches] == [1, 2, 5]
    decoder.train()
    assert all(m.training for m in decoder.modules())
    maps = features(4)
    assert not torch.equal(decoder(maps), decoder(maps))  # dropout
    decoder.eval()
    assert torch.equal(decoder(maps), decoder(maps))


def test_v2_doubles_where_asked() -> None:
    maps = features()
    assert V2()(maps).shape == (2, 5, 6, 5)
    assert V2(upsample=True)(maps).shape == (2, 5, 12, 10)
    quiet = V2(dropout=(0, 0, 0))
    assert torch.equal(quiet(maps), quiet(maps))


@pytest.mark.parametrize("make", [V3PLUS, V2, SEPARABLE])
def test_the_final_resize_aligns_corners_only_upstream(make: Callable[..., nn.Module]) -> None:
    maps = features()
    for upstream in (False, True):
        decoder = make(upstream_layout=upstream).eval()
        small, large = decoder(maps), decoder(maps, size=(31, 33))
        resized = nn.functional.interpolate(small, (31, 33), mode="bilinear", align_corners=upstream)
        torch.testing.assert_close(large, resized)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(DeepLabV3PlusDecoder, [12]), "low-level features too"),
        (partial(DeepLabV3PlusDecoder, CHANNELS, 0), "num_classes must be >= 1"),
        (partial(DeepLabV2Decoder, CHANNELS, 0), "num_classes must be >= 1"),
        (partial(DeepLabV2Decoder, CHANNELS, dropout=(0.5,)), "dropout must be three probabilities"),
        (partial(DeepLabV3PlusDecoder, CHANNELS, low_channels=0), "low_channels must be >= 1"),
        (partial(DeepLabV2Decoder, CHANNELS, channels=0), "^channels must be >= 1"),
        (partial(SeparableDecoder, CHANNELS, 0), "num_classes must be >= 1"),
        (partial(SeparableDecoder, CHANNELS, channels=0), "^channels must be >= 1"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_fusion_multiplies_the_coarse_features() -> None:
    low, high = features()
    fusion = torch.rand_like(high)
    for make in (V3PLUS, V2, SEPARABLE):
        decoder = make().eval()
        torch.testing.assert_close(decoder([low, high], fusion=fusion), decoder([low, high * fusion]))
        assert not torch.equal(decoder([low, high], fusion=fusion), decoder([low, high]))
