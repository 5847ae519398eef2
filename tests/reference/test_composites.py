"""The whole of ClimateGAN's losses, and its training loop, against the reference cases, term by term."""

from collections.abc import Mapping
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gancomponents.layers import update_spectral_norms_in_eval
from gancomponents.optim import ExtraAdam
from gancomponents.training import AdversarialLoop, Player, Runtime
from recipes.upstream.keys import Slots
from tests.reference.cases import Case, cases
from tests.reference.systems import CRITIC_TERMS, TERMS, ReferenceSystem, batch_of, make_system

#: Backward passes of spectrally normalised modules that were called more than once before: upstream's
#: gradients are wrong there by up to 1.4 % (known bug 60).
_STALE = 2e-2
_CALLED_AGAIN = ("decoders.m.", "m.Advent.", "s.Advent.", "p.global.", "p.local.")
#: After the first iteration of a loop that difference has moved the weights: so much of a term, or of a masker's
#: whole loss of about 20.
_LATER, _LATER_ABSOLUTE = 5e-2, 1e-5
#: The ground intersection counts pixels, so it is compared as a share of them, 5 % at its weight of 0.05.
_COUNTED = {"masker/m/ground_intersection/r": 0.05 * _LATER}


def _prepared(case: Case) -> ReferenceSystem:
    system = make_system(case)
    for objective in (system.generator, system.critic):
        objective.train(case.meta["mode"] == "train")
        update_spectral_norms_in_eval(objective)  # as upstream does (Q1)
    on = set()
    if "pl4m" in case.name:
        on.add("painter_for_masker")
    on |= {f"pseudo/{task}" for task in case.config.get("train.pseudo.tasks", ())}
    system.generator.on = frozenset(on)
    return system


@pytest.mark.parametrize("case", cases("CompositeLoss"))
def test_composite(case: Case) -> None:
    system, batch = _prepared(case), batch_of(case)
    if "_D_" in case.name:
        losses, _ = system.critic(batch, system.generator.present(batch))
        objective, slots, names = system.critic, system.critic_slots, CRITIC_TERMS
    else:
        for parameter in system.critic.parameters():
            parameter.requires_grad_(False)
        losses, _ = system.generator(batch, {})
        objective, slots, names = system.generator, system.generator_slots, TERMS
    recorded = {
        k.removeprefix("term."): v for k, v in case.meta["scalars64"].items() if k.startswith("term.")
    }
    _compare_terms(recorded, names, losses, 1e-6)
    total = torch.stack(list(losses.values())).sum()
    assert total.item() == pytest.approx(case.meta["scalars64"]["total"], rel=1e-6)
    total.backward()
    _compare_gradients(case, objective, slots)


def _compare_terms(
    recorded: Mapping[str, float],
    names: Mapping[str, str],
    losses: Mapping[str, Tensor],
    tolerance: float,
    absolute: float = 1e-9,
) -> None:
    expected = {names[name]: value for name, value in recorded.items() if name in names}
    present = {name for name, value in expected.items() if value}
    assert present <= set(losses) <= set(expected), set(losses) ^ set(expected)
    for name, loss in losses.items():
        floor = absolute if tolerance < _LATER else _COUNTED.get(name, absolute)
        assert loss.item() == pytest.approx(expected[name], rel=tolerance, abs=floor), name


def _compare_gradients(case: Case, objective: nn.Module, slots: Slots) -> None:
    gradients = {name: p.grad for name, p in objective.named_parameters() if p.grad is not None}
    floor = 1e-8 * case.meta["scalars64"]["grad_norm_total"]
    for key, expected in case.meta["grad_norms64"].items():
        tolerance = _STALE if key.endswith("weight_bar") and key.startswith(_CALLED_AGAIN) else 1e-5
        found = torch.linalg.vector_norm(slots[key].read(gradients)).item()
        assert found == pytest.approx(expected, rel=tolerance, abs=floor), key


@pytest.mark.parametrize("case", cases("TrainLoop"))
def test_training_loop(case: Case) -> None:
    system, config = _prepared(case), case.config
    players = [
        Player(objective, partial(ExtraAdam, lr=config[f"{part}.opt.lr.default"], betas=(beta, 0.999)))
        for part, objective, beta in (("gen", system.generator, 0.9), ("dis", system.critic, 0.5))
    ]
    loop = AdversarialLoop(*players, Runtime("cpu", "fp32", channels_last=False), order="strict")
    for iteration in range(case.meta["steps"]):
        losses = loop.step(batch_of(case, iteration), iteration)
        tolerances = (1e-6, 1e-9) if iteration == 0 else (_LATER, _LATER_ABSOLUTE)
        for part, names in (("G", TERMS), ("D", CRITIC_TERMS)):
            prefix = f"it{iteration}.{part}."
            scalars = case.meta["scalars64"].items()
            recorded = {k.removeprefix(prefix): v for k, v in scalars if k.startswith(prefix)}
            ours = {k: v for k, v in losses.items() if k.startswith("critic/") == (part == "D")}
            _compare_terms(recorded, names, ours, *tolerances)
    for key, expected in case.meta["final_weight_l2_64"].items():
        part, name = key.split(".", 1)
        objective, slots = {
            "G": (system.generator, system.generator_slots),
            "D": (system.critic, system.critic_slots),
        }[part]
        norm = torch.linalg.vector_norm(slots[name].read(objective.state_dict())).item()
        assert norm == pytest.approx(expected, rel=_LATER), key
