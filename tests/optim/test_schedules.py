import pickle

import pytest
import torch
from torch import nn

from gancomponents.optim import Constant, Cosine, MultiStep, Schedule, StepDecay, Warmup, set_learning_rate

SCHEDULES = [
    Constant(),
    StepDecay(5),
    MultiStep((3, 7, 8), gamma=0.3),
    MultiStep(start=4, every=3),
    Cosine(9, final=0.1),
]
SCHEDULES.append(Warmup(5, SCHEDULES[-1]))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_pickles_and_compares(schedule: Schedule) -> None:
    twin = pickle.loads(pickle.dumps(schedule))
    assert twin == schedule
    assert [twin(step) for step in range(30)] == [schedule(step) for step in range(30)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (StepDecay(5, 0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 5, 0.5)),
        (MultiStep([3, 7, 8], gamma=0.3), lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [3, 7, 8], 0.3)),
        (
            MultiStep(start=4, every=3),
            lambda o: torch.optim.lr_scheduler.MultiStepLR(o, range(4, 1000, 3), 0.5),
        ),
        (Cosine(25, final=0.2), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 25, 0.2 * 0.3)),
        (Warmup(8), lambda o: torch.optim.lr_scheduler.LinearLR(o, 1 / 8, total_iters=7)),
    ],
)
def test_same_as_torchs(ours: Schedule, theirs: object) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = theirs(optimizer)  # type: ignore[operator]
    for step in range(20):
        assert 0.3 * ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        scheduler.step()


def test_after_their_end() -> None:
    assert Cosine(4, final=0.1)(4) == Cosine(4, final=0.1)(1000) == pytest.approx(0.1)
    warm = Warmup(4, StepDecay(2))
    assert [warm(step) for step in (0, 1, 2, 3, 4)] == [0.25, 0.5, 0.375, 0.5, 0.25]


@pytest.mark.parametrize("tensor_rate", [False, True])
def test_rate_is_a_function_of_the_step_alone(tensor_rate: bool) -> None:
    rate = torch.tensor(0.1) if tensor_rate else 0.1
    optimizer = torch.optim.Adam([{"params": [nn.Parameter(torch.zeros(1))], "lr": rate}], foreach=False)
    for step in (12, 3, 12, 0):
        set_learning_rate(optimizer, StepDecay(5), step)
        assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(0.1 * 0.5 ** (step // 5))
    saved = optimizer.state_dict()
    set_learning_rate(optimizer, StepDecay(5), 12)
    resumed = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=7.0)
    resumed.load_state_dict(saved)
    set_learning_rate(resumed, StepDecay(5), 12)
    assert float(resumed.param_groups[0]["lr"]) == pytest.approx(0.025)


@pytest.mark.parametrize(
    "make",
    [
        lambda: StepDecay(0),
        lambda: StepDecay(5, gamma=0.0),
        lambda: MultiStep(),
        lambda: MultiStep(start=3),
        lambda: MultiStep((3,), start=3, every=2),
        lambda: MultiStep((3,), every=2),
        lambda: MultiStep(start=-1, every=2),
        lambda: MultiStep(start=1, every=0),
        lambda: Cosine(0),
        lambda: Cosine(5, final=-0.1),
        lambda: Cosine(5, final=1.1),
        lambda: Warmup(0),
    ],
)
def test_bad_arguments(make: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        make()  # type: ignore[operator]
