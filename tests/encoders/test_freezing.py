"""Frozen parts stay as they are, whatever trains around them."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from gancomponents.encoders import DeepLabV3ResNet, FrozenBatchNorm, MobileNetV2, freeze
from gancomponents.layers import ConvBlock


class _Whole(nn.Module):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.Conv2d(80, 2, 1), nn.BatchNorm2d(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(x)[-1])


@pytest.mark.known_bug(12)
def test_training_around_a_frozen_encoder_moves_nothing_in_it() -> None:
    whole = _Whole(freeze(MobileNetV2(width_multiplier=0.25))).train()
    whole.encoder.train()
    whole.encoder.block1.train()
    before = {key: value.clone() for key, value in whole.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in whole.parameters() if p.requires_grad], lr=0.1)
    x = torch.randn(2, 3, 40, 33, requires_grad=True)
    whole(x).square().sin().sum().backward()
    optimiser.step()
    after = whole.state_dict()
    moved = {key for key in after if not torch.equal(after[key], before[key])}
    assert {"head.0.weight", "head.1.running_mean", "head.1.num_batches_tracked"} <= moved
    assert all(key.startswith("head.") for key in moved)
    assert x.grad is not None
    assert x.grad.abs().max() > 0


def test_the_rest_keeps_its_mode_and_a_frozen_part_returns_itself() -> None:
    whole = _Whole(freeze(MobileNetV2(width_multiplier=0.25)))
    assert whole.train() is whole
    assert whole.head.training
    assert not whole.encoder.training
    assert not whole.eval().head.training
    assert whole.encoder.train() is whole.encoder
    assert whole.encoder.eval() is whole.encoder


@pytest.mark.parametrize("again", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_are_frozen_on_their_own(again: Callable[[nn.Module], Any]) -> None:
    encoder = freeze(DeepLabV3ResNet(width=4, blocks=(1, 1, 1, 1), multi_grid=(1,)))
    other = again(encoder)
    assert other.train() is other
    assert other.bn1.train() is other.bn1
    assert not any(layer.training for layer in other.modules())


def test_frozen_spectral_norm_no_longer_iterates() -> None:
    block = freeze(ConvBlock(3, 4, spectral=True)).train()
    state = {key: value.clone() for key, value in block.state_dict().items()}
    block(torch.randn(1, 3, 5, 5))
    assert all(torch.equal(value, state[key]) for key, value in block.state_dict().items())
    assert not pickle.loads(pickle.dumps(block)).train().training


def test_frozen_batch_norm_is_batch_norm_in_evaluation() -> None:
    norm = nn.BatchNorm2d(3)
    with torch.no_grad():
        for value in norm.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(3) + 0.5)
    frozen = FrozenBatchNorm(3)
    frozen.load_state_dict(norm.state_dict(), strict=True)
    x = torch.randn(1, 3, 4, 5)
    assert torch.equal(frozen.train()(x), norm.eval()(x))
    moving = FrozenBatchNorm(3, statistics=False)
    moving.load_state_dict(norm.state_dict())
    assert torch.equal(moving.train()(x), norm.train()(x))
    assert torch.equal(moving.running_mean, norm.running_mean)
    with pytest.raises(ValueError, match="channels must be >= 1, got 0"):
        FrozenBatchNorm(0)


@pytest.mark.parametrize("statistics", [True, False])
def test_gradients_of_frozen_batch_norm(statistics: bool) -> None:
    norm = FrozenBatchNorm(2, statistics=statistics).double()
    x = torch.randn(2, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, [x])
