"""Optimisers and schedules against the reference cases."""

import pytest
import torch
from torch import nn

from gancomponents.optim import Constant, ExtraAdam, MultiStep, Schedule, StepDecay, set_learning_rate
from tests.reference.cases import Case, cases


@pytest.mark.parametrize("case", cases("ExtraAdam"))
def test_extra_adam(case: Case) -> None:
    inputs, config = case.inputs(), case.config
    a, b, unused = (nn.Parameter(inputs[name]) for name in ("a", "b", "unused"))
    optimizer = ExtraAdam(
        [a, b, unused],
        lr=config["lr"],
        betas=tuple(config["betas"]),
        eps=config["eps"],
        weight_decay=config["weight_decay"],
        amsgrad=config["amsgrad"],
    )
    for index in range(case.meta["final_step_count"]):
        optimizer.zero_grad()
        loss = (inputs["A"] @ a).square().sum() / 2 + b.cos().sum() * a.sum() + 0.1 * b.pow(4).sum()
        loss.backward()
        optimizer.step()
        for name, value in (("a", a), ("b", b), ("loss", loss.reshape(1))):
            case.compare(f"output64/{name}{index}", value, 1e-9)
    for name, p in (("a", a), ("b", b)):
        assert optimizer.state[p]["step"] == case.meta["final_step_count"]
        for moment in ("exp_avg", "exp_avg_sq"):
            case.compare(f"output64/{name}.{moment}", optimizer.state[p][moment], 1e-9)
    case.compare("output64/unused", unused, 0.0)


def schedule(case: Case) -> Schedule:
    config = case.config
    policy = config["lr_policy"]
    if policy in (None, "constant"):
        return Constant()
    if policy == "step":
        return StepDecay(config["lr_step_size"], config["lr_gamma"])
    milestones = config["lr_milestones"]
    if isinstance(milestones, int):
        return MultiStep(start=milestones, every=config["lr_step_size"], gamma=config["lr_gamma"])
    return MultiStep(tuple(milestones), gamma=config["lr_gamma"])


@pytest.mark.parametrize("case", cases("LRSchedule"))
def test_schedule(case: Case) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-3)
    for step, rate in enumerate(case.meta["lr"]):
        set_learning_rate(optimizer, schedule(case), step)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate, rel=1e-9)
