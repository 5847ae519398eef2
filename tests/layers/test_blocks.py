"""Convolution and residual blocks."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gancomponents.layers import ChannelLayerNorm, ConvBlock, InstanceNorm, ResidualBlock, leaky_relu
from tests.layers.conformance import check_block


@pytest.mark.parametrize("norm", [None, nn.BatchNorm2d, InstanceNorm, ChannelLayerNorm])
@pytest.mark.parametrize("spectral", [False, True])
def test_blocks_conform(norm: Callable[[int], nn.Module] | None, spectral: bool) -> None:
    settings = {"norm": norm, "spectral": spectral, "padding_mode": "reflect"}
    check_block(partial(ConvBlock, 3, 4, **settings), torch.randn(2, 3, 7, 6), compiled=norm is None)
    check_block(partial(ResidualBlock, 3, **settings), torch.randn(2, 3, 7, 6), compiled=norm is None)


@pytest.mark.parametrize(
    ("padding_mode", "pad"), [("zeros", "constant"), ("reflect", "reflect"), ("replicate", "replicate")]
)
def test_block_is_pad_conv_norm_activation(padding_mode: str, pad: str) -> None:
    block = ConvBlock(
        3,
        4,
        3,
        stride=2,
        padding=2,
        dilation=2,
        norm=nn.BatchNorm2d,
        activation=nn.Tanh,
        padding_mode=padding_mode,
    ).eval()
    x = torch.randn(2, 3, 9, 8)
    y = F.conv2d(F.pad(x, (2, 2, 2, 2), mode=pad), block.conv.weight, None, 2, 0, 2)
    torch.testing.assert_close(block(x), torch.tanh(block.norm(y)))


@pytest.mark.parametrize(
    ("norm", "expected"),
    [(None, True), (nn.BatchNorm2d, False), (InstanceNorm, False), (ChannelLayerNorm, True)],
)
def test_bias_is_left_out_where_the_norm_subtracts_it(
    norm: Callable[[int], nn.Module] | None, expected: bool
) -> None:
    assert (ConvBlock(3, 4, norm=norm).conv.bias is not None) == expected
    assert ConvBlock(3, 4, norm=norm, bias=True).conv.bias is not None
    assert ConvBlock(3, 4, norm=norm, bias=False).conv.bias is None


def test_same_padding_keeps_the_size() -> None:
    for kernel_size, dilation in [(1, 1), (3, 1), (3, 4), (5, 2)]:
        block = ConvBlock(2, 2, kernel_size, dilation=dilation)
        assert block(torch.zeros(1, 2, 17, 9)).shape == (1, 2, 17, 9)


def test_residual_block_without_weights_is_the_identity() -> None:
    block = ResidualBlock(3, activation=leaky_relu)
    nn.init.zeros_(block.block2.conv.weight)
    nn.init.zeros_(block.block2.conv.bias)
    x = torch.randn(2, 3, 5, 4)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels must be >= 1"),
        ({"stride": 0}, "stride must be >= 1"),
        ({"kernel_size": 4}, "padding must be given"),
        ({"padding_mode": "mirror"}, "padding_mode must be one of"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConvBlock(**{"in_channels": 3, "out_channels": 3, **arguments})  # type: ignore[arg-type]


def test_an_input_too_small_to_reflect_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 3x3"):
        ConvBlock(1, 1, 5, padding_mode="reflect")(torch.zeros(1, 1, 2, 8))
