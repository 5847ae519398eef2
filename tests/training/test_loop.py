"""The adversarial loop on a game small enough to check by hand."""

import copy

import pytest
import torch
from torch import nn

from gancomponents.optim import ExtraAdam, StepDecay
from gancomponents.training import AdversarialLoop, Player, Runtime


class _Forger(nn.Module):
    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.net = nn.Linear(2, 2)
        self._borrowed = (critic,)

    def forward(self, batch, shared):
        assert not any(p.requires_grad for p in self._borrowed[0].parameters())
        fake = self.net(batch["s"]["x"])
        noise = torch.rand(())  # label noise, which resuming must reproduce
        return {"gan": -self._borrowed[0](fake).mean() * (1 + noise)}, {"fake": fake.detach()}


class _Judge(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, batch, shared):
        assert not shared["fake"].requires_grad
        return {"real": -self.net(batch["s"]["x"]).mean(), "fake": self.net(shared["fake"]).mean()}, {}


def _loop(optimiser=None) -> AdversarialLoop:
    torch.manual_seed(1)
    critic = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    make = optimiser or (lambda p: ExtraAdam(p, lr=1e-2))
    generator = Player(_Forger(critic), make, StepDecay(every=3))
    return AdversarialLoop(generator, Player(_Judge(critic), make), Runtime("cpu", "fp32"))


def _batch(step: int):
    generator = torch.Generator().manual_seed(step)
    return {"s": {"x": torch.rand(4, 2, generator=generator), "paths": ["a"] * 4}}


def _weights(loop: AdversarialLoop) -> list[torch.Tensor]:
    return [p.detach().clone() for player in loop.players.values() for p in player.parameters]


def test_both_sides_move_and_losses_are_detached() -> None:
    loop = _loop()
    before = [
        p.detach().clone() for player in loop.players.values() for p in player.parameters if p.dim() > 1
    ]
    losses = loop.step(_batch(0), 0)
    after = [p for player in loop.players.values() for p in player.parameters if p.dim() > 1]
    assert set(losses) == {"gan", "real", "fake"}
    assert not any(loss.requires_grad for loss in losses.values())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_gradient_norms_are_those_of_the_last_step() -> None:
    loop = _loop(lambda p: torch.optim.SGD(p, lr=0.0))
    loop.step(_batch(0), 0)
    for name, player in loop.players.items():
        squares = sum(float((p.grad.double() ** 2).sum()) for p in player.parameters)
        assert float(loop.gradient_norms[name]) == pytest.approx(squares**0.5)


def test_a_step_equals_plain_torch_written_out() -> None:
    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=0.1)

    loop = _loop(sgd)
    forger, critic = copy.deepcopy(loop.generator.objective.net), copy.deepcopy(loop.critic.objective.net)
    loop.step(_batch(0), 0)

    torch.manual_seed(1)
    _loop(sgd)  # draws what building the first one drew, so that the noise is the same
    x = _batch(0)["s"]["x"]
    fake = forger(x)
    gradients = torch.autograd.grad(-critic(fake).mean() * (1 + torch.rand(())), list(forger.parameters()))
    loss = critic(fake.detach()).mean() - critic(x).mean()
    judged = torch.autograd.grad(loss, list(critic.parameters()))
    for p, g in zip([*forger.parameters(), *critic.parameters()], [*gradients, *judged], strict=True):
        p.data -= 0.1 * g
    for a, b in zip(_weights(loop), [*forger.parameters(), *critic.parameters()], strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_resuming_is_bit_exact_also_between_the_halves_of_a_pair(stop: int) -> None:
    whole = _loop()
    torch.manual_seed(7)
    for step in range(6):
        whole.step(_batch(step), step)

    first = _loop()
    torch.manual_seed(7)
    for step in range(stop):
        first.step(_batch(step), step)
    state = copy.deepcopy(first.state_dict())
    second = _loop()
    torch.manual_seed(99)
    second.load_state_dict(state)
    for step in range(stop, 6):
        second.step(_batch(step), step)
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(second), strict=True))


@pytest.mark.known_bug(36)
def test_schedules_are_functions_of_the_step() -> None:
    loop = _loop()
    loop.step(_batch(0), 5)
    assert loop.rates() == {"lr/generator": 0.005, "lr/critic": 0.01}


