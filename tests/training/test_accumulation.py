"""A batch in parts: shared out by rows, and one step of the same gradients as the whole."""

import pytest
import torch
from torch import Tensor, nn

from gancomponents.errors import InputError
from gancomponents.layers import spectral_norm
from gancomponents.optim import ExponentialMovingAverage, ExtraAdam
from gancomponents.training import AdversarialLoop, Player, Runtime
from gancomponents.training.accumulation import split
from recipes import config
from recipes.recipe import Recipe
from tests.recipes.tiny import TINY


def test_every_row_goes_to_one_part_in_order_with_its_file() -> None:
    batch = {
        "s": {"x": torch.arange(6.0).reshape(6, 1), "paths": list("abcdef"), "scale": torch.tensor(2.0)},
        "rf": {"x": torch.arange(3.0).reshape(3, 1)},
    }
    parts = split(batch, 3)
    assert [part["s"]["x"].flatten().tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]
    assert [part["s"]["paths"] for part in parts] == [["a", "b"], ["c", "d"], ["e", "f"]]
    assert [part["rf"]["x"].item() for part in parts] == [0, 1, 2]
    assert [part["s"]["scale"].item() for part in parts] == [2, 2, 2]
    assert [list(part) for part in parts] == [["s", "rf"]] * 3


def test_tasks_of_some_rows_go_with_them() -> None:
    rows = torch.tensor([0, 1, 4])
    fields = {"x": torch.arange(6.0), "m": torch.tensor([10.0, 11.0, 14.0]), "m_rows": rows}
    whole, none, half = split({"s": fields}, 3)
    assert whole["s"]["m"].tolist() == [10, 11]
    assert "m_rows" not in whole["s"]  # all of its rows have it
    assert none["s"].keys() == {"x"}
    assert (half["s"]["m"].tolist(), half["s"]["m_rows"].tolist()) == ([14], [0])


@pytest.mark.parametrize(("rows", "parts"), [(5, 2), (2, 4)])
def test_rows_that_cannot_be_shared_out_are_refused(rows: int, parts: int) -> None:
    with pytest.raises(InputError, match=rf"batch of domain rf: expected {parts} equal parts .* got {rows}"):
        split({"s": {"x": torch.zeros(4)}, "rf": {"x": torch.zeros(rows)}}, parts)
    with pytest.raises(InputError, match="got none"):
        split({"s": {"scale": torch.tensor(1.0)}}, parts)


class _Forger(nn.Module):
    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.net = spectral_norm(nn.Conv2d(3, 3, 1))
        self._borrowed = (critic,)

    def forward(self, batch, shared):
        assert not any(p.requires_grad for p in self._borrowed[0].parameters())
        fake = self.net(batch["s"]["x"])
        losses = {"gan": -self._borrowed[0](fake).mean()}
        if "m" in batch["s"]:
            losses["m"] = batch["s"]["m"].mean() * self.net.bias.sum()
        return losses, {"fake": fake.detach()}

    def present(self, batch):
        with torch.no_grad():
            return {"fake": self.net(batch["s"]["x"])}


class _Judge(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, batch, shared):
        assert not shared["fake"].requires_grad
        real, fake = self.net(batch["s"]["x"]), self.net(shared["fake"])
        return {"real": (1 - real).square().mean(), "fake": fake.square().mean()}, {}


def _loop(accumulate: int, order: str = "simultaneous", precision: str = "fp32") -> AdversarialLoop:
    torch.manual_seed(3)
    critic = nn.Sequential(spectral_norm(nn.Conv2d(3, 4, 3)), nn.ReLU(), nn.Conv2d(4, 1, 1))
    average = lambda module: ExponentialMovingAverage(module, decay=0.5)  # noqa: E731
    players = [
        Player(objective, lambda p: ExtraAdam(p, lr=1e-2), average=average)
        for objective in (_Forger(critic), _Judge(critic))
    ]
    runtime = Runtime("cpu", precision)
    loop = AdversarialLoop(*players, runtime, order=order, on_fault="skip", accumulate=accumulate)
    for player in players:  # small enough that nothing overflows
        player.scaler = torch.amp.GradScaler("cpu", init_scale=128.0, enabled=precision == "fp16")
    return loop


def _batch(step: int, poisoned: int | None = None) -> dict[str, dict[str, Tensor]]:
    x = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(step))
    if poisoned is not None:
        x[poisoned] = float("nan")
    return {"s": {"x": x}}


def _state(loop: AdversarialLoop) -> dict[str, Tensor]:
    found = {}
    for name, player in loop.players.items():
        found |= {f"{name}/{key}": value for key, value in player.objective.state_dict().items()}
        if player.average is not None:
            found |= {f"{name}/average/{key}": value for key, value in player.average.averages.items()}
    return {key: value.detach().clone() for key, value in found.items()}


