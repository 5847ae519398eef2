"""Convolution and residual blocks."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gancomponents.layers import (
    AdaptiveInstanceNorm,
    ChannelLayerNorm,
    ConvBlock,
    InstanceNorm,
    PreActivationBlock,
    ResidualBlock,
    leaky_relu,
    spectral_norms,
)


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
    [
        (None, True),
        (nn.BatchNorm2d, False),
        (InstanceNorm, False),
        (AdaptiveInstanceNorm, False),
        (ChannelLayerNorm, True),
    ],
)
def test_bias_is_left_out_where_the_norm_subtracts_it(
    norm: Callable[[int], nn.Module] | None, expected: bool
) -> None:
    assert (ConvBlock(3, 4, norm=norm).conv.bias is not None) == expected
    assert ConvBlock(3, 4, norm=norm, bias=True).conv.bias is not None
    assert ConvBlock(3, 4, norm=norm, bias=False).conv.bias is None


@pytest.mark.known_bug(5)
def test_batch_norm_after_spectral_norm_leaves_no_idle_bias() -> None:
    assert ConvBlock(3, 4, norm=nn.BatchNorm2d, spectral=True).conv.bias is None
    published = ConvBlock(3, 4, norm=nn.BatchNorm2d, spectral=True, bias=True)
    x = torch.randn(2, 3, 5, 4)
    before = published(x)
    nn.init.constant_(published.conv.bias, 7)
    torch.testing.assert_close(published(x), before, rtol=1e-4, atol=1e-4)  # what makes it idle


@pytest.mark.parametrize(
    "activation", [None, nn.ReLU, leaky_relu, nn.PReLU, nn.SELU, nn.Tanh, nn.Sigmoid, nn.GELU]
)
def test_any_activation_comes_last(activation: Callable[[], nn.Module] | None) -> None:
    block = ConvBlock(3, 4, activation=activation)
    x = torch.randn(2, 3, 5, 4)
    y = block.conv(x)
    torch.testing.assert_close(block(x), y if activation is None else activation()(y))


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


@pytest.mark.known_bug(6)
def test_residual_block_works_with_its_defaults() -> None:
    block = ResidualBlock(3)
    assert block.block1.norm is None
    assert block(torch.zeros(1, 3, 4, 4)).shape == (1, 3, 4, 4)


@pytest.mark.known_bug(6)
def test_styles_reach_the_norms_of_a_residual_block_in_order() -> None:
    block = ResidualBlock(3, norm=AdaptiveInstanceNorm).double()
    x = torch.randn(2, 3, 6, 5).double()
    first, second = torch.randn(2, 2, 3).double(), torch.randn(2, 2, 3).double()
    y = block.block2.conv(F.relu(block.block1.norm(block.block1.conv(x), *first)))
    torch.testing.assert_close(block(x, *first, *second), x + block.block2.norm(y, *second))


def test_pre_activation_block_starts_as_its_shortcut() -> None:
    block = PreActivationBlock(3, 5)
    x = torch.randn(2, 3, 5, 4)
    assert torch.equal(block(x), block.shortcut(x))


def test_pre_activation_block_is_norm_activation_convolution_twice() -> None:
    block = PreActivationBlock(3, 3, norm=nn.BatchNorm2d, activation=nn.Tanh)
    nn.init.normal_(block.conv2.weight)
    x = torch.randn(2, 3, 5, 4)
    y = block.conv2(block.norm2(block.conv1(block.norm1(x).tanh())).tanh())
    torch.testing.assert_close(block(x), x + y)


def test_spectrally_normalised_pre_activation_block_is_finite() -> None:
    block = PreActivationBlock(3, 5, spectral=True)
    assert len(list(spectral_norms(block))) == 3
    assert block(torch.randn(2, 3, 5, 4)).isfinite().all()


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


@pytest.mark.parametrize("name", ["in_channels", "out_channels"])
def test_pre_activation_block_refuses_bad_widths(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0"):
        PreActivationBlock(**{"in_channels": 3, "out_channels": 3, name: 0})


def test_a_style_that_no_norm_would_take_is_refused() -> None:
    x, style = torch.randn(2, 3, 5, 4), torch.ones(2, 3)
    with pytest.raises(ValueError, match="style must be left out without a norm, got 2 tensors"):
        ConvBlock(3, 3)(x, style, style)
    with pytest.raises(ValueError, match="style must be left out without a norm"):
        ResidualBlock(3)(x, style)


def test_an_input_too_small_to_reflect_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 3x3"):
        ConvBlock(1, 1, 5, padding_mode="reflect")(torch.zeros(1, 1, 2, 8))
