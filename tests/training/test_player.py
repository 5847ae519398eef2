import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from gancomponents.optim import ExtraAdam
from gancomponents.training import Batch, Losses, Objective, Player


class _Line(nn.Module):
    """Fits one number, by two terms, and never trains its offset."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.offset = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, batch: Batch, shared: Mapping[str, Any]) -> tuple[Losses, dict[str, Any]]:
        y = self.weight * batch["s"]["x"] + self.offset
        return {"square": y.square().mean(), "plain": y.mean()}, {"y": y.detach()}


BATCH = {"s": {"x": torch.full((2,), 3.0)}}


def test_an_update_follows_the_sum_of_the_terms() -> None:
    objective: Objective = _Line()
    player = Player(objective, lambda p: torch.optim.SGD(p, lr=0.1), lambda step: 0.5**step)
    losses, outputs = player.objective(BATCH, {})
    assert set(losses) == {"square", "plain"}
    assert outputs["y"].tolist() == [4, 4]
    player.update(losses, step=1)
    # d/dw of (3 w + 1)^2 + (3 w + 1) at 1 is 27; the schedule has halved the rate.
    assert objective.weight.item() == pytest.approx(1 - 0.05 * 27)
    assert objective.offset.item() == 1


def test_freezing_leaves_alone_what_was_never_trained() -> None:
    objective = _Line()
    player = Player(objective, lambda p: torch.optim.SGD(p, lr=0.1))
    assert player.parameters == [objective.weight]
    player.freeze(True)
    assert not objective.weight.requires_grad
    player.freeze(False)
    assert objective.weight.requires_grad
    assert not objective.offset.requires_grad


def test_named_groups_have_rates_of_their_own() -> None:
    def make(parameters: Any) -> torch.optim.Optimizer:
        first, second = parameters
        groups = [{"params": [first], "name": "encoder", "lr": 0.3}, {"params": [second], "lr": 0.2}]
        return torch.optim.SGD(groups)

    player = Player(nn.Linear(2, 1), make)
    assert player.learning_rates("lr") == {"lr/encoder": 0.3, "lr": 0.2}


def test_settled_weights_are_the_anchor_of_an_optimiser_that_looks_ahead() -> None:
    objective = _Line()
    player = Player(objective, lambda p: ExtraAdam(p, lr=0.1))
    player.update(player.objective(BATCH, {})[0], step=0)
    ahead = objective.weight.item()
    assert ahead != 1
    with player.settled():
        assert objective.weight.item() == 1
    assert objective.weight.item() == ahead
    plain = Player(_Line(), lambda p: torch.optim.SGD(p, lr=0.1))
    with plain.settled():
        assert plain.objective.weight.item() == 1


def test_a_player_goes_on_from_its_state() -> None:
    def make() -> Player:
        return Player(_Line(), lambda p: torch.optim.Adam(p, lr=0.1))

    first, second = make(), make()
    for step in range(3):
        first.update(first.objective(BATCH, {})[0], step)
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # torch's optimisers share what they load
    for player in (first, second):
        player.update(player.objective(BATCH, {})[0], 3)
    assert torch.equal(first.objective.weight, second.objective.weight)
