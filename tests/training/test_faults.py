"""What is not finite is undone on the device, told one step late, and harms nothing else."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gancomponents.optim import ExponentialMovingAverage, ExtraAdam
from gancomponents.training import AdversarialLoop, Fault, Player, Runtime, faults
from gancomponents.training.faults import FaultWatch, step_unless

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.5),
    "extra": lambda p: ExtraAdam(p, lr=0.1, amsgrad=True),
}


@pytest.fixture(autouse=True, params=["as on a CPU", "as on other devices"])
def _waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything twice: a flag that can be read at once, and one that cannot."""
    if request.param == "as on other devices":
        monkeypatch.setattr(faults, "_known_good", lambda bad: False)


def _steps(
    make: Callable[..., torch.optim.Optimizer], gradients: list[float], *, guarded: bool
) -> list[Tensor]:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimiser = make([weight])
    seen = []
    for value in gradients:
        weight.grad = torch.tensor([value, 0.5])
        if guarded:
            step_unless(~torch.isfinite(weight.grad).all(), optimiser)
        else:
            optimiser.step()
        seen.append(weight.detach().clone())
    return seen


@pytest.mark.parametrize("name", OPTIMISERS)
def test_finite_steps_are_what_they_were(name: str) -> None:
    plain, guarded = (_steps(OPTIMISERS[name], [1.0, -2.0, 0.5, 3.0], guarded=g) for g in (False, True))
    assert all(torch.equal(a, b) for a, b in zip(plain, guarded, strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", [n for n in OPTIMISERS if n != "extra"])
def test_a_bad_step_leaves_no_trace(name: str, value: float) -> None:
    clean = _steps(OPTIMISERS[name], [1.0, -2.0, 0.5], guarded=True)
    harmed = _steps(OPTIMISERS[name], [1.0, value, -2.0, 0.5], guarded=True)
    assert torch.equal(harmed[0], harmed[1])
    assert torch.equal(clean[-1], harmed[-1])


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_bad_first_step_leaves_nothing_in_the_moments(name: str) -> None:
    first, *rest = _steps(OPTIMISERS[name], [float("nan"), 1.0, 1.0], guarded=True)
    assert torch.equal(first, torch.tensor([1.0, 2.0]))
    assert all(torch.isfinite(weights).all() for weights in rest)


def test_a_bad_half_of_a_pair_goes_back_to_the_anchor() -> None:
    bad_update = _steps(OPTIMISERS["extra"], [1.0, float("nan")], guarded=True)
    assert not torch.equal(bad_update[0], torch.tensor([1.0, 2.0]))
    assert torch.equal(bad_update[1], torch.tensor([1.0, 2.0]))
    bad_extrapolation = _steps(OPTIMISERS["extra"], [float("nan"), 1.0], guarded=True)
    assert torch.equal(bad_extrapolation[0], torch.tensor([1.0, 2.0]))
    # The update half then is a plain Adam step.
    assert torch.allclose(bad_extrapolation[1], torch.tensor([0.9, 1.9]))


class _Side(nn.Module):
    """A norm, a layer, and a loss that is not finite where the batch is not."""

    def __init__(self, name: str):
        super().__init__()
        self.name = name
        self.norm, self.layer = nn.BatchNorm1d(2), nn.Linear(2, 1)

    def forward(self, batch, shared):
        x = batch["s"]["x"]
        return {
            f"{self.name}/fine": self.layer.weight.sum(),
            f"{self.name}/mean": self.layer(self.norm(x)).mean(),
        }, {}


def _loop(policy: str, precision: str = "fp32", make=None, average: bool = False) -> AdversarialLoop:
    torch.manual_seed(0)
    make = make or (lambda p: ExtraAdam(p, lr=0.1))
    averages = (lambda m: ExponentialMovingAverage(m, decay=0.5)) if average else None
    players = (
        Player(_Side("generator"), make, lambda n: 0.5**n, average=averages),
        Player(_Side("critic"), make),
    )
    return AdversarialLoop(*players, Runtime("cpu", precision), on_fault=policy)


def _batch(step: int, fill: float | None = None):
    x = torch.rand(4, 2, generator=torch.Generator().manual_seed(step))
    if fill is not None:
        x[0, 0] = fill
    return {"s": {"x": x}}


def _everything(loop: AdversarialLoop) -> list[Tensor]:
    tensors = [t for player in loop.players.values() for t in player.objective.state_dict().values()]
    for player in loop.players.values():
        tensors += [v for s in player.optimiser.state.values() for v in s.values() if isinstance(v, Tensor)]
        if player.average is not None:
            tensors += [player.average.updates, *player.average.averages.values()]
    return [t.detach().clone() for t in tensors]


def _same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_skipped_step_leaves_weights_moments_statistics_and_averages() -> None:
    loop = _loop("skip", average=True)
    for step in range(2):
        loop.step(_batch(step), step)
    before = _everything(loop)
    loop.step(_batch(2, float("nan")), 2)
    kept = [t for player in loop.players.values() for t in player.objective.state_dict().values()]
    assert _same(kept, before[: len(kept)])
    for player in loop.players.values():
        moments = [
            s[key] for s in player.optimiser.state.values() for key in ("step", "exp_avg", "exp_avg_sq")
        ]
        assert all(any(torch.equal(t, old) for old in before) for t in moments)
    assert torch.equal(loop.generator.average.updates, torch.tensor(1.0))
    loop.step(_batch(3), 3)
    assert all(torch.isfinite(t).all() for t in _everything(loop))
    assert not _same(before, _everything(loop))


def test_after_a_fault_that_stops_every_update_is_undone() -> None:
    loop = _loop("stop", make=lambda p: torch.optim.Adam(p, lr=0.1))
    loop.step(_batch(0), 0)
    before = _everything(loop)
    loop.step(_batch(1, float("inf")), 1)
    loop.step(_batch(2), 2)
    assert _same(before, _everything(loop))


def test_a_fault_is_told_once_a_step_late_and_named() -> None:
    loop = _loop("skip")
    loop.step(_batch(0), 0)
    loop.step(_batch(1, float("nan")), 1)
    assert loop.fault() is None
    loop.step(_batch(2), 2)
    fault = loop.fault()
    assert isinstance(fault, Fault)
    assert fault.step == 1
    expected = {f"{side}/mean" for side in loop.players} | {
        f"gradients of the {side}" for side in loop.players
    }
    assert set(fault.names) == expected
    assert loop.fault(now=True) is None


def test_now_tells_of_the_last_step_too() -> None:
    loop = _loop("stop")
    loop.step(_batch(0, float("nan")), 0)
    fault = loop.fault(now=True)
    assert fault is not None
    assert fault.step == 0


def test_statistics_come_back_in_the_strict_order_where_the_critics_have_no_losses() -> None:
    class Presents(_Side):
        def present(self, batch):
            return {}

    class Silent(_Side):
        def forward(self, batch, shared):
            return {}, {}

    players = (Player(side("side"), lambda p: torch.optim.SGD(p, lr=0.1)) for side in (Presents, Silent))
    loop = AdversarialLoop(*players, Runtime("cpu", "fp32"), order="strict", on_fault="skip")
    loop.step(_batch(0, float("nan")), 0)
    assert torch.equal(loop.generator.objective.norm.running_mean, torch.zeros(2))


def test_averages_take_nothing_of_a_bad_step() -> None:
    loop = _loop("skip", make=lambda p: torch.optim.Adam(p, lr=0.1), average=True)  # averages every step
    loop.step(_batch(0), 0)
    average = loop.generator.average
    before = [t.clone() for t in (*average.averages.values(), *average.buffers.values(), average.updates)]
    loop.step(_batch(1, float("nan")), 1)
    assert _same(before, [*average.averages.values(), *average.buffers.values(), average.updates])


class _Shows(_Side):
    """Shows what it makes, which moves its statistics."""

    def present(self, batch):
        return {"seen": self.norm(batch["s"]["x"])}


class _Breaks(_Side):
    def forward(self, batch, shared):
        return {"critic/nan": self.layer(shared["seen"]).mean() * batch["s"]["factor"]}, {}


def test_statistics_come_back_in_the_strict_order_where_only_the_critics_fail() -> None:
    players = (Player(side("side"), lambda p: torch.optim.SGD(p, lr=0.1)) for side in (_Shows, _Breaks))
    loop = AdversarialLoop(*players, Runtime("cpu", "fp32"), order="strict", on_fault="skip")
    loop.step({"s": {**_batch(0)["s"], "factor": torch.tensor(float("nan"))}}, 0)
    assert torch.equal(loop.generator.objective.norm.running_mean, torch.zeros(2))
    assert loop.generator.objective.norm.num_batches_tracked == 0


def test_a_fault_that_nobody_asks_for_is_raised_in_the_end() -> None:
    loop = _loop("stop")
    state = copy.deepcopy(loop.state_dict())
    loop.step(_batch(0, float("nan")), 0)
    with pytest.raises(FloatingPointError, match=r"generator/mean.* in step 0, and nobody has asked"):
        for step in range(1, 200):
            loop.step(_batch(step), step)
    loop.load_state_dict(state)
    for step in range(200):
        loop.step(_batch(step), step)  # good ones are forgotten
    assert loop.fault(now=True) is None
    assert not torch.equal(
        loop.generator.parameters[0], state["players"]["generator"]["objective"]["norm.weight"]
    )


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="on_fault must be one of"):
        FaultWatch("ignore", lambda t: lambda: t)


# --- fp16 ---------------------------------------------------------------------------------------------------


CALM = 0.1


class _Steep(nn.Module):
    """A loss whose gradient overflows fp16 where the batch says that it is steep."""

    def __init__(self, slope: str) -> None:
        super().__init__()
        self.slope = slope
        self.layer = nn.Linear(2, 1)

    def forward(self, batch, shared):
        return {self.slope: self.layer(batch["s"]["x"]).float().mean() * batch["s"][self.slope]}, {}


def _scaled() -> AdversarialLoop:
    torch.manual_seed(0)
    generator = Player(_Steep("steep"), lambda p: ExtraAdam(p, lr=0.1), lambda n: 0.5**n)
    critic = Player(_Steep("calm"), lambda p: ExtraAdam(p, lr=0.1))
    return AdversarialLoop(generator, critic, Runtime("cpu", "fp16"))


def _slope(steep: float):
    return {"s": {**_batch(0)["s"], "steep": torch.tensor(steep), "calm": torch.tensor(CALM)}}


def test_an_overflow_in_fp16_skips_counts_and_halves_the_scale() -> None:
    loop = _scaled()
    before = [p.detach().clone() for p in loop.generator.parameters]
    loop.step(_slope(1e30), 0)
    assert _same(before, [p.detach() for p in loop.generator.parameters])
    assert loop.fault(now=True) is None  # an overflow is no fault
    rates = loop.rates()
    assert (rates["skipped/generator"], rates["skipped/critic"]) == (1, 0)
    assert rates["scale/generator"] == rates["scale/critic"] / 2


def test_a_skipped_step_does_not_advance_the_schedule() -> None:
    loop = _scaled()
    loop.step(_slope(1e30), 0)
    loop.step(_slope(CALM), 1)
    assert loop.rates()["lr/generator"] == 0.1  # the first step that was made
    loop.step(_slope(CALM), 2)
    assert loop.rates()["lr/generator"] == 0.05


@pytest.mark.parametrize("first", [CALM, 1e30])
def test_a_skipped_half_starts_the_pair_again_on_both_sides(first: float) -> None:
    loop = _scaled()
    before = [p.detach().clone() for p in loop.generator.parameters]
    loop.step(_slope(first), 0)
    if first == CALM:
        loop.step(_slope(1e30), 1)
    halves = [player.optimiser.next_half for player in loop.players.values()]
    assert halves == ["extrapolation", "extrapolation"]
    assert _same(before, [p.detach() for p in loop.generator.parameters])


def test_fp16_resumes_exactly_scales_and_counts_included() -> None:
    whole = _scaled()
    for step in range(2):
        whole.step(_slope(1e30 if step == 0 else CALM), step)
    state = copy.deepcopy(whole.state_dict())
    other = _scaled()
    other.load_state_dict(state)
    for loop in (whole, other):
        for step in range(2, 5):
            loop.step(_slope(1e30 if step == 3 else CALM), step)
    assert whole.rates() == other.rates()
    assert _same(_everything(whole), _everything(other))


def test_a_loss_that_is_not_finite_is_a_fault_in_fp16_too_and_no_matter_of_scale() -> None:
    loop = _scaled()
    scale = loop.rates()["scale/generator"]
    loop.step(_slope(float("nan")), 0)
    fault = loop.fault(now=True)
    assert fault is not None
    assert fault.names == ("steep",)
    assert loop.rates()["scale/generator"] == scale
    assert all(torch.isfinite(t).all() for t in _everything(loop))


class _Kink(nn.Module):
    """A finite loss whose gradient is NaN: at the root of nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, batch, shared):
        return {"root": (self.weight * 0).square().sqrt().sum()}, {}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gradient_that_no_scale_mends_is_a_fault_in_every_precision(precision: str) -> None:
    player = Player(_Kink(), lambda p: torch.optim.Adam(p, lr=0.1))
    loop = AdversarialLoop(player, None, Runtime("cpu", precision))
    for step in range(40):
        loop.step({"s": {"x": torch.ones(1)}}, step)
        if (fault := loop.fault(now=True)) is not None:
            break
    assert fault is not None
    assert fault.names == ("gradients of the generator",)
    assert fault.step == (0 if precision == "fp32" else player.skipped)
    assert player.skipped < 20


def test_a_skipped_step_in_fp16_is_not_averaged() -> None:
    torch.manual_seed(0)
    player = Player(
        _Steep("steep"),
        lambda p: torch.optim.Adam(p, lr=0.1),
        average=lambda m: ExponentialMovingAverage(m, decay=0.5),
    )
    loop = AdversarialLoop(player, None, Runtime("cpu", "fp16"))
    loop.step(_slope(1e30), 0)
    assert player.average.updates == 0
    loop.step(_slope(CALM), 1)
    assert player.average.updates == 1
