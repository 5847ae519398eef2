import pytest
import torch
from torch import nn

from gancomponents.losses import clip_weights


@pytest.mark.known_bug(18)
def test_clips_the_critic_given_and_no_other() -> None:
    critic, other = (nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)) for _ in range(2))
    before = {name: value.clone() for name, value in other.state_dict().items()}
    clip_weights(critic, 0.02)
    for parameter in critic.parameters():
        assert parameter.abs().max() <= 0.02
        assert parameter.requires_grad
    assert critic[1].weight.tolist() == pytest.approx([0.02] * 3)
    assert critic[1].running_var.tolist() == [1.0] * 3  # statistics are no weights
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_small_and_frozen_weights_stay() -> None:
    critic = nn.Linear(2, 1)
    nn.init.constant_(critic.weight, 0.005)
    nn.init.constant_(critic.bias, 7.0)
    critic.bias.requires_grad_(False)
    clip_weights(critic)
    assert torch.equal(critic.weight, torch.full((1, 2), 0.005))
    assert critic.bias == 7


def test_bad_bound() -> None:
    with pytest.raises(ValueError, match=r"bound must be positive, got 0"):
        clip_weights(nn.Linear(1, 1), 0)
