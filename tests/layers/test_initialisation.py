"""Weight initialisation."""

import pytest
import torch
from torch import nn

from gancomponents.generators import SPADEPainter
from gancomponents.layers import ConvBlock, initialise, raw_weight, spectral_norm, spectral_norms


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize(
    ("scheme", "deviation"),
    [
        ("normal", 0.02),
        ("xavier", 0.02 * (2 / (32 * 9 + 64 * 9)) ** 0.5),
        ("xavier_uniform", (2 / (32 * 9 + 64 * 9)) ** 0.5),
        ("kaiming", (2 / (32 * 9)) ** 0.5),
        ("kaiming_fan_out", (2 / (64 * 9)) ** 0.5),
        ("orthogonal", 0.02 / (32 * 9) ** 0.5),
    ],
)
def test_schemes_reach_every_convolution(scheme: str, deviation: float, spectral: bool) -> None:
    block = initialise(ConvBlock(32, 64, norm=nn.BatchNorm2d, bias=True, spectral=spectral), scheme)
    weight = raw_weight(block.conv)
    assert abs(weight.std().item() / deviation - 1) < 0.05
    assert block.conv.bias.abs().max() == 0
    scale = block.norm.weight
    if scheme.startswith("kaiming"):
        assert torch.equal(scale, torch.ones(64))
    else:
        assert 0 < (scale - 1).abs().max() < 0.1
    for layer, _ in spectral_norms(block):
        largest = torch.linalg.svdvals(layer.eval().weight.flatten(1))[0]
        assert abs(largest.item() - 1) < 0.1  # the vectors suit the new weight


@pytest.mark.known_bug(3)
def test_the_painter_s_spectrally_normalised_weights_are_drawn_too() -> None:
    painter = SPADEPainter(4, upsamplings=2, hidden_channels=4)
    before = {layer: raw_weight(layer).clone() for layer, _ in spectral_norms(painter)}
    assert len(before) > 5
    initialise(painter, "normal", 0.5)
    for layer, old in before.items():
        assert not torch.equal(raw_weight(layer), old)
        assert layer.bias is None or layer.bias.abs().max() == 0


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="scheme must be one of"):
        initialise(nn.Linear(2, 2), "he")


def test_spectrally_normalised_layers_can_be_left_alone() -> None:
    layer = spectral_norm(nn.Conv2d(3, 4, 3))
    plain = nn.Conv2d(3, 4, 3)
    before = raw_weight(layer).clone()
    initialise(nn.Sequential(layer, plain), "xavier", 0.02, spectral=False)
    assert torch.equal(raw_weight(layer), before)
    assert plain.weight.std() < 0.01
