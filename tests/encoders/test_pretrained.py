"""The adapter to segmentation-models-pytorch and timm."""

from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.encoders import PretrainedEncoder


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("resnet18", [64, 128, 256, 512]),  # first entry: the image itself
        ("mit_b0", [32, 64, 160, 256]),  # second entry: no channels
        ("vgg11", [256, 512, 512, 512]),  # first entry: real features at full resolution
        ("tu-test_convnext", [24, 32, 48, 64]),
    ],
)
def test_entries_without_features_are_left_out(name: str, channels: list[int]) -> None:
    with torch.device("cpu" if name == "mit_b0" else "meta"):  # MiT reads values as it is built
        encoder = PretrainedEncoder(name)
        features = encoder(torch.zeros(1, 3, 65, 96))
    assert encoder.out_channels == channels
    assert encoder.strides == [4, 8, 16, 32]
    sides = [(17, 24), (9, 12), (5, 6), (3, 3)]
    assert [tuple(f.shape[1:]) for f in features] == [(c, *s) for c, s in zip(channels, sides, strict=True)]


def test_features_are_the_librarys_own() -> None:
    encoder = PretrainedEncoder("tu-test_resnet").eval()
    x = torch.randn(1, 3, 64, 96)
    theirs = encoder.encoder(x)
    assert all(torch.equal(a, b) for a, b in zip(encoder(x), theirs[2:], strict=True))
    padded = nn.functional.pad(x[..., :90], (0, 6, 0, 0), mode="replicate")
    odd = encoder(x[..., :90])
    assert torch.equal(odd[0], encoder(padded)[0][..., :23])


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_output_strides(output_stride: int) -> None:
    encoder = PretrainedEncoder("tu-test_resnet", output_stride=output_stride)
    assert encoder.strides == [min(stride, output_stride) for stride in (4, 8, 16, 32)]
    side = -(-70 // output_stride)
    assert encoder(torch.randn(1, 3, 70, 70))[-1].shape[-2:] == (side, side)


def test_finer_and_fewer_stages() -> None:
    assert PretrainedEncoder("tu-test_resnet", finest_stride=2).strides == [2, 4, 8, 16, 32]
    assert PretrainedEncoder("tu-test_resnet", depth=3).strides == [4, 8]
    assert PretrainedEncoder("tu-test_convnext", finest_stride=2, depth=3).strides == [4, 8]
    with pytest.raises(ValueError, match=r"finest_stride must be one of \[2\] at depth 1, got 4"):
        PretrainedEncoder("tu-test_resnet", depth=1)


def test_windows_that_need_larger_multiples_name_it() -> None:
    with torch.device("meta"):
        encoder = PretrainedEncoder("tu-mobilevitv2_050")
        with pytest.raises(ValueError, match=r"use PretrainedEncoder\(..., multiple=64\)"):
            encoder(torch.zeros(1, 3, 64, 96))
        larger = PretrainedEncoder("tu-mobilevitv2_050", multiple=64)
        assert larger(torch.zeros(1, 3, 64, 96))[-1].shape[-2:] == (2, 3)


def test_options_reach_timm() -> None:
    encoder = PretrainedEncoder("tu-test_resnet", options={"drop_path_rate": 0.5})
    rates = [m.drop_prob for m in encoder.modules() if hasattr(m, "drop_prob")]
    assert max(rates) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(PretrainedEncoder, "resnot18"), "got 'resnot18': did you mean 'resnet18'"),
        (partial(PretrainedEncoder, "tu-convnext_atoo"), "did you mean 'tu-convnext_atto'"),
        (partial(PretrainedEncoder, "convnext_tiny"), "did you mean 'tu-convnext_tiny'"),
        (
            partial(PretrainedEncoder, "resnet18", weights="imagenot"),
            "weights must be None or one of .*'imagenet'",
        ),
        (
            partial(PretrainedEncoder, "resnet18", options={"drop_rate": 0.1}),
            "options must be empty for 'resnet18'",
        ),
        (partial(PretrainedEncoder, "resnet18", 0), "in_channels must be >= 1"),
        (partial(PretrainedEncoder, "resnet18", output_stride=4), "output_stride must be 8, 16 or 32"),
        (partial(PretrainedEncoder, "resnet18", depth=6), "depth must be between 1 and 5"),
        (partial(PretrainedEncoder, "resnet18", multiple=0), "multiple must be >= 1"),
    ],
)
def test_bad_arguments_are_refused(make: partial[PretrainedEncoder], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
