"""Reading the reference cases, and comparing against them.

``REFERENCE_CASES`` names the folder of the cases; without it their tests are skipped. The cases hold numbers
that upstream's implementation produced, in float32 and float64, from inputs and weights that ``recipe.py``
rebuilds.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from gancomponents.layers import update_spectral_norms_in_eval
from recipes.upstream.keys import Slots
from tests.reference import recipe

#: Below this a recorded gradient is analytically zero: rounding noise, compared absolutely.
_NOISE = 1e-9

Outputs = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """One recorded case: its description and its tensors."""

    folder: Path
    name: str

    @cached_property
    def meta(self) -> dict[str, Any]:
        return json.loads((self.folder / f"{self.name}.json").read_text())

    @cached_property
    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        from safetensors.numpy import load_file

        return load_file(self.folder / self.meta["file"])

    @property
    def config(self) -> dict[str, Any]:
        return self.meta["config"]

    def inputs(self, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        """Inputs by name, floats in ``dtype``."""
        values = {}
        for name, entry in self.meta["inputs"].items():
            stored = self.tensors.get(f"input/{name}")
            value = stored if stored is not None else recipe.tensor(entry["recipe"], entry["shape"])
            values[name] = torch.from_numpy(np.ascontiguousarray(value))
        return {name: v.to(dtype) if v.is_floating_point() else v for name, v in values.items()}

    def weight(self, key: str, shape: tuple[int, ...]) -> Tensor:
        """A state-dict entry by its upstream key."""
        made = self.meta["weights"]
        value = recipe.weight(key, shape, made["seed"], gain=made["gain"], prefix=made["prefix"])
        return torch.from_numpy(value)

    def compare(self, key: str, value: Tensor, tolerance: float) -> None:
        """Fail unless ``value`` matches the recorded tensor, relative to its largest entry.

        Args:
            key: of the recorded tensor, such as "output64/out".
            value: the whole tensor; it is sub-sampled as the recorded one was.
            tolerance: largest difference over the recorded tensor's largest magnitude.
        """
        full = value.detach().double().cpu().numpy()
        expected = self.tensors[key].astype(np.float64)
        sampled = self.meta.get("sampled", {}).get(key)
        if sampled is None:
            assert full.shape == expected.shape, f"{key}: {full.shape} is not {expected.shape}"
            found, largest = full, np.abs(expected).max(initial=0.0)
        else:
            assert list(full.shape) == sampled["shape"], f"{key}: {full.shape} is not {sampled['shape']}"
            found, largest = full.reshape(-1)[:: sampled["stride"]], sampled["abs_max"]
            self._compare_statistics(key, full, sampled, tolerance)
        limit = tolerance * largest if largest > _NOISE else _NOISE
        worst = np.abs(found - expected).max(initial=0.0)
        assert worst <= limit, f"{key}: off by {worst:.3g} of {largest:.3g}, more than {tolerance:g} of it"

    @staticmethod
    def _compare_statistics(
        key: str, full: npt.NDArray[Any], expected: Mapping[str, Any], tolerance: float
    ) -> None:
        # The sample leaves entries out; the norm and the mean cover all of them.
        limit = tolerance * expected["abs_max"] if expected["abs_max"] > _NOISE else _NOISE
        assert abs(full.mean() - expected["mean"]) <= limit, f"{key}: mean {full.mean()}"
        norm = np.sqrt((full * full).sum())
        assert abs(norm - expected["l2"]) <= limit * np.sqrt(full.size), f"{key}: norm {norm}"


def cases(*kinds: str, where: Callable[[Case], bool] = lambda case: True) -> list[Any]:
    """Parameters for ``pytest.mark.parametrize``: the cases of these kinds, or one skipped stand-in."""
    named = os.environ.get("REFERENCE_CASES")
    if not named:
        reason = "REFERENCE_CASES names no folder of reference cases"
        return [pytest.param(None, id="-".join(kinds), marks=pytest.mark.skip(reason=reason))]
    folder = Path(named)
    found = json.loads((folder / "index.json").read_text())["cases"]
    listed = [Case(folder, entry["name"]) for entry in found if entry["kind"] in kinds]
    return [pytest.param(case, id=case.name) for case in listed if where(case)]


def fill(case: Case, module: nn.Module, slots: Slots) -> None:
    """Give the module the case's weights, and check that none is missing or left over."""
    state = module.state_dict()
    for key, slot in slots.items():
        target = slot.read(state)
        with torch.no_grad():
            target.copy_(case.weight(key, tuple(target.shape)))
    made = case.meta["weights"]
    assert len(slots) == made["keys"], f"{len(slots)} state entries where upstream has {made['keys']}"
    assert sum(slot.read(state).numel() for slot in slots.values()) == made["n_values"]


