"""Scale, shift and activation in few passes, against the formula; and what SPADE keeps for its backward pass."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.layers import SPADE, InstanceNorm, SPADEResidualBlock
from gancomponents.layers.modulation import modulate


def _plain(normalised: Tensor, gamma_beta: Tensor, slope: float | None) -> Tensor:
    gamma, beta = gamma_beta.chunk(2, 1)
    y = normalised * (1 + gamma) + beta
    return y if slope is None else F.leaky_relu(y, slope)


@pytest.mark.parametrize("slope", [None, 0.2])
def test_equals_the_formula_and_its_gradient(slope: float | None) -> None:
    x, both = torch.randn(2, 3, 5, 4, requires_grad=True), torch.randn(2, 6, 5, 4, requires_grad=True)
    found, expected = modulate(x, both, slope), _plain(x, both, slope)
    torch.testing.assert_close(found, expected)
    weighting = torch.randn_like(found)
    gradients = [torch.autograd.grad((y * weighting).sum(), (x, both)) for y in (found, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("slope", [None, 0.2])
def test_gradcheck(slope: float | None) -> None:
    inputs = [torch.randn(1, c, 2, 3, dtype=torch.float64, requires_grad=True) for c in (2, 4)]
    assert torch.autograd.gradcheck(lambda *given: modulate(*given, slope), inputs)
    assert torch.autograd.gradgradcheck(lambda *given: modulate(*given, slope), inputs)


def test_mixed_precision_is_promoted() -> None:
    x, both = torch.randn(1, 2, 3, 3), torch.randn(1, 4, 3, 3, dtype=torch.bfloat16)
    torch.testing.assert_close(modulate(x, both), _plain(x, both.float(), None))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_and_its_gradient_in_every_memory_format(
    batch: int, memory_format: torch.memory_format
) -> None:
    x = torch.randn(batch, 3, 6, 5).to(memory_format=memory_format).requires_grad_()
    found = InstanceNorm(3)(x)
    # Not torch's own, whose gradient of one sample is wrong where what comes in is channels-last.
    spread, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    expected = (x - mean) / (spread + 1e-5).sqrt()
    torch.testing.assert_close(found, expected)
    assert found.stride() == x.stride()
    weighting = torch.randn_like(found)
    torch.testing.assert_close(
        *(torch.autograd.grad((y * weighting).sum(), x) for y in (found, expected)), rtol=1e-4, atol=1e-5
    )


class _PlainBlock(nn.Module):
    """SPADEResidualBlock as Park et al. write it, on the same weights."""

    def __init__(self, block: SPADEResidualBlock) -> None:
        super().__init__()
        self.block = block

    def _spade(self, layer: SPADE, x: Tensor, cond: Tensor) -> Tensor:
        hidden = F.relu(layer.shared(F.interpolate(cond, x.shape[-2:], mode="nearest")))
        gamma, beta = layer.gamma_beta(hidden).chunk(2, 1)
        return layer.norm(x) * (1 + gamma) + beta

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        block = self.block
        shortcut = x
        if block.norm_shortcut is not None:
            shortcut = block.conv_shortcut(self._spade(block.norm_shortcut, x, cond))
        y = block.conv_0(F.leaky_relu(self._spade(block.norm_0, x, cond), 0.2))
        return shortcut + block.conv_1(F.leaky_relu(self._spade(block.norm_1, y, cond), 0.2))


@pytest.mark.parametrize("out_channels", [4, 6])
def test_a_block_equals_the_plain_one(out_channels: int) -> None:
    block = SPADEResidualBlock(6, out_channels, 3, hidden_channels=8).eval()
    x, cond = torch.randn(2, 6, 8, 8, requires_grad=True), torch.randn(2, 3, 16, 16, requires_grad=True)
    found, expected = block(x, cond), _PlainBlock(block)(x, cond)
    torch.testing.assert_close(found, expected)
    weighting = torch.randn_like(found)
    inputs = (x, cond, *block.parameters())
    gradients = [torch.autograd.grad((y * weighting).sum(), inputs) for y in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_the_hidden_layer_is_not_kept() -> None:
    layer = SPADE(2, 3, hidden_channels=64)
    kept: list[torch.Size] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        layer(torch.randn(1, 2, 8, 8), torch.randn(1, 3, 8, 8))
    assert kept
    assert torch.Size([1, 64, 8, 8]) not in kept
