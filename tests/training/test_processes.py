"""Two real processes: collectives, and an adversarial loop that does what one process does with both batches."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gancomponents.errors import InputError
from gancomponents.layers import spectral_norm, synchronise_batch_norms
from gancomponents.optim import ExtraAdam
from gancomponents.training import AdversarialLoop, Player, Runtime
from gancomponents.training.processes import Processes, _buckets
from tests.training.gloo import in_two


def test_alone_nothing_is_asked_of_anybody() -> None:
    processes = Processes.join()
    value = torch.ones(2)
    processes.average([value])
    assert torch.equal(value, torch.ones(2))
    assert (processes.any(True), processes.any(False), processes.gather(3)) == (True, False, [3])
    assert processes.first_does(lambda: 4) == 4


def test_buckets_hold_every_tensor_once_and_one_kind_each() -> None:
    tensors = [
        torch.zeros(size, dtype=dtype)
        for size in (3, 5_000_000, 4_000_000)
        for dtype in (torch.float32, torch.float64)
    ]
    buckets = list(_buckets(tensors))
    assert sorted(id(t) for bucket in buckets for t in bucket) == sorted(map(id, tensors))
    assert all(len({t.dtype for t in bucket}) == 1 for bucket in buckets)
    assert len(buckets) > 2


def _collectives() -> dict[str, object]:
    processes = Processes()
    rank = processes.rank
    image = torch.full((1, 2, 3, 3), float(rank)).contiguous(memory_format=torch.channels_last)
    whole = torch.tensor([rank + 1.0], dtype=torch.float64)
    processes.average([image, whole])
    layer, norm = nn.Linear(1, 1), nn.BatchNorm2d(1)
    with torch.no_grad():
        layer.weight.fill_(rank + 5)
    processes.broadcast([layer])
    norm(torch.full((2, 1, 2, 2), float(rank)))
    processes.average_statistics([norm])
    used, unused, one_sided = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    used.grad = torch.tensor([rank + 1.0])
    if rank == 1:
        one_sided.grad = torch.tensor([4.0])
    processes.average_gradients([used, unused, one_sided])
    try:
        processes.first_does(_mistake)
        told = ""
    except InputError as error:
        told = str(error)
    return {
        "image": image.contiguous(),
        "whole": whole,
        "weight": layer.weight.detach(),
        "mean": norm.running_mean,
        "grads": [p.grad for p in (used, unused, one_sided)],
        "any": (processes.any(rank == 1), processes.any(False)),
        "gathered": processes.gather(f"rank {rank}"),
        "first": processes.first_does(lambda: f"rank {rank}"),
        "told": told,
    }


def _mistake() -> None:
    raise InputError("a list", got="none", fix="name one")


def _noise() -> Tensor:
    """What is drawn after the processes' ways have parted."""
    torch.manual_seed(5)
    Runtime("cpu", "fp32").diverge(5)
    return torch.rand(3)


def _everything() -> dict[str, object]:
    """All that two processes are asked to do, in one pair of them: starting them takes seconds."""
    trained = {
        "plain": _train(4, norm=False),
        "fp32": _train(4, norm=True),
        "fp16": _train(4, norm=True, precision="fp16"),
        "poisoned": _train(4, norm=True, poison=2),
        "poisoned in fp16": _train(4, norm=True, precision="fp16", poison=2),
        "noise": _noise(),
        "synchronised": _train(4, norm=True, synchronise=True),
        "accumulated": _train(4, norm=False, accumulate=2),
    }
    return {"collectives": _collectives(), **trained}


@pytest.fixture(scope="module")
def two() -> list[dict]:
    return in_two(_everything)


def test_collectives(two: list[dict]) -> None:
    for found in (each["collectives"] for each in two):
        assert torch.equal(found["image"], torch.full((1, 2, 3, 3), 0.5))
        assert found["whole"].item() == 1.5
        assert found["weight"].item() == 5
        assert found["mean"].item() == pytest.approx(0.05)  # momentum 0.1 of the mean of 0 and 1
        used, unused, one_sided = found["grads"]
        assert (used.item(), unused, one_sided.item()) == (1.5, None, 2.0)
        assert found["any"] == (True, False)
        assert found["gathered"] == ["rank 0", "rank 1"]
        assert found["first"] == "rank 0"
        assert found["told"] == "a list: got none. Fix: name one."


