"""Depth decoders, and depth in buckets."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.decoders import (
    DADADepthDecoder,
    DepthDecoder,
    decode_bucketed_depth,
    encode_bucketed_depth,
)
from tests.decoders.blocks import CHANNELS, DADA, DEPTH, features


def test_parameter_counts_of_the_published_decoders() -> None:
    with torch.device("meta"):
        for decoder, parameters in [
            (DADADepthDecoder([256, 2048]), 3_776_865),
            (DepthDecoder([256, 2048], buckets=256), 125_920),
            (DepthDecoder([256, 2048], low_level=True), 164_849),
        ]:
            assert sum(p.numel() for p in decoder.parameters()) == parameters


def test_dada_is_the_mean_of_the_bottleneck_without_upsampling() -> None:
    decoder = DADA(upsample=False).eval()
    maps = features()
    depth, fusion = decoder(maps)
    torch.testing.assert_close(depth, decoder.encode(maps[1]).mean(1, keepdim=True))
    assert fusion.shape == (2, 12, 6, 5)
    assert DADA(fusion=False)(features())[1] is None


@pytest.mark.known_bug(9)
@pytest.mark.parametrize("resize", ["bilinear", "bicubic", "upstream"])
def test_depth_at_its_own_size_is_not_resized(resize: str) -> None:
    decoder = DADA(resize=resize).eval()
    maps = features()
    assert torch.equal(decoder(maps)[0], decoder(maps, size=(12, 10))[0])
    # A width alone is noticed, and so is a height; sizes are pairs.
    assert decoder(maps, size=(12, 11))[0].shape == (2, 1, 12, 11)
    assert decoder(maps, size=(13, 10))[0].shape == (2, 1, 13, 10)


@pytest.mark.known_bug(9)
def test_depth_is_resized_once_and_smoothly() -> None:
    maps = features()
    for resize in ("bilinear", "bicubic"):
        decoder = DADA(resize=resize).eval()
        small, large = decoder(maps)[0], decoder(maps, size=(24, 20))[0]
        torch.testing.assert_close(large, nn.functional.interpolate(small, (24, 20), mode=resize))


def test_plain_depth_has_no_fusion_and_says_so() -> None:
    maps = features()
    depth, fusion = DEPTH()(maps)
    assert depth.shape == (2, 1, 12, 10)
    assert fusion is None
    assert not DEPTH().makes_fusion
    assert not DADA(fusion=False).makes_fusion
    assert DADA().makes_fusion


def test_plain_depth_options() -> None:
    maps = features()
    assert DEPTH(upsample=False)(maps)[0].shape == (2, 1, 6, 5)
    assert DEPTH(buckets=7)(maps)[0].shape == (2, 7, 12, 10)
    assert (
        DEPTH(residual_blocks=0, norm=None, activation=nn.SELU, padding_mode="zeros")(maps)[0]
        .isfinite()
        .all()
    )
    assert DEPTH(proj_channels=None)(maps)[0].shape == (2, 1, 12, 10)
    low = [maps[0] + 1, maps[1]]
    decoder = DEPTH(low_level=True).eval()
    assert not torch.equal(decoder(maps)[0], decoder(low)[0])
    decoder = DEPTH().eval()
    assert torch.equal(decoder(maps)[0], decoder(low)[0])
    for upstream in (False, True):
        decoder = DEPTH(upstream_layout=upstream).eval()
        expected = nn.functional.interpolate(
            decoder(maps)[0], (25, 17), mode="bilinear", align_corners=upstream
        )
        torch.testing.assert_close(decoder(maps, size=(25, 17))[0], expected)


@pytest.mark.parametrize("buckets", [2, 3, 16, 256])
def test_buckets_hold_the_depth_they_stand_for(buckets: int) -> None:
    log = torch.linspace(0.36, 6.94, 1001, dtype=torch.float64).reshape(1, 1, 7, 143)
    bucket = encode_bucketed_depth(log.exp(), buckets)
    assert bucket.dtype is torch.int64
    assert bucket.min() >= 0
    assert bucket.max() <= buckets - 1
    one_hot = nn.functional.one_hot(bucket[:, 0], buckets).permute(0, 3, 1, 2).double()
    decoded = decode_bucketed_depth(one_hot)
    width = (6.95 - 0.35) / max(buckets - 2, 1)
    assert (decoded.log() - log).abs().max() <= width
    assert torch.equal(encode_bucketed_depth(decoded, buckets)[bucket > 0], bucket[bucket > 0])


def test_bucket_edges_and_beyond() -> None:
    edges = torch.linspace(0, 4, 5, dtype=torch.float64)
    bucket = partial(encode_bucketed_depth, buckets=6, lowest=0.0, highest=4.0)
    assert bucket((edges + 0.5).exp()).tolist() == [1, 2, 3, 4, 5]
    assert bucket(torch.tensor([0.0, 0.5, 1e9])).tolist() == [0, 0, 5]
    depth = decode_bucketed_depth(torch.eye(3)[None, :, :, None], lowest=0.0, highest=2.0)
    torch.testing.assert_close(depth.flatten(), torch.tensor([0.0, 1.0, 2.0]).exp())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(DADADepthDecoder, CHANNELS, resize="nearest"), "resize must be one of"),
        (partial(DADADepthDecoder, CHANNELS, hidden_channels=0), "must be >= 1"),
        (partial(DepthDecoder, CHANNELS, buckets=1), "buckets must be >= 2, got 1"),
        (partial(DepthDecoder, [12], low_level=True), "low-level features too"),
        (partial(encode_bucketed_depth, torch.ones(1), 1), "buckets must be >= 2"),
        (
            partial(encode_bucketed_depth, torch.ones(1), lowest=7.0),
            "highest must be above lowest, got 7.0 and 6.95",
        ),
        (partial(decode_bucketed_depth, torch.ones(3, 4, 4)), r"logits must be \(B, buckets, H, W\)"),
        (partial(decode_bucketed_depth, torch.ones(1, 1, 4, 4)), "buckets must be >= 2"),
        (partial(decode_bucketed_depth, torch.ones(1, 2, 4, 4), highest=0.1), "highest must be above lowest"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_depth_on_an_edge_belongs_to_the_bucket_beyond() -> None:
    # Edges at 0, 1 and 2 in the logarithm; one metre lies on the first.
    assert encode_bucketed_depth(torch.tensor([0.999, 1.0]), buckets=4, lowest=0.0, highest=2.0).tolist() == [
        0,
        1,
    ]
