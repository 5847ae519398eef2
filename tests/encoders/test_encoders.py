"""DeepLab-v3 ResNet and MobileNet-v2."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.encoders import Bottleneck, DeepLabV3ResNet, Encoder, InvertedResidual, MobileNetV2
from tests.layers.conformance import check_block

SMALL: dict[str, Callable[[], nn.Module]] = {
    "resnet8": partial(DeepLabV3ResNet, width=4, blocks=(1, 1, 1, 3)),
    "resnet16": partial(DeepLabV3ResNet, width=4, blocks=(1, 1, 2, 1), output_stride=16, multi_grid=[1]),
    "mobilenet": partial(MobileNetV2, width_multiplier=0.25),
}


@pytest.mark.parametrize("name", SMALL)
def test_conforms(name: str) -> None:
    check_block(SMALL[name], torch.randn(2, 3, 32, 48), compiled=name == "resnet8")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (65, 32), (50, 100), (127, 63)])
def test_feature_sizes_and_channels_are_as_announced(name: str, size: tuple[int, int]) -> None:
    encoder = SMALL[name]()
    assert isinstance(encoder, Encoder)
    features = encoder(torch.randn(1, 3, *size))
    expected = [
        (1, channels, -(-size[0] // stride), -(-size[1] // stride))
        for channels, stride in zip(encoder.out_channels, encoder.strides, strict=True)
    ]
    assert [tuple(f.shape) for f in features] == expected


@pytest.mark.parametrize("name", SMALL)
def test_smallest_size(name: str) -> None:
    encoder = SMALL[name]()
    smallest = encoder.min_size
    encoder(torch.randn(1, 3, smallest, smallest))  # trains at a batch of one
    with pytest.raises(ValueError, match=f"got {smallest - 1}x90: resize or pad the image to {smallest}x90"):
        encoder(torch.zeros(1, 3, smallest - 1, 90))
    with pytest.raises(ValueError, match=r"must be \(B, 3, H, W\)"):
        encoder(torch.zeros(1, 4, 64, 64))


def test_full_sizes() -> None:
    with torch.device("meta"):
        for encoder, parameters, channels in [
            (DeepLabV3ResNet(), 42_500_160, [256, 2048]),
            (DeepLabV3ResNet(output_stride=16), 42_500_160, [256, 2048]),
            (MobileNetV2(), 1_811_712, [24, 320]),
        ]:
            assert sum(p.numel() for p in encoder.parameters()) == parameters
            assert encoder.out_channels == channels


@pytest.mark.parametrize(
    ("output_stride", "strides", "dilations"),
    [(8, [1, 2, 1, 1], [1, 1, 2, 4, 8, 16]), (16, [1, 2, 2, 1], [1, 1, 1, 2, 4, 8])],
)
def test_strides_and_dilations(output_stride: int, strides: list[int], dilations: list[int]) -> None:
    encoder = DeepLabV3ResNet(width=4, blocks=(1, 1, 1, 3), output_stride=output_stride)
    layers = [encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4]
    assert [layer[0].conv2.stride[0] for layer in layers] == strides
    assert [block.conv2.dilation[0] for layer in layers for block in layer] == dilations


def test_mobilenet_dilates_the_first_units_or_all() -> None:
    def dilations(encoder: MobileNetV2) -> list[int]:
        return [m.dilation[0] for m in encoder.block5.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]

    assert dilations(MobileNetV2()) == [2, 1, 1, 2]
    assert dilations(MobileNetV2(dilate_repeats=True)) == [2, 2, 2, 2]


@pytest.mark.parametrize("in_channels", [1, 4])
def test_other_numbers_of_channels(in_channels: int) -> None:
    x = torch.randn(2, in_channels, 32, 32)
    DeepLabV3ResNet(in_channels, width=4, blocks=(1, 1, 1, 1), multi_grid=(1,))(x)
    MobileNetV2(in_channels, width_multiplier=0.25)(x)


def test_residual_units_skip_where_shapes_agree() -> None:
    assert Bottleneck(8, 2).downsample is None
    assert Bottleneck(8, 2, stride=2).downsample is not None
    assert Bottleneck(4, 2).downsample is not None
    assert InvertedResidual(8, 8).skip
    assert not InvertedResidual(8, 8, stride=2).skip
    assert not InvertedResidual(8, 16).skip


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(DeepLabV3ResNet, 0), "in_channels must be >= 1"),
        (partial(DeepLabV3ResNet, width=0), "width must be >= 1"),
        (partial(DeepLabV3ResNet, output_stride=4), "output_stride must be 8 or 16"),
        (partial(DeepLabV3ResNet, blocks=(3, 4, 6)), "blocks must be four numbers"),
        (partial(DeepLabV3ResNet, blocks=(3, 4, 0, 3)), "blocks must be four numbers"),
        (partial(DeepLabV3ResNet, blocks=(1, 1, 1, 2)), "multi_grid must be 2 numbers"),
        (partial(MobileNetV2, 0), "in_channels must be >= 1"),
        (partial(MobileNetV2, width_multiplier=0.0), "width_multiplier must be > 0"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
