import pytest
import torch
from torch import nn

from gancomponents.optim import ExtraAdam, StepDecay, parameter_groups, set_learning_rate


def masker() -> nn.ModuleDict:
    decoders = nn.ModuleDict({"d": nn.Linear(2, 1), "s": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))})
    return nn.ModuleDict({"encoder": nn.Linear(3, 2), "encoder2": nn.Linear(1, 1), "decoders": decoders})


def names_by_group(module: nn.Module, groups: list[dict[str, object]]) -> dict[str, set[str]]:
    names = {id(p): name for name, p in module.named_parameters()}
    return {group["name"]: {names[id(p)] for p in group["params"]} for group in groups}  # type: ignore[misc]


def test_each_parameter_is_in_exactly_one_group_that_of_the_longest_name() -> None:
    module = masker()
    rates = {"decoders": 1.0, "encoder": 2.0, "decoders.s.0": 3.0, "decoders.s.0.bias": 4.0}
    groups = parameter_groups(module, rates, default=5.0)
    assert {group["name"]: group["lr"] for group in groups} == {**rates, "default": 5.0}
    assert names_by_group(module, groups) == {
        "decoders": {"decoders.d.weight", "decoders.d.bias", "decoders.s.1.weight", "decoders.s.1.bias"},
        "encoder": {"encoder.weight", "encoder.bias"},
        "decoders.s.0": {"decoders.s.0.weight"},
        "decoders.s.0.bias": {"decoders.s.0.bias"},
        "default": {"encoder2.weight", "encoder2.bias"},
    }
    members = [p for group in groups for p in group["params"]]
    assert len(members) == len({id(p) for p in members}) == len(list(module.parameters()))


@pytest.mark.known_bug(35)
def test_a_part_that_no_rate_names_still_trains() -> None:
    module = masker()
    optimizer = ExtraAdam(parameter_groups(module, {"decoders.d": 1e-3}), lr=1e-2)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    for p in module.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    moved = {name: (before[name] - p).abs().max().item() for name, p in module.named_parameters()}
    for name, distance in moved.items():
        assert distance == pytest.approx(1e-3 if name.startswith("decoders.d.") else 1e-2, rel=1e-3), name


def test_no_rates_make_one_group() -> None:
    (group,) = parameter_groups(masker(), {}, default=0.1)
    assert group["name"] == "default"
    assert len(group["params"]) == 10


def test_frozen_and_shared_parameters() -> None:
    module = masker()
    module["encoder"].requires_grad_(False)
    module["decoders"]["d"].weight = module["decoders"]["s"][1].weight
    groups = parameter_groups(module, {"encoder": 1.0, "decoders.s": 2.0, "decoders.d": 3.0})
    assert [group["name"] for group in groups] == ["decoders.s", "decoders.d", "default"]
    members = [id(p) for group in groups for p in group["params"]]
    assert len(members) == len(set(members)) == 7
    torch.optim.Adam(groups)  # refuses a parameter in two groups


def test_one_binding_sets_every_rate() -> None:
    import gin

    gin.clear_config()
    gin.parse_config(
        """
        from __gin__ import dynamic_registration
        from gancomponents import optim

        optim.parameter_groups.rates = {'encoder': 1e-5, 'decoders.s': 2e-5}
        """
    )
    try:
        groups = gin.get_configurable(parameter_groups)(masker())
    finally:
        gin.clear_config()
    optimizer = ExtraAdam(groups, lr=5e-5)
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates == {"encoder": 1e-5, "decoders.s": 2e-5, "default": 5e-5}
    set_learning_rate(optimizer, StepDecay(every=1), 1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5e-5, 1e-5, 2.5e-5]
    resumed = ExtraAdam(parameter_groups(masker(), {"encoder": 1.0, "decoders.s": 1.0}))
    resumed.load_state_dict(optimizer.state_dict())
    assert [group["lr"] for group in resumed.param_groups] == [0.5e-5, 1e-5, 2.5e-5]


@pytest.mark.parametrize("part", ["encodr", "decoders.D", "decoder", "encode", ""])
def test_unknown_parts_are_named_with_the_nearest(part: str) -> None:
    with pytest.raises(ValueError, match=rf"rates must name parts.*got '{part}'.*did you mean '(en|de)coder"):
        parameter_groups(masker(), {part: 1.0})
    with pytest.raises(ValueError, match="no parts"):
        parameter_groups(nn.ReLU(), {"encoder": 1.0})


def test_bad_rates() -> None:
    with pytest.raises(ValueError, match=r"rates\['encoder'\] must be at least 0, got -1"):
        parameter_groups(masker(), {"encoder": -1.0})
    with pytest.raises(ValueError, match="default must be at least 0, got -1"):
        parameter_groups(masker(), {}, default=-1.0)
