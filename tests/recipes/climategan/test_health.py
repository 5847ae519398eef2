"""Collapse is seen on held-out frames, and looking for it changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gancomponents.discriminators import MultiScalePatchDiscriminator
from gancomponents.training import Runtime
from recipes import config
from recipes.climategan import ClimateGAN, Critics
from recipes.climategan.health import RANGES, health
from recipes.climategan.model import Prediction
from recipes.data import Data, Folder
from tests.recipes.tiny import SIDE, write_data
from tests.recipes.trained import tiny_model

RUNTIME = Runtime("cpu", "fp32")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    lists = {domain: f"{{}}_{domain}.json" for domain in ("s", "r", "rf")}
    train, val = ({d: name.format(split) for d, name in lists.items()} for split in ("train", "val"))
    made = Data(
        source=Folder(str(write_data(tmp_path_factory.mktemp("data")))),
        train=train,
        val=val,
        truth={},
        tasks={"s": ("s", "d", "m"), "r": ("m",), "rf": ("m",)},
        size=SIDE,
        batch_size=2,
        target_stride=2,
    )
    made.prepare(("s", "r", "rf"))
    return made


@pytest.fixture
def model() -> Iterator[ClimateGAN]:
    with config.borrowed():
        yield tiny_model()


def _critics() -> Critics:
    return Critics(painter=MultiScalePatchDiscriminator(4, scales=2, width=4, layers=2))


class _Says(nn.Module):
    """A masker that says the same of every picture."""

    def __init__(self, depth: Tensor, segmentation: Tensor, mask: Tensor):
        super().__init__()
        self.said = Prediction(depth, segmentation, mask)

    def forward(self, x: Tensor) -> Prediction:
        return Prediction(*(task.expand(len(x), -1, -1, -1) for task in self.said))


class _Paints(nn.Module):
    def __init__(self, noise: float):
        super().__init__()
        self.noise = noise

    def forward(self, x: Tensor) -> Tensor:
        return (torch.randn(x.shape, generator=torch.Generator().manual_seed(0)) * self.noise).clamp(-1, 1)


def _states(model: ClimateGAN, critics: Critics, data: Data) -> dict[str, str]:
    found = health(model, critics, data, RUNTIME)
    assert set(found) <= set(RANGES)
    return {name.removeprefix("health/"): RANGES[name].status(value) for name, value in found.items()}


def test_every_signal_is_measured_and_nothing_is_changed(model: ClimateGAN, data: Data) -> None:
    critics = _critics().train()
    model.train()
    model.masker.encoder.eval()  # a part of its own mode keeps it
    modes = [module.training for module in (*model.modules(), *critics.modules())]
    before = {k: v.clone() for k, v in {**model.state_dict(), **critics.state_dict()}.items()}
    draws = torch.get_rng_state()
    found = health(model, critics, data, RUNTIME)
    assert set(found) == set(RANGES)
    assert torch.equal(torch.get_rng_state(), draws)
    assert [module.training for module in (*model.modules(), *critics.modules())] == modes
    after = {**model.state_dict(), **critics.state_dict()}
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert all(p.grad is None for p in model.parameters())
    assert health(model, critics, data, RUNTIME) == found


@pytest.mark.parametrize(("logit", "state"), [(-9.0, "all dry"), (9.0, "all wet")])
def test_a_collapsed_masker_is_named(model: ClimateGAN, data: Data, logit: float, state: str) -> None:
    classes = torch.zeros(1, 11, 8, 8)
    classes[:, 3] = 1
    model.masker = _Says(torch.full((1, 1, 8, 8), 2.0), classes, torch.full((1, 1, SIDE, SIDE), logit))
    states = _states(model, Critics(), data)
    assert states["mask_coverage"] == state
    assert (states["mask_spread"], states["depth_spread"]) == ("mask flat", "depth flat")
    assert states["seg_classes"] == "one class"


def test_a_lively_masker_is_healthy(model: ClimateGAN, data: Data) -> None:
    lower = torch.where(torch.arange(SIDE) < SIDE // 2, -4.0, 4.0)[:, None].expand(1, 1, SIDE, SIDE)
    classes = torch.eye(11)[torch.arange(64) % 11].T.reshape(1, 11, 8, 8)
    model.masker = _Says(torch.linspace(0, 1, 64).reshape(1, 1, 8, 8), classes, lower)
    states = _states(model, Critics(), data)
    assert {states[name] for name in ("mask_coverage", "mask_spread", "depth_spread", "seg_classes")} == {
        "healthy"
    }


@pytest.mark.parametrize(("noise", "state"), [(0.0, "collapsing"), (0.3, "healthy"), (9.0, "scattered")])
def test_water_that_is_always_the_same_is_a_collapse(
    model: ClimateGAN, data: Data, noise: float, state: str
) -> None:
    model.painter = _Paints(noise)
    assert _states(model, Critics(), data)["sample_diversity"] == state


def test_what_a_part_cannot_give_is_left_out(model: ClimateGAN, data: Data) -> None:
    masker, painter = model.masker, model.painter
    alone = set(health(ClimateGAN(masker=masker), _critics(), data, RUNTIME))
    other = set(health(ClimateGAN(painter=painter), Critics(), data, RUNTIME))
    assert other == {"health/sample_diversity"}
    assert alone == set(RANGES) - other - {"health/critic_auc"}


def test_one_frame_has_no_diversity(model: ClimateGAN, data: Data, tmp_path: Path) -> None:
    assert "health/sample_diversity" not in health(model, _critics(), data, RUNTIME, count=1)