def _close(a: dict[str, Tensor], b: dict[str, Tensor], tolerance: float) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.parametrize("order", ["simultaneous", "strict"])
@pytest.mark.parametrize("parts", [2, 4])
def test_parts_take_the_step_of_the_whole(parts: int, order: str) -> None:
    whole, accumulated = _loop(1, order), _loop(parts, order)
    for loop in (whole, accumulated):
        for player in loop.players.values():
            player.objective.double()
    for step in range(5):
        batch = {"s": {"x": _batch(step)["s"]["x"].double()}}
        losses = [loop.step(batch, step) for loop in (whole, accumulated)]
        _close(losses[0], losses[1], 1e-9)
        norms = [loop.gradient_norms for loop in (whole, accumulated)]
        _close(norms[0], norms[1], 1e-9)
    _close(_state(whole), _state(accumulated), 1e-9)  # spectral vectors and averages among them


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_gradients_are_those_of_the_whole_in_every_precision(precision: str) -> None:
    loops = [_loop(parts, precision=precision) for parts in (1, 2)]
    found = [loop.step(_batch(0), 0) for loop in loops]
    assert found[0].keys() == found[1].keys() == {"gan", "real", "fake"}
    tolerance = 1e-5 if precision == "fp32" else 1e-2
    for name in loops[0].players:
        grads = [torch.cat([p.grad.flatten() for p in loop.players[name].parameters]) for loop in loops]
        torch.testing.assert_close(*grads, rtol=tolerance, atol=tolerance)


def test_scales_and_skipped_steps_of_fp16_are_those_of_the_whole() -> None:
    loops = [_loop(parts, precision="fp16") for parts in (1, 2)]
    for loop in loops:
        loop.generator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)  # more than fp16 holds
        for step in range(3):
            loop.step(_batch(step), step)
    rates = [loop.rates() for loop in loops]
    assert rates[0] == rates[1]
    assert rates[0]["skipped/generator"] == 3
    assert rates[0]["skipped/critic"] == 0


@pytest.mark.parametrize("poisoned", [0, 7])
@pytest.mark.parametrize("order", ["simultaneous", "strict"])
def test_a_fault_of_any_part_undoes_the_step(order: str, poisoned: int) -> None:
    loop = _loop(4, order)
    loop.step(_batch(0), 0)
    loop.step(_batch(1), 1)
    before = _state(loop)
    loop.step(_batch(2, poisoned), 2)
    fault = loop.fault(now=True)
    assert fault is not None
    assert fault.step == 2
    assert "gan" in fault.names
    _close(before, _state(loop), 0.0)


def test_a_term_of_some_parts_is_reported_as_their_mean_and_weighs_as_many() -> None:
    loop = _loop(2)
    fields = {**_batch(0)["s"], "m": torch.tensor([2.0, 4.0]), "m_rows": torch.tensor([0, 3])}
    loop.generator.objective.net.bias.data.fill_(1.0)
    losses = loop.step({"s": fields}, 0)
    assert losses["m"].item() == 9.0
    without = _loop(2)
    without.generator.objective.net.bias.data.fill_(1.0)
    without.step(_batch(0), 0)
    grads = [each.generator.objective.net.bias.grad for each in (loop, without)]
    torch.testing.assert_close(grads[0] - grads[1], torch.full((3,), 1.5))  # 3 in one of two parts


def test_the_painter_accumulates() -> None:
    loops = []
    for parts in (1, 2):
        calm = ("losses.BCEGANLoss.label_smoothing = 0.0", "losses.BCEGANLoss.flip_probability = 0.0")
        more = ("data.Data.batch_size = 4", f"run.Recipe.accumulate = {parts}", *calm)
        needless = ("encoders", "decoders", "climategan.Masker", "discriminators.Entropy")
        tiny = [binding for binding in TINY if not binding.startswith(needless)]
        config.parse("recipes/climategan/painter.gin", [*tiny, *more, "run.Recipe.precision = 'fp32'"])
        torch.manual_seed(0)
        recipe = config.build(Recipe)
        for player in recipe.loop.players.values():
            player.objective.double()
        for step in range(3):
            batch = recipe.system.example_batch(recipe.data, torch.Generator().manual_seed(step), ["rf"])
            batch = {d: {task: value.double() for task, value in f.items()} for d, f in batch.items()}
            losses = recipe.loop.step(batch, step)
        loops.append((recipe.loop, losses))
    (whole, whole_losses), (accumulated, losses) = loops
    _close(whole_losses, losses, 1e-7)
    _close(_state(whole), _state(accumulated), 1e-6)


def test_batches_that_a_recipe_cannot_accumulate_are_refused_before_any_data() -> None:
    config.parse("recipes/climategan.gin", [*TINY, "run.Recipe.accumulate = 4"])
    with pytest.raises(
        InputError, match=r"batch_size of \w+: expected a multiple of run.Recipe.accumulate, 4"
    ):
        config.build(Recipe)
    with pytest.raises(InputError, match="accumulate: expected a whole number >= 1"):
        _loop(0)
