"""Events against the reference cases. Upstream stretches every image and works on whole grey levels."""

import math

import pytest
import torch
from torch import Tensor

from gancomponents.events import cloudy, perlin_noise, sky_mask, smog, wildfire
from gancomponents.events.blur import gaussian_matrix
from gancomponents.events.colour import linear_to_srgb, srgb_to_linear, unit_range
from tests.reference.cases import Case, cases


def upstream_fire(case: Case, x: Tensor, logits: Tensor, kernel_size: int, sigma: float) -> Tensor:
    """Wildfire in grey levels, with the two pixels that upstream sets to anchor a later stretch."""
    fire = wildfire(
        x.float(),
        logits.float(),
        kernel_size=kernel_size,
        sigma=sigma,
        green=case.config["green"],
        stretch=True,
        integer_levels=True,
    )
    levels = (fire + 1) * 127.5
    levels[:, :, 0, 0], levels[:, :, -1, -1] = 255, 0
    return levels


@pytest.mark.parametrize("case", cases("compute_smog"))
def test_smog(case: Case) -> None:
    inputs, config = case.inputs(), case.config
    hazy = smog(
        inputs["x"],
        inputs["d"],
        airlight=config["airlight"],
        beta=config["beta"],
        visual_range=config["vr"],
        yellow=tuple(config["yellow_color"]),
        alpha=config["alpha"],
        stretch=True,
    )
    case.compare("output64/smog", (hazy + 1) / 2, 1e-9)


@pytest.mark.parametrize("case", cases("add_fire"))
def test_fire(case: Case) -> None:
    inputs, config = case.inputs(), case.config
    sky = sky_mask(inputs["seg"], inputs["x"].shape[2:], crop_bottom=False)
    case.compare("output/grown_mask_nocrop", sky, 0.0)
    # One row of the blur's matrix in the middle of a long line is the kernel itself.
    line = gaussian_matrix(7, config["kernel_size"], config["kernel_sigma"], sky.float())[3]
    line = torch.linalg.vector_norm(line) ** -1 * line
    kernel = torch.from_numpy(case.tensors["output/gauss_kernel"])
    torch.testing.assert_close(torch.outer(line, line), kernel / torch.linalg.matrix_norm(kernel))
    fire = upstream_fire(case, inputs["x"], inputs["seg"], config["kernel_size"], config["kernel_sigma"])
    recorded = case.meta["sampled"]["output/fire"]
    assert fire.mean().item() == pytest.approx(recorded["mean"], rel=1e-5)
    assert fire.std().item() == pytest.approx(recorded["std"], rel=1e-5)
    assert torch.linalg.vector_norm(fire).item() == pytest.approx(recorded["l2"], rel=1e-5)


@pytest.mark.parametrize("case", cases("infer_all"))
def test_events_of_whole_system(case: Case) -> None:
    x, config = case.inputs()["x"], case.config
    depth, logits = (torch.from_numpy(case.tensors[f"output64/{name}"]) for name in ("depth", "seg"))
    case.compare("output64/smog", (smog(x, depth, stretch=True) + 1) / 2, 1e-9)
    fire = upstream_fire(
        case, x, logits, config["events.fire.kernel_size"], config["events.fire.kernel_sigma"]
    )
    case.compare("output64/wildfire", fire, 1.01 / 255)


@pytest.mark.parametrize("case", cases("rand_perlin_2d/mix_noise"))
def test_clouds(case: Case) -> None:
    inputs, config = case.inputs(torch.float32), case.config
    angles = 2 * math.pi * inputs["rand01"]
    case.compare("output/noise", perlin_noise(angles, tuple(config["shape"])), 1e-5)
    mixed = cloudy(inputs["x"], inputs["mask"], weight=config["weight"], angles=angles)
    case.compare("output/mixed", mixed, 1e-5)


@pytest.mark.parametrize("case", cases("srgb"))
def test_colour_curves(case: Case) -> None:
    inputs = case.inputs()
    case.compare("output64/lin", srgb_to_linear(unit_range(inputs["x"], stretch=True)), 1e-9)
    case.compare("output64/srgb", linear_to_srgb(inputs["y"]), 1e-9)
    case.compare("output64/srgb_single", linear_to_srgb(inputs["y"][0]), 1e-9)
