"""Depth, segmentation and mask decoders."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.decoders import (
    ASPP,
    ConvDecoder,
    DADADepthDecoder,
    DeepLabV3PlusDecoder,
    MaskDecoder,
    SeparableDecoder,
)
from gancomponents.encoders import MobileNetV2
from tests.layers.conformance import check_block

CHANNELS = [8, 12]
DADA = partial(DADADepthDecoder, CHANNELS, hidden_channels=8, bottleneck_channels=6, head_channels=4)
V3PLUS = partial(DeepLabV3PlusDecoder, CHANNELS, 5, aspp_channels=6, low_channels=4, channels=6, rates=(1, 2))
SEPARABLE = partial(SeparableDecoder, CHANNELS, 5, channels=6)
MASK = partial(MaskDecoder, CHANNELS, proj_channels=16)


def features(batch: int = 2, height: int = 6, width: int = 5) -> list[Tensor]:
    return [torch.randn(batch, 8, 2 * height, 2 * width), torch.randn(batch, 12, height, width)]


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (DADA, [(30, 21)]),
        (partial(DADA, resize="bicubic"), [(30, 21)]),
        (partial(DADA, resize="upstream"), [(30, 21)]),
        (partial(DADA, fusion=False, upsample=False), []),
        (V3PLUS, [torch.randn(2, 12, 6, 5), (48, 40)]),
        (partial(V3PLUS, upstream_layout=True), [None, (48, 40)]),
        (SEPARABLE, [torch.randn(2, 12, 6, 5), (48, 40)]),
        (partial(SEPARABLE, upstream_layout=True), [None]),
        (partial(MASK, out_channels=2), [torch.randn(2, 12, 6, 5)]),
        (partial(ConvDecoder, CHANNELS, 3, upsamplings=1, proj_channels=4), []),
        (partial(ConvDecoder, CHANNELS, 3, upsamplings=2, proj_channels=None, low_level=False), []),
    ],
)
def test_conforms(make: Callable[[], nn.Module], inputs: list[object]) -> None:
    torch.manual_seed(0)
    check_block(make, features(), *inputs, compiled=make in (DADA, V3PLUS))


def test_parameter_counts_of_the_default_system() -> None:
    with torch.device("meta"):
        channels = [256, 2048]
        for decoder, parameters in [
            (DADADepthDecoder(channels), 3_776_865),
            (DeepLabV3PlusDecoder(channels, upstream_layout=True), 16_253_072),
            (MaskDecoder(channels), 542_377 - 9_576),  # upstream counts the vectors of spectral norm too
        ]:
            assert sum(p.numel() for p in decoder.parameters()) == parameters


def test_decoders_fit_an_encoder_at_any_size() -> None:
    encoder = MobileNetV2(width_multiplier=0.25).eval()
    x = torch.randn(1, 3, 45, 70)
    found = encoder(x)
    size = (45, 70)
    depth, fusion = DADADepthDecoder(encoder.out_channels, hidden_channels=8).eval()(found, size)
    assert depth.shape == (1, 1, *size)
    assert DeepLabV3PlusDecoder(encoder.out_channels, channels=8)(found, fusion, size).shape == (1, 11, *size)
    assert SeparableDecoder(encoder.out_channels)(found, fusion, size).shape == (1, 11, *size)
    assert MaskDecoder(encoder.out_channels)(found).shape == (1, 1, 48, 72)


@pytest.mark.parametrize("make", [DADA, V3PLUS, partial(V3PLUS, upstream_layout=True), SEPARABLE, MASK])
def test_trains_at_a_batch_of_one(make: Callable[[], nn.Module]) -> None:
    module = make().train()
    out = module(features(1, 2, 2))
    (out if isinstance(out, Tensor) else out[0]).sum().backward()


def test_depth_is_the_mean_of_the_bottleneck_without_upsampling() -> None:
    decoder = DADA(upsample=False).eval()
    depth, fusion = decoder(features())
    assert depth.shape == (2, 1, 6, 5)
    assert fusion.shape == (2, 12, 6, 5)
    assert DADA(fusion=False)(features())[1] is None


def test_depth_at_its_own_size_is_not_resized() -> None:
    for resize in ("bilinear", "bicubic", "upstream"):
        decoder = DADA(resize=resize).eval()
        maps = features()
        assert torch.equal(decoder(maps)[0], decoder(maps, (12, 10))[0])
        assert decoder(maps, (12, 11))[0].shape == (
            2,
            1,
            12,
            11,
        )  # a width alone is noticed, and so is a height
        assert decoder(maps, (13, 10))[0].shape == (2, 1, 13, 10)


@pytest.mark.parametrize("make", [V3PLUS, SEPARABLE, MASK])
def test_fusion_multiplies_the_coarse_features(make: Callable[[], nn.Module]) -> None:
    decoder = make().eval()
    maps, fusion = features(), torch.randn(2, 12, 6, 5)
    torch.testing.assert_close(decoder(maps, fusion), decoder([maps[0], maps[1] * fusion]))
    with pytest.raises(ValueError, match="fusion must be"):
        decoder(maps, fusion[..., :-1])


def test_v3plus_refines_at_the_resolution_of_the_low_features() -> None:
    maps = features()
    assert V3PLUS()(maps).shape == (2, 5, 12, 10)
    assert V3PLUS(upstream_layout=True)(maps).shape == (2, 5, 8, 7)  # coarse features, two pixels larger
    assert ASPP(12, channels=4, upstream_layout=True)(maps[1]).shape == (2, 4, 8, 7)


def test_v3plus_sees_single_low_level_pixels() -> None:
    decoder = V3PLUS().eval()
    maps = features(1)
    changed = [maps[0].clone(), maps[1]]
    changed[0][..., 3, 3] += 5
    difference = (decoder(changed) - decoder(maps)).abs().amax(1)[0]
    rows, columns = difference.nonzero(as_tuple=True)
    assert {1, 5} == {int(rows.min()), int(rows.max())}  # two 3x3 convolutions reach two pixels
    assert int(columns.max()) == 5


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


def test_mask_options() -> None:
    x = features()
    assert MaskDecoder([12], low_level=False)([x[1]]).shape == (2, 1, 48, 40)
    assert MASK(low_level=False)(x).shape == (2, 1, 48, 40)
    assert MASK(upsamplings=0)(x).shape == (2, 1, 6, 5)
    assert MASK(residual_blocks=0, norm=nn.BatchNorm2d, padding_mode="zeros")(x).shape == (2, 1, 48, 40)
    probabilities = MASK(output_activation=nn.Sigmoid)(x)
    assert torch.equal(probabilities, probabilities.clamp(0, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(MaskDecoder, [12]), "low-level features too"),
        (partial(MaskDecoder, CHANNELS, proj_channels=None), "proj_channels must be a number"),
        (partial(MaskDecoder, CHANNELS, proj_channels=12), "multiple of 8 for 3 upsamplings, got 12: use 16"),
        (partial(MaskDecoder, CHANNELS, upsamplings=-1), "upsamplings and residual_blocks"),
        (partial(DADADepthDecoder, CHANNELS, resize="nearest"), "resize must be one of"),
        (partial(DADADepthDecoder, CHANNELS, hidden_channels=0), "must be >= 1"),
        (partial(DeepLabV3PlusDecoder, [12]), "low-level features too"),
        (partial(DeepLabV3PlusDecoder, CHANNELS, 0), "num_classes must be >= 1"),
        (partial(SeparableDecoder, CHANNELS, 0), "num_classes and channels"),
        (partial(ASPP, 0), "in_channels must be >= 1"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("make", [DADA, V3PLUS, SEPARABLE, MASK])
def test_features_of_another_encoder_are_refused(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"features must have \[8, 12\] channels, got \[12, 8\]"):
        make()(features()[::-1])
