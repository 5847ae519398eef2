"""What every encoder promises, and a user's own encoder in every decoder."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gancomponents import decoders
from gancomponents.encoders import DeepLabV2ResNet, DeepLabV3ResNet, Encoder, MobileNetV2, PretrainedEncoder

SMALL: dict[str, Callable[[], nn.Module]] = {
    "resnet8": partial(DeepLabV3ResNet, width=4, blocks=(1, 1, 1, 3)),
    "resnet16": partial(DeepLabV3ResNet, width=4, blocks=(1, 1, 2, 1), output_stride=16, multi_grid=[1]),
    "v2": partial(DeepLabV2ResNet, width=4, blocks=(1, 1, 1, 1)),
    "mobilenet": partial(MobileNetV2, width_multiplier=0.25),
    "library": partial(PretrainedEncoder, "tu-test_resnet", output_stride=16),
}


class OwnEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out_channels = [6, 10]
        self.strides = [4, 8]
        self.fine = nn.Conv2d(3, 6, 7, stride=4, padding=3)
        self.coarse = nn.Conv2d(6, 10, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.fine(x).relu()
        return [fine, self.coarse(fine).relu()]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (65, 33), (50, 100), (127, 63)])
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
    with pytest.raises(ValueError, match=f"got {smallest - 1}x90: resize or pad it to {smallest}x90"):
        encoder(torch.zeros(1, 3, smallest - 1, 90))
    with pytest.raises(ValueError, match=r"must be \(B, 3, H, W\)"):
        encoder(torch.zeros(1, 4, 64, 64))


@pytest.mark.parametrize("in_channels", [1, 4])
@pytest.mark.parametrize("name", SMALL)
def test_other_numbers_of_channels(name: str, in_channels: int) -> None:
    SMALL[name](in_channels=in_channels)(torch.randn(2, in_channels, 33, 40))


@pytest.mark.parametrize(
    "encoder",
    [OwnEncoder, partial(PretrainedEncoder, "tu-test_convnext"), SMALL["v2"]],
    ids=["own", "library", "v2"],
)
def test_every_decoder_takes_any_encoder(encoder: Callable[[], nn.Module]) -> None:
    made = encoder()
    assert isinstance(made, Encoder)
    size, channels = (65, 82), made.out_channels
    x = torch.randn(1, 3, *size)
    features = made(x)
    depth, fusion = decoders.DADADepthDecoder(channels, hidden_channels=8)(features, size=size)
    plain, _ = decoders.DepthDecoder(channels, proj_channels=4)(features, size=size)
    assert depth.shape == plain.shape == (1, 1, *size)
    logits = [
        decoders.DeepLabV3PlusDecoder(channels, 5, channels=8)(features, fusion=fusion, size=size),
        decoders.DeepLabV2Decoder(channels, 5, channels=8)(features, fusion=fusion, size=size),
        decoders.SeparableDecoder(channels, 5)(features, fusion=fusion, size=size),
    ]
    assert all(map_.shape == (1, 5, *size) for map_ in logits)
    finer = tuple(8 * side for side in features[-1].shape[-2:])
    assert decoders.MaskDecoder(channels, proj_channels=8)(features, fusion=fusion).shape == (1, 1, *finer)
    cond = decoders.mask_condition(depth, logits[0], x)
    spade = decoders.SPADEMaskDecoder(channels, cond_channels=9, channels=8, hidden_channels=4)
    mask = spade(features, cond)
    assert mask.shape == (1, 1, *finer)
    torch.stack([t.square().mean() for t in (*logits, plain, mask)]).sum().backward()
    trained = [p for p in made.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)
