"""MobileNet-v2: size, dilations, shortcuts."""

from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.encoders import InvertedResidual, MobileNetV2


def test_full_size() -> None:
    with torch.device("meta"):
        encoder = MobileNetV2()
    assert sum(p.numel() for p in encoder.parameters()) == 1_811_712
    assert encoder.out_channels == [24, 320]


@pytest.mark.known_bug(10)
def test_the_whole_last_block_dilates_or_only_its_first_units() -> None:
    def dilations(encoder: MobileNetV2) -> list[int]:
        return [m.dilation[0] for m in encoder.block5.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]

    with torch.device("meta"):  # and no file of weights is asked for
        assert dilations(MobileNetV2()) == [2, 2, 2, 2]
        assert dilations(MobileNetV2(dilate_repeats=False)) == [2, 1, 1, 2]


def test_residual_units_skip_where_shapes_agree() -> None:
    assert InvertedResidual(8, 8).skip
    assert not InvertedResidual(8, 8, stride=2).skip
    assert not InvertedResidual(8, 16).skip


def test_gradients_of_an_inverted_residual() -> None:
    block = InvertedResidual(2, 2, expansion=2, dilation=2).double().eval()
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, [x])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(MobileNetV2, 0), "in_channels must be >= 1"),
        (partial(MobileNetV2, width_multiplier=0.0), "width_multiplier must be > 0"),
    ],
)
def test_bad_arguments_are_refused(make: partial[MobileNetV2], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
