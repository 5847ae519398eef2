"""Instance and layer norm, SPADE."""

from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.layers import SPADE, ChannelLayerNorm, InstanceNorm, SPADEResidualBlock
from tests.layers.conformance import check_block


def test_norms_conform() -> None:
    check_block(partial(InstanceNorm, 3), torch.randn(2, 3, 5, 4).requires_grad_())
    check_block(partial(ChannelLayerNorm, 3), torch.randn(2, 3, 5, 4))
    x, cond = torch.randn(2, 4, 6, 5), torch.randn(2, 3, 13, 9)
    check_block(partial(SPADE, 4, 3, hidden_channels=4), x, cond)
    check_block(partial(SPADEResidualBlock, 4, 2, 3, hidden_channels=4), x, cond)
    batch_norm = partial(nn.BatchNorm2d, affine=False)
    settings = {"hidden_channels": 4, "norm": batch_norm, "spectral": False, "activate_output": True}
    check_block(partial(SPADEResidualBlock, 4, 4, 3, **settings), x, cond)


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
    with pytest.raises(ValueError, match="cond must have 3 channels"):
        SPADE(4, 3)(torch.zeros(1, 4, 4, 4), torch.zeros(1, 2, 4, 4))