def test_settled_weights_are_not_look_ahead_ones() -> None:
    loop = _loop()
    before = _weights(loop)
    loop.step(_batch(0), 0)  # half a pair: an extrapolation
    looked_ahead = _weights(loop)
    with loop.generator.settled(), loop.critic.settled():
        assert all(torch.equal(a, b) for a, b in zip(before, _weights(loop), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(looked_ahead, _weights(loop), strict=True))


def test_a_recipe_without_a_critic_trains() -> None:
    class Regression(nn.Linear):
        def forward(self, batch, shared):
            return {"mse": super().forward(batch["s"]["x"]).square().mean()}, {}

    loop = AdversarialLoop(
        Player(Regression(2, 1), lambda p: torch.optim.SGD(p, lr=0.1)), None, Runtime("cpu", "fp32")
    )
    losses = [float(loop.step(_batch(0), step)["mse"]) for step in range(5)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.known_bug(42)
def test_extragradient_trains_under_autocast() -> None:
    loop = _loop()
    loop.runtime = Runtime("cpu", "bf16")
    before = _weights(loop)
    for step in range(4):
        losses = loop.step(_batch(step), step)
        assert all(loss.isfinite() for loss in losses.values())
    assert all(p.dtype is torch.float32 for p in _weights(loop))
    assert any(not torch.equal(a, b) for a, b in zip(before, _weights(loop), strict=True))


def test_in_the_strict_order_critics_judge_the_updated_generator() -> None:
    class Presenting(_Forger):
        def present(self, batch):
            with torch.no_grad():
                presented.append(self.net(batch["s"]["x"]))
            return {"fake": presented[-1]}

    presented: list[torch.Tensor] = []
    critic = nn.Linear(2, 1)
    players = [
        Player(objective, lambda p: torch.optim.SGD(p, lr=0.5))
        for objective in (Presenting(critic), _Judge(critic))
    ]
    loop = AdversarialLoop(*players, Runtime("cpu", "fp32"), order="strict")
    before = copy.deepcopy(critic)
    losses = loop.step(_batch(0), 0)
    torch.testing.assert_close(presented[0], loop.generator.objective.net(_batch(0)["s"]["x"]))
    torch.testing.assert_close(losses["fake"], before(presented[0]).mean())


def test_an_objective_that_cannot_present_is_refused_in_the_strict_order() -> None:
    loop = _loop()
    with pytest.raises(ValueError, match="without present"):
        AdversarialLoop(loop.generator, loop.critic, loop.runtime, order="strict")
    with pytest.raises(ValueError, match="order must be one of"):
        AdversarialLoop(loop.generator, loop.critic, loop.runtime, order="random")


def test_a_side_without_a_loss_stands_still() -> None:
    loop = _loop()
    forward = loop.critic.objective.forward
    loop.critic.objective.forward = lambda batch, shared: ({}, {})
    before = [p.detach().clone() for p in loop.critic.parameters]
    losses = loop.step(_batch(0), 0)
    assert set(losses) == {"gan"}
    assert all(torch.equal(a, b) for a, b in zip(before, loop.critic.parameters, strict=True))
    loop.critic.objective.forward = forward


class _ByDomain(nn.Module):
    """Counts the graphs that are alive at once."""

    by_domain = True

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 1)
        self.alive, self.seen = 0, []

    def forward(self, batch, shared):
        self.seen.append(tuple(batch))
        losses = {}
        for domain, data in batch.items():
            loss = self.net(data["x"]).square().mean()
            self.alive += 1
            loss.register_hook(self._went)
            losses[domain] = loss
        self.most = max(getattr(self, "most", 0), self.alive)
        return losses, {domain: loss.detach() for domain, loss in losses.items()}

    def _went(self, gradient):
        self.alive -= 1


def test_domains_that_stand_alone_are_passed_one_after_the_other() -> None:
    batch = {domain: {"x": torch.randn(3, 2)} for domain in ("s", "r", "rf")}
    found = []
    for apart in (True, False):
        torch.manual_seed(0)
        objective = _ByDomain()
        objective.by_domain = apart
        loop = AdversarialLoop(
            Player(objective, lambda p: torch.optim.SGD(p, lr=0.1)), None, Runtime("cpu", "fp32")
        )
        losses = loop.step(batch, 0)
        assert objective.most == (1 if apart else 3)
        assert objective.seen == ([("s",), ("r",), ("rf",)] if apart else [("s", "r", "rf")])
        found.append((losses, [p.detach() for p in objective.parameters()]))
    torch.testing.assert_close(*found)
