"""The whole of inference against the reference cases: one call, from an image to every event."""

import copy
import math
import re

import pytest
import torch
from torch import Tensor

from gancomponents.layers import update_spectral_norms_in_eval
from recipes.climategan import ClimateGAN
from recipes.climategan.painting import painted
from recipes.upstream.systems import model_slots
from tests.reference.cases import Case, cases
from tests.reference.systems import make_model


def _system(case: Case) -> ClimateGAN:
    """The model in float64 with the case's weights; spectral norms iterate at each call, as upstream's do."""
    model = make_model(case).double().eval()
    state, seen = model.state_dict(), 0
    filled: dict[str, Tensor] = {}
    for slots in model_slots(model).values():
        for key, slot in slots.items():
            target = slot.read(state)
            target.copy_(case.weight(key, tuple(target.shape)))
            filled[key] = target
            seen += target.numel()
    assert seen == sum(value.numel() for value in state.values()), "entries without a weight"
    for name, value in case.config.get("bias_overrides_added_after_fill", {}).items():
        key, index = re.fullmatch(r"(.+)\[(\d+)\]", name).groups()  # type: ignore[union-attr]
        filled[key][int(index)] += value
    update_spectral_norms_in_eval(model)
    return model


@pytest.mark.parametrize("case", cases("infer_all"))
def test_infer_all(case: Case) -> None:
    model, inputs, config = _system(case), case.inputs(), case.config
    soft = case.name.endswith("soft")
    options = {
        "stretch": True,
        "cloudy": case.name.endswith("cloudy"),
        "wildfire": {
            "kernel_size": config["events.fire.kernel_size"],
            "sigma": config["events.fire.kernel_sigma"],
            "green": config["green"],
            "integer_levels": True,
        },
    }
    if "rand01" in inputs:
        options["angles"] = 2 * math.pi * inputs["rand01"]
    if not soft:  # a hard mask is only recorded through the flood: the probability needs a call of its own
        seen = copy.deepcopy(model).infer_all(inputs["x"], threshold=None, events=())
        case.compare("output64/mask", seen.mask, 1e-9)
    found = model.infer_all(inputs["x"], threshold=None if soft else 0.5, **options)
    if soft:
        case.compare("output64/mask", found.mask, 1e-9)
    case.compare("output64/depth", found.depth, 1e-9)
    case.compare("output64/seg", found.segmentation, 1e-9)
    case.compare("output64/smog", (found.smog + 1) / 2, 1e-9)
    # The noise of the clouds was drawn in float32.
    case.compare("output64/flood", found.flood, 1e-5 if options["cloudy"] else 1e-9)
    fire = (found.wildfire + 1) * 127.5
    fire[:, :, 0, 0], fire[:, :, -1, -1] = 255, 0  # upstream's anchors for a later stretch
    case.compare("output64/wildfire", fire, 1.01 / 255)


@pytest.mark.parametrize("case", cases("paint_and_mask"))
def test_painting_at_upstreams_sizes(case: Case) -> None:
    model = _system(case)
    inputs = case.inputs()
    with torch.no_grad():
        for resolution in ("approx", "exact", "basic", "upsample"):
            picture = painted(model, inputs["x"], inputs["m"], resolution=resolution, trained=64)
            case.compare(f"output64/{resolution}", picture, 1e-9)
