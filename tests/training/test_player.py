import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from gancomponents.optim import ExponentialMovingAverage, ExtraAdam
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


def _average(module: nn.Module) -> ExponentialMovingAverage:
    return ExponentialMovingAverage(module, decay=0.5, warmup=False)


def test_averages_are_what_is_judged_and_the_trained_weights_can_be_had() -> None:
    objective = _Line()
    player = Player(objective, lambda p: torch.optim.SGD(p, lr=0.1), average=_average)
    player.update(player.objective(BATCH, {})[0], step=0)
    trained = objective.weight.item()
    with player.settled():
        assert objective.weight.item() == pytest.approx((1 + trained) / 2)
    with player.settled(averaged=False):
        assert objective.weight.item() == trained
    assert objective.weight.item() == trained


def test_averages_are_of_anchors_once_per_pair() -> None:
    objective = _Line()
    player = Player(objective, lambda p: ExtraAdam(p, lr=0.1), average=_average)
    player.update(player.objective(BATCH, {})[0], step=0)  # a look-ahead, which counts for nothing
    assert player.average is not None
    assert player.average.updates == 0
    for averaged in (True, False):
        with player.settled(averaged=averaged):
            assert objective.weight.item() == 1
    player.update(player.objective(BATCH, {})[0], step=1)
    assert player.average.updates == 1
    with player.settled(averaged=False):
        anchor = objective.weight.item()
    with player.settled():
        assert objective.weight.item() == pytest.approx((1 + anchor) / 2)


def test_averages_that_begin_on_a_look_ahead_begin_at_its_anchor() -> None:
    player = Player(_Line(), lambda p: ExtraAdam(p, lr=0.1))
    player.update(player.objective(BATCH, {})[0], step=0)
    late = Player(_Line(), lambda p: ExtraAdam(p, lr=0.1), average=_average)
    late.load_state_dict(copy.deepcopy(player.state_dict()))
    with late.settled():
        assert late.objective.weight.item() == 1
    assert late.objective.weight.item() == player.objective.weight.item() != 1


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_player_with_averages_goes_on_exactly(stop: int) -> None:
    def make() -> Player:
        return Player(_Line(), lambda p: ExtraAdam(p, lr=0.1), average=_average)

    first, second = make(), make()
    for step in range(stop):
        first.update(first.objective(BATCH, {})[0], step)
    second.update(second.objective(BATCH, {})[0], 0)  # averages of its own, to be replaced
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for player in (first, second):
        for step in range(stop, 5):
            player.update(player.objective(BATCH, {})[0], step)
    with first.settled(), second.settled():
        assert torch.equal(first.objective.weight, second.objective.weight)
    assert torch.equal(first.objective.weight, second.objective.weight)


def test_the_optimisers_state_goes_by_name_whatever_the_groups() -> None:
    objective = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    player = Player(objective, torch.optim.Adam, rates={"1": 1e-3})
    objective(torch.ones(1, 2)).sum().backward()
    player.optimiser.step()
    state = player.state_dict()["optimiser"]
    assert state["kind"] == "Adam"
    assert [group["params"] for group in state["param_groups"]] == [
        ["1.weight", "1.bias"],
        ["0.weight", "0.bias"],
    ]
    for name, p in objective.named_parameters():
        assert torch.equal(state["state"][name]["exp_avg"], 0.1 * p.grad)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: Player(_Line(), lambda p: torch.optim.SGD(p, lr=0.1)), "must be of SGD, got Adam"),
        (lambda: Player(nn.Linear(1, 1), torch.optim.Adam), r"got 'bias' \(1 in all\)"),
    ],
)
def test_a_state_of_something_else_changes_nothing(other: Any, message: str) -> None:
    player, state = other(), Player(_Line(), torch.optim.Adam).state_dict()
    before = copy.deepcopy(player.objective.state_dict())
    with pytest.raises(ValueError, match=message):
        player.load_state_dict(state)
    assert all(torch.equal(value, before[key]) for key, value in player.objective.state_dict().items())


def test_other_groups_are_refused() -> None:
    plain = Player(nn.Linear(1, 1), torch.optim.Adam)
    grouped = Player(nn.Linear(1, 1), torch.optim.Adam, rates={"bias": 1e-4})
    with pytest.raises(ValueError, match="got them in other groups"):
        grouped.load_state_dict(plain.state_dict())