def check_module(
    case: Case,
    module: nn.Module,
    slots: Slots,
    call: Callable[[dict[str, Tensor]], Outputs],
    *,
    tolerance: float = 1e-9,
    state_tolerance: float = 1e-6,
) -> None:
    """Run a module as the case did, in float64, and compare outputs, gradients and the state left behind.

    Args:
        case: the case.
        module: our module, of the case's configuration.
        slots: where each upstream state entry lives in it.
        call: outputs by upstream name from inputs by name.
        tolerance: of outputs and gradients, relative to the largest entry.
        state_tolerance: of the state, which the case recorded in float32.
    """
    meta = case.meta
    module.double()
    fill(case, module, slots)
    module.train(meta["mode"] == "train")
    update_spectral_norms_in_eval(module)  # as upstream does (Q1)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    inputs = case.inputs()
    for index in range(meta["n_forward"] - 1):
        with torch.no_grad():
            for name, value in call(inputs).items():
                case.compare(f"output64/call{index}.{name}", value, tolerance)
    for value in inputs.values():
        value.requires_grad_(value.is_floating_point())
    outputs = call(inputs)
    expected = {name for name in meta["outputs"] if not name.startswith("call")}
    assert set(outputs) == expected, f"outputs {sorted(outputs)} are not {sorted(expected)}"
    for name, value in outputs.items():
        case.compare(f"output64/{name}", value, tolerance)
    _check_gradients(case, module, slots, inputs, outputs, tolerance)
    _check_state(case, module, slots, before, state_tolerance)


def _check_gradients(
    case: Case, module: nn.Module, slots: Slots, inputs: Outputs, outputs: Outputs, tolerance: float
) -> None:
    recorded = [key for key in case.tensors if key.startswith(("grad64_input/", "grad64_param/"))]
    if not recorded:
        return
    seed = case.meta["seed"]
    objective = sum(
        (value * torch.from_numpy(recipe.objective_weight(name, value.shape, seed)).double()).sum()
        for name, value in outputs.items()
    )
    assert isinstance(objective, Tensor)
    objective.backward()
    gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    for key in recorded:
        kind, name = key.split("/", 1)
        if kind == "grad64_input":
            gradient = inputs[name].grad
            assert gradient is not None, f"no gradient reaches {name}"
        else:
            gradient = slots[name].read(gradients)
        case.compare(key, gradient, tolerance)


def _check_state(case: Case, module: nn.Module, slots: Slots, before: Outputs, tolerance: float) -> None:
    after = module.state_dict()
    for key in case.tensors:
        if key.startswith("state_after/"):
            case.compare(key, slots[key.removeprefix("state_after/")].read(after), tolerance)
    for key, expected in case.meta.get("state_after_stats", {}).items():
        full = slots[key].read(after).double()
        norm = full.square().sum().sqrt().item()
        assert abs(norm - expected["l2"]) <= tolerance * max(expected["l2"], 1), f"{key}: norm {norm}"
    changed = {
        key for key, slot in slots.items() if (slot.read(after) - slot.read(before)).abs().max() > 1e-6
    }
    listed = case.meta["state_changed"]
    if isinstance(listed, list):
        assert changed <= set(listed), f"changed here only: {sorted(changed - set(listed))}"
