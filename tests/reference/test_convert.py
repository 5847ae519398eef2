"""Upstream's checkpoints through the real command: a converted model and its critics give what upstream's gave."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gancomponents.events import cloudy, smog
from gancomponents.generators import paste
from gancomponents.layers import update_spectral_norms_in_eval
from recipes import convert
from recipes.climategan import ClimateGAN
from recipes.upstream import keys
from recipes.upstream.entries import Shape
from tests.recipes.upstream import tiny
from tests.reference import recipe
from tests.reference.architectures import Config, painter_shapes, shapes_of
from tests.reference.cases import Case, cases
from tests.reference.test_events import upstream_fire


def _generator_shapes(config: Config) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    if "m" in config.get("tasks", ""):
        name = "generator_masker_only"
        if config.get("gen.deeplabv3.backbone") == "mobilenet":
            name = "generator_mobilenet"
        elif config.get("gen.m.use_spade"):
            name = "generator_mask_spade"
        shapes |= shapes_of(name)
    if "p" in config.get("tasks", ""):
        shapes |= painter_shapes(config)
    return shapes


def _values(shapes: dict[str, Shape], case: Case, prefix: str) -> dict[str, Tensor]:
    seed = case.meta["weights"]["seed"]
    values = {
        key: torch.from_numpy(recipe.weight(key, shape, seed, prefix=prefix)) for key, shape in shapes.items()
    }
    for entry, added in case.config.get("bias_overrides_added_after_fill", {}).items():
        found = re.fullmatch(r"(.*)\[(\d+)\]", entry)
        assert found is not None
        values[found[1]][int(found[2])] += added
    return values


def _converted(folder: Path, config: Config, generator: dict[str, Tensor], critics: Any = None) -> ClimateGAN:
    """The model that the command makes of a checkpoint with these values, ready to repeat upstream's numbers."""
    path = tiny.save(folder / "latest_ckpt.pth", generator, critics)
    settings = {"fuse_mask": "gen.m.use_dada", "paste_original": "gen.p.paste_original_content"}
    flags = [f"{name}={config[option]}" for name, option in settings.items() if option in config]
    if "m" in config.get("tasks", "") and "target_size_ds" in config:
        flags.append(f"target_stride={config['size'] // config['target_size_ds']}")
    flags.append("stretch=False")  # upstream's numbers are of images as they are
    given = [flag for setting in flags for flag in ("--set", setting)]
    convert.main([str(path), "--output", str(folder / "run"), *given])
    model = tiny.load(folder / "run").double()
    update_spectral_norms_in_eval(model)  # as upstream does (Q1)
    return model


@pytest.mark.parametrize("case", cases("infer_all"))
def test_events_of_a_converted_model(case: Case, tmp_path: Path) -> None:
    config = case.config
    model = _converted(tmp_path, config, _values(_generator_shapes(config), case, "G/"))
    inputs = case.inputs()
    x = inputs["x"]
    # Two biases were shifted in float64 there, which a file's float32 rounds.
    limit = 1e-7 if "bias_overrides_added_after_fill" in config else 1e-9
    with torch.no_grad():
        seen = model(x)
        assert seen.depth is not None
        assert seen.segmentation is not None
        assert seen.mask is not None
        mask = seen.mask.sigmoid()
        case.compare("output64/depth", seen.depth, limit)
        case.compare("output64/seg", seen.segmentation, limit)
        case.compare("output64/mask", mask, limit)
        water = mask if case.name.endswith("soft") else (mask > 0.5).double()
        if case.name.endswith("cloudy"):
            logits = F.interpolate(seen.segmentation, x.shape[-2:], mode="bilinear", align_corners=False)
            sky = (logits.argmax(1, keepdim=True) == 9).double()
            clouds = cloudy(x, sky, angles=2 * torch.pi * inputs["rand01"].double())
            assert model.painter is not None
            # Noise and mask of upstream's clouds are float32 and float16.
            case.compare("output64/flood", paste(model.painter(clouds * (1 - water)), x, water), 1e-5)
        else:
            case.compare("output64/flood", model.paint(x, water), limit)
        case.compare("output64/smog", (smog(x, seen.depth, stretch=True) + 1) / 2, limit)
        kernel_size, sigma = config["events.fire.kernel_size"], config["events.fire.kernel_sigma"]
        fire = upstream_fire(case, x, seen.segmentation, kernel_size, sigma)
        case.compare("output64/wildfire", fire, 1.01 / 255)


@pytest.mark.parametrize("case", cases("Generator", where=lambda case: case.name == "generator_1_eval"))
def test_conditioned_mask_of_a_converted_model(case: Case, tmp_path: Path) -> None:
    model = _converted(tmp_path, {}, _values(_generator_shapes(case.config), case, ""))
    with torch.no_grad():
        seen = model(case.inputs()["x"])
    for name, value in (("d", seen.depth), ("s", seen.segmentation), ("m_logits", seen.mask)):
        assert value is not None
        case.compare(f"output64/{name}", value, 1e-9)