class _Forger(nn.Module):
    """Passes twice through a critic with batch and spectral norms, frozen, as the flagship does."""

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.net, self.idle = nn.Conv2d(3, 3, 1), nn.Linear(1, 1)
        self._borrowed = (critic,)

    def forward(self, batch, shared):
        fake = self.net(batch["s"]["x"])
        again = self._borrowed[0](fake).mean() + self._borrowed[0](fake.flip(3)).mean()
        return {"gan": -again}, {"fake": fake.detach()}


class _Judge(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, batch, shared):
        return {
            "real": -self.net(batch["s"]["x"]).mean(),
            "fake": self.net(shared["fake"]).square().mean(),
        }, {}


def _train(
    batch: int,
    *,
    norm: bool,
    precision: str = "fp32",
    poison: int | None = None,
    accumulate: int = 1,
    synchronise: bool = False,
) -> dict[str, object]:
    """Five steps, each process on its part of eight pictures."""
    processes = Processes()
    torch.manual_seed(processes.rank)  # so that broadcasting matters
    layers = [
        spectral_norm(nn.Conv2d(3, 4, 3)),
        *([nn.BatchNorm2d(4)] if norm else []),
        nn.ReLU(),
        nn.Conv2d(4, 1, 1),
    ]
    critic = nn.Sequential(*layers)
    if synchronise:
        synchronise_batch_norms(critic)
    # Of a bias before a batch norm there is no gradient but rounding, which Adam would blow up.
    make = partial(torch.optim.SGD, lr=0.05) if norm else partial(ExtraAdam, lr=1e-2)
    players = (Player(objective, make) for objective in (_Forger(critic), _Judge(critic)))
    loop = AdversarialLoop(*players, Runtime("cpu", precision), on_fault="skip", accumulate=accumulate)
    processes.broadcast(player.objective for player in loop.players.values())
    for step in range(5):
        pictures = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(step))
        part = pictures[processes.rank * batch :][:batch]
        if step == poison and processes.rank == processes.count - 1:
            part = part * float("nan")
        loop.step({"s": {"x": part}}, step)
    fault = loop.fault(now=True)
    state = {f"{n}/{k}": v for n, p in loop.players.items() for k, v in p.objective.state_dict().items()}
    return {"state": state, "fault": None if fault is None else fault.step}


def _compare(a: dict[str, Tensor], b: dict[str, Tensor], tolerance: float) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=tolerance, atol=tolerance, msg=name)


def test_two_processes_do_what_one_does_with_both_batches(two: list[dict]) -> None:
    one = _train(8, norm=False)
    _compare(one["state"], two[0]["plain"]["state"], 1e-5)
    _compare(one["state"], two[0]["accumulated"]["state"], 1e-5)


def test_synchronised_batch_norms_are_those_of_both_batches(two: list[dict]) -> None:
    one = _train(8, norm=True)
    _compare(one["state"], two[0]["synchronised"]["state"], 1e-5)
    with pytest.raises(AssertionError):
        _compare(one["state"], two[0]["fp32"]["state"], 1e-3)


@pytest.mark.parametrize("name", ["plain", "fp32", "fp16", "poisoned", "accumulated", "synchronised"])
def test_processes_stay_the_same_bit_for_bit(two: list[dict], name: str) -> None:
    _compare(two[0][name]["state"], two[1][name]["state"], 0.0)


def test_every_process_draws_noise_of_its_own(two: list[dict]) -> None:
    torch.manual_seed(5)
    assert torch.equal(two[0]["noise"], torch.rand(3))
    assert not torch.equal(two[0]["noise"], two[1]["noise"])


def test_a_fault_of_one_process_is_undone_in_all(two: list[dict]) -> None:
    assert [found["poisoned"]["fault"] for found in two] == [2, 2]
    assert [found["poisoned in fp16"]["fault"] for found in two] == [2, 2]
    for name in ("poisoned", "poisoned in fp16"):
        assert all(torch.isfinite(value).all() for value in two[0][name]["state"].values())
    assert [found["fp32"]["fault"] for found in two] == [None, None]
