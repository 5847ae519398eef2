"""A model out of a run folder: which weights, from where, and nothing else disturbed."""

import shutil
from pathlib import Path

import gin
import pytest
import torch

from gancomponents.errors import InputError
from gancomponents.training import Runtime, checkpoint
from recipes import config
from recipes.climategan import ClimateGAN
from recipes.loading import fuse, load_model
from tests.recipes.tiny import SIDE
from tests.recipes.trained import tiny_model, write_run

CPU = Runtime("cpu", "fp32")
MODEL_ONLY = """
from __gin__ import dynamic_registration
from gancomponents import generators
from recipes import climategan

climategan.ClimateGAN.painter = @generators.SPADEPainter()
generators.SPADEPainter.width = 8
generators.SPADEPainter.upsamplings = 2
generators.SPADEPainter.hidden_channels = 4
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def averaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("averaged"), sets=("model", "averaged", "critics"))


@pytest.mark.parametrize("part", ["", "checkpoints", "checkpoints/step_00000007"])
def test_a_run_its_checkpoints_and_one_of_them_all_load(plain: Path, part: str, monkeypatch) -> None:
    for path in (plain / part, None):
        if path is None:  # from inside the folder
            monkeypatch.chdir(plain / part)
        loaded = load_model(path or Path("."), CPU)
        assert (loaded.weights, loaded.step, loaded.size, loaded.target_stride) == ("raw", 7, SIDE, 2)
        assert not any(module.training for module in loaded.model.modules())
        saved = checkpoint.load_weights(plain / "checkpoints" / "step_00000007")
        found = loaded.model.state_dict()
        assert all(torch.equal(found[key], value) for key, value in saved.items())
        assert str(loaded) == f"raw weights of step 7, trained at {SIDE} pixels"


@pytest.mark.parametrize(
    ("asked", "used"), [("auto", "averaged"), ("averaged", "averaged"), ("raw", "model")]
)
def test_averaged_weights_are_taken_where_there_are(averaged: Path, asked: str, used: str) -> None:
    loaded = load_model(averaged, CPU, weights=asked)
    saved = checkpoint.load_weights(loaded.checkpoint, used)
    assert loaded.weights == {"averaged": "averaged", "model": "raw"}[used]
    assert all(torch.equal(value, saved[key]) for key, value in loaded.model.state_dict().items())


def test_from_run_knows_the_trained_size(averaged: Path) -> None:
    model = ClimateGAN.from_run(averaged, device="cpu")
    assert model.trained_size == SIDE
    seen = model.infer_all(torch.zeros(3, 2 * SIDE, 3 * SIDE))
    assert seen.depth.shape == (1, SIDE // 2, 3 * SIDE // 4)
    assert seen.flood.shape == (3, 2 * SIDE, 3 * SIDE)


def test_a_converted_model_needs_no_recipe_around_it(tmp_path: Path) -> None:
    (tmp_path / "config.gin").write_text(MODEL_ONLY)
    with config.borrowed():
        config.parse(str(tmp_path / "config.gin"))
        weights = config.build(ClimateGAN).state_dict()
    checkpoint.save(tmp_path / "checkpoints", 0, {}, {"model": weights}, keep=1)
    assert load_model(tmp_path, CPU).size == 640
    assert load_model(tmp_path, CPU, default_size=256).model.trained_size == 256


def test_gin_and_the_random_generator_are_left_as_they_were(plain: Path) -> None:
    gin.clear_config()
    mine = gin.external_configurable(dict, "somebodys_own")
    gin.parse_config(["somebodys_own.answer = 42"])
    made = mine()
    before, operative, state = gin.config_str(), gin.operative_config_str(), torch.get_rng_state()
    gin.finalize()
    ClimateGAN.from_run(plain, device="cpu")
    assert gin.config.config_is_locked()
    assert gin.config_str() == before
    assert gin.operative_config_str() == operative
    assert mine() == made == {"answer": 42}
    assert torch.equal(torch.get_rng_state(), state)
    gin.clear_config()


def test_pretrained_weights_are_not_fetched_for_a_model_that_has_its_own() -> None:
    with config.borrowed():
        gin.parse_config(
            [
                "from __gin__ import dynamic_registration",
                "from gancomponents import encoders",
                "scoped/encoders.PretrainedEncoder.weights = 'imagenet'",
            ]
        )
        config.override("PretrainedEncoder", "weights", None)
        assert "weights = None" in gin.config_str()


def _no_config(folder: Path) -> None:
    (folder / "config.gin").unlink()


def _no_checkpoint(folder: Path) -> None:
    shutil.rmtree(folder / "checkpoints")


def _damaged(folder: Path) -> None:
    (folder / "checkpoints" / "step_00000007" / "model.safetensors").write_bytes(b"")


def _another_model(folder: Path) -> None:
    file = folder / "config.gin"
    file.write_text(file.read_text().replace("SPADEPainter.width = 8", "SPADEPainter.width = 16"))


def _no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("spoil", "part", "message"),
    [
        (_no_config, "", "no config.gin in it"),
        (_no_config, "checkpoints", "no config.gin in it"),
        (_no_config, "checkpoints/step_00000007", "without .*config.gin"),
        (_no_checkpoint, "", "a run with a whole checkpoint, got none"),
        (_damaged, "", "a run with a whole checkpoint, got none"),
        (_damaged, "checkpoints/step_00000007", "a damaged one"),
        (_another_model, "", "entries that differ, the first painter"),
        (_no_folder, "", "no such folder"),
    ],
)
def test_what_is_no_run_is_refused(plain: Path, tmp_path: Path, spoil, part: str, message: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(plain, folder)
    spoil(folder)
    with pytest.raises(InputError, match=message):
        load_model(folder / part, CPU)


def test_weights_that_are_not_there_are_refused(plain: Path) -> None:
    with pytest.raises(InputError, match="with averaged weights, got one with raw"):
        load_model(plain, CPU, weights="averaged")
    with pytest.raises(InputError, match="auto, averaged or raw"):
        load_model(plain, CPU, weights="look-ahead")


@pytest.mark.known_bug(51)
def test_a_fused_model_gives_the_same_events() -> None:
    more = (
        "decoders.DeepLabV3PlusDecoder.upstream_layout = True",
    )  # convolutions with a bias before their norm
    with config.borrowed():
        model = tiny_model(*more).double()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fused = fuse(model)
    norms = [m for m in fused.modules() if isinstance(getattr(m, "running_var", None), torch.Tensor)]
    assert norms == []
    assert not any("parametrizations" in key for key in fused.state_dict())
    x = torch.rand(2, 3, 70, 90).double() * 2 - 1
    found, expected = (
        each.infer_all(x, threshold=None, wildfire={"kernel_size": 15, "sigma": 7.0})
        for each in (fused, model)
    )
    for name in ("flood", "wildfire", "smog", "mask", "depth", "segmentation"):
        # An untrained depth is nearly flat, and smog stretches it to a full range.
        limit = 1e-6 if name == "smog" else 1e-9
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=limit, atol=limit)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