@pytest.mark.parametrize("case", cases("Generator.paint"))
def test_paint_of_a_converted_model(case: Case, tmp_path: Path) -> None:
    config = {f"gen.p.{name}": value for name, value in case.config.items()}
    model = _converted(tmp_path, config, _values(painter_shapes(config), case, ""))
    inputs = case.inputs()
    with torch.no_grad():
        case.compare("output64/out", model.paint(inputs["x"], inputs["m"]), 1e-9)


# --- the critics -------------------------------------------------------------------------------------------


def _batch(case: Case) -> dict[str, Tensor]:
    found = {}
    for name, entry in case.meta["batch_recipe"].items():
        value = torch.from_numpy(recipe.tensor(entry, entry["shape"]))
        found[name] = (value > 0.5).double() if name.endswith(".m") else value.double()
    return found


def _critic_shapes(config: Config) -> dict[str, Shape]:
    """D's entries: the recorded ones of AdvEnt's critics, and of the painter's the first stages made small."""
    local = config.get("dis.p.use_local_discriminator", False)
    width, layers = config["dis.p.ndf"], config["dis.p.n_layers"]
    with torch.device("meta"):
        critic = tiny.MultiScalePatchDiscriminator(
            3 if local else 4, scales=config["dis.p.num_D"], width=width, layers=layers, bias=True
        )
    state, slots = critic.state_dict(), keys.slots(critic, keys.patch_discriminator)
    shapes = {
        f"{prefix}.{key}": tuple(slot.read(state).shape)
        for prefix in (("p.global", "p.local") if local else ("p",))
        for key, slot in slots.items()
    }
    recorded = shapes_of("discriminator_default") if "m" in config["tasks"] else {}
    return shapes | {key: shape for key, shape in recorded.items() if "Advent" in key}


def _bce(scores: list[list[Tensor]], label: float) -> Tensor:
    """Upstream's GAN loss: of the last map of every scale, averaged over scales."""
    losses = [_one_bce(scale[-1], label) for scale in scores]
    return torch.stack(losses).mean()


def _one_bce(scores: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))


def _entropy(probabilities: Tensor) -> Tensor:
    bits = -probabilities * torch.log2(probabilities + 1e-30)
    return bits / torch.log2(torch.tensor(float(probabilities.shape[1])))


@pytest.mark.parametrize(
    "case", cases("CompositeLoss", where=lambda case: case.name.startswith("composite_D_"))
)
@torch.no_grad()
def test_losses_of_converted_critics(case: Case, tmp_path: Path) -> None:
    config = {**case.config, "size": case.meta["size"], "target_size_ds": case.meta["target_size_ds"]}
    generator = _values(_generator_shapes(config), case, "G/")
    model = _converted(tmp_path, config, generator, _values(_critic_shapes(config), case, "D/"))
    critics = tiny.load_critics(tmp_path / "run").double()
    update_spectral_norms_in_eval(critics)
    for network in (model, critics):
        network.train(case.meta["mode"] == "train")
    batch = _batch(case)
    x, mask = batch["rf.x"], batch["rf.m"]
    fake = model.paint(x, mask)
    found: dict[str, Tensor] = {}
    if hasattr(critics.painter, "local"):
        whole, local = critics.painter.whole, critics.painter.local
        found["p.global"] = _bce(whole(fake), 0.0) + _bce(whole(x), 1.0)
        found["p.local"] = _bce(local(fake * mask), 0.0) + _bce(local(x * mask), 1.0)
    else:
        real_scores, fake_scores = critics.painter.compare(
            torch.cat([mask, x], 1), torch.cat([mask, fake], 1)
        )
        found["p.gan"] = _bce(fake_scores, 0.0) + _bce(real_scores, 1.0)
    for domain, label in (("r", 1.0), ("s", 0.0)):
        if f"{domain}.x" not in batch:
            continue
        seen = model(batch[f"{domain}.x"])
        assert seen.depth is not None
        assert seen.segmentation is not None
        assert seen.mask is not None
        water = seen.mask.sigmoid()
        terms = {
            "s.Advent": critics.segmentation(_entropy(seen.segmentation.softmax(1)) * seen.depth),
            "m.Advent": critics.mask(_entropy(torch.cat([water, 1 - water], 1))),
        }
        for name, scores in terms.items():
            found[name] = found.get(name, torch.zeros(())) + _one_bce(scores, label)
    expected = {
        name.removeprefix("term."): value
        for name, value in case.meta["scalars64"].items()
        if name.startswith("term.") and value
    }
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value.item() == pytest.approx(expected[name], rel=1e-6), name
