"""Instance and layer norm, SPADE."""

from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.layers import (
    SPADE,
    AdaptiveInstanceNorm,
    ChannelLayerNorm,
    InstanceNorm,
    SPADEResidualBlock,
    upsample_nearest,
)


def test_instance_norm_equals_torch() -> None:
    x = torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(InstanceNorm(3)(x), nn.InstanceNorm2d(3)(x))
    with pytest.raises(ValueError, match="more than one pixel"):
        InstanceNorm(3)(torch.zeros(2, 3, 1, 1))


def test_layer_norm_is_per_sample_and_refuses_other_widths() -> None:
    norm = ChannelLayerNorm(3, eps=1e-12).double()
    y = norm(torch.randn(4, 3, 5, 6).double() * 7 + 2)
    torch.testing.assert_close(y.mean((1, 2, 3)), torch.zeros(4).double())
    torch.testing.assert_close(y.std((1, 2, 3)), torch.ones(4).double())
    with pytest.raises(ValueError, match="must have 3 channels"):
        norm(torch.zeros(1, 2, 4, 4))
    with pytest.raises(ValueError, match="channels must be >= 1"):
        ChannelLayerNorm(0)


@pytest.mark.known_bug(4)
def test_layer_norm_of_one_sample_is_that_of_a_batch() -> None:
    norm = ChannelLayerNorm(3).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(3, 3, 5, 6).double()
    alone = torch.cat([norm(sample[None]) for sample in x])
    torch.testing.assert_close(norm(x), alone, rtol=1e-12, atol=1e-12)


def test_adaptive_instance_norm_gives_each_channel_its_style() -> None:
    norm = AdaptiveInstanceNorm(3, eps=1e-12).double()
    weight, bias = torch.rand(2, 2, 3).double() + 0.5
    y = norm(torch.randn(2, 3, 8, 7).double() * 5 + 2, weight, bias)
    torch.testing.assert_close(y.mean((2, 3)), bias)
    torch.testing.assert_close(y.std((2, 3), correction=0), weight)


def test_adaptive_instance_norm_of_neutral_style_is_instance_norm() -> None:
    x = torch.randn(2, 3, 5, 4)
    y = AdaptiveInstanceNorm(3)(x, torch.ones(2, 3), torch.zeros(2, 3))
    torch.testing.assert_close(y, InstanceNorm(3)(x))


@pytest.mark.known_bug(6)
def test_adaptive_instance_norm_holds_no_style_between_calls() -> None:
    norm, x = AdaptiveInstanceNorm(3), torch.randn(2, 3, 5, 4)
    first, second = (torch.randn(2, 2, 3) for _ in range(2))
    expected = norm(x, *first)
    assert not torch.equal(norm(x, *second), expected)
    assert torch.equal(norm(x, *first), expected)
    assert not norm.state_dict()


def test_adaptive_instance_norm_refuses_what_does_not_fit() -> None:
    norm, x, style = AdaptiveInstanceNorm(3), torch.randn(2, 3, 5, 4), torch.ones(2, 3)
    with pytest.raises(ValueError, match="channels must be >= 1"):
        AdaptiveInstanceNorm(0)
    with pytest.raises(ValueError, match="x must have 3 channels"):
        norm(x[:, :2], style, style)
    with pytest.raises(ValueError, match=r"weight must be \(2, 3\), got \(6,\)"):
        norm(x, style.flatten(), style)
    with pytest.raises(ValueError, match=r"bias must be \(2, 3\), got \(1, 3\)"):
        norm(x, style, style[:1])
    with pytest.raises(ValueError, match="more than one pixel"):
        norm(x[..., :1, :1], style, style)


@pytest.mark.parametrize("norm", [InstanceNorm, partial(nn.BatchNorm2d, affine=False)])
def test_spade_without_weights_is_its_norm(norm: type[nn.Module]) -> None:
    layer = SPADE(4, 3, hidden_channels=8, norm=norm)
    nn.init.zeros_(layer.gamma_beta.weight)
    nn.init.zeros_(layer.gamma_beta.bias)
    x = torch.randn(2, 4, 6, 5)
    torch.testing.assert_close(layer(x, torch.randn(2, 3, 6, 5)), norm(4)(x))


def test_spade_reads_the_condition_pixel_by_pixel() -> None:
    layer = SPADE(2, 1, hidden_channels=4, kernel_size=1)
    x, cond = torch.randn(1, 2, 4, 4), torch.zeros(1, 1, 4, 4)
    changed = cond.clone()
    changed[..., 2, 1] = 5
    difference = (layer(x, changed) - layer(x, cond)).abs().sum(1)[0]
    assert difference.nonzero().tolist() == [[2, 1]]


def test_one_convolution_yields_scale_and_shift() -> None:
    layer = SPADE(4, 3, hidden_channels=8)
    x, cond = torch.randn(2, 4, 6, 5), torch.randn(2, 3, 6, 5)
    gamma, beta = layer.gamma_beta(layer.shared(cond).relu()).split(4, 1)
    torch.testing.assert_close(layer(x, cond), InstanceNorm(4)(x) * (1 + gamma) + beta)


def test_the_condition_is_resized_once_per_block(monkeypatch: pytest.MonkeyPatch) -> None:
    block = SPADEResidualBlock(4, 2, 3, hidden_channels=4)
    sizes = []

    def counted(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        if tuple(x.shape[-2:]) != tuple(size):
            sizes.append(tuple(x.shape))
        return upsample_nearest(x, size)

    monkeypatch.setattr("gancomponents.layers.spade.upsample_nearest", counted)
    block(torch.randn(1, 4, 6, 5), torch.randn(1, 3, 13, 9))
    assert sizes == [(1, 3, 13, 9)]


def test_condition_may_be_resized_before_or_within() -> None:
    block = SPADEResidualBlock(4, 2, 3, hidden_channels=4).eval()
    x, cond = torch.randn(1, 4, 4, 4), torch.randn(1, 3, 8, 8)
    assert torch.equal(block(x, cond), block(x, cond[..., ::2, ::2]))


def test_spade_refuses_bad_arguments() -> None:
    with pytest.raises(ValueError, match="kernel_size must be odd"):
        SPADE(4, 3, kernel_size=2)
    with pytest.raises(ValueError, match="cond_channels must be >= 1"):
        SPADE(4, 0)
    with pytest.raises(ValueError, match="out_channels must be >= 1"):
        SPADEResidualBlock(4, 0, 3)
    for channels, cond in ((4, (1, 2, 4, 4)), (4, (2, 3, 4, 4))):
        with pytest.raises(ValueError, match=r"cond must be \(1, 3, h, w\)"):
            SPADE(4, 3)(torch.zeros(1, channels, 4, 4), torch.zeros(cond))
    for channels in (1, 5):  # one channel would broadcast
        with pytest.raises(ValueError, match=r"x must be \(B, 4, H, W\)"):
            SPADE(4, 3)(torch.zeros(1, channels, 4, 4), torch.zeros(1, 3, 4, 4))
