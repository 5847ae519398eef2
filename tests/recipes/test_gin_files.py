"""Every recipe that comes along parses, builds, and uses each of its bindings."""

import json
from pathlib import Path

import pytest
import torch

from gancomponents.decoders import DeepLabV3PlusDecoder
from gancomponents.encoders import DeepLabV3ResNet
from recipes import cli, config, run
from recipes.climategan import System
from recipes.data import Data
from recipes.phases import Phases
from recipes.recipe import Recipe
from recipes.upstream import keys
from tests.recipes.tiny import TINY, write_data

FOLDER = Path(__file__).parents[2] / "recipes"
PAPER = FOLDER / "climategan_paper.gin"
RECIPES = [path for path in sorted(FOLDER.glob("*.gin")) if path != PAPER]

#: The macros that the published scale asks for.
OWN = {
    f"{split}_{domain}": f"{split}_{domain}.json".lower()
    for split in ("TRAIN", "VAL")
    for domain in ("S", "R", "RF")
}


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_builds_from_any_folder(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config.parse(f"recipes/{path.name}", ["run.Recipe.device = 'cpu'"])
    recipe = config.build(Recipe)
    assert sum(p.numel() for p in recipe.system.model.parameters()) > 0
    recipe.rehearse()


def test_the_flagship_has_the_published_weights() -> None:
    from recipes.climategan.masker_losses import MASKER_WEIGHTS
    from recipes.climategan.objectives import CRITIC_WEIGHTS
    from recipes.climategan.painter_losses import PAINTER_WEIGHTS

    config.parse("recipes/climategan.gin")
    recipe = config.build(Recipe)
    generator, critic = recipe.system.generator.objective, recipe.system.critic.objective
    assert generator.masker.terms.weights == MASKER_WEIGHTS
    assert generator.painter.terms.weights == PAINTER_WEIGHTS
    assert critic.terms.weights == CRITIC_WEIGHTS


def _own(data: str, **more: object) -> list[str]:
    macros = {**OWN, "DATA": data, "VGG_WEIGHTS": None, **more}
    return [f"{name} = {value!r}" for name, value in macros.items()]


def test_the_published_scale_has_the_published_sizes() -> None:
    config.parse("recipes/climategan_paper.gin", _own(".", DEEPLAB_WEIGHTS="none.pth"))
    with torch.device("meta"):
        system = config.build(System, strict=False)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in system.parts().items()}
    published = {
        "encoder": 42_500_160,
        "depth decoder": 3_776_865,
        "segmentation decoder": 16_253_072,
    }
    assert published.items() <= counts.items()
    bound = {
        "data.Data.size": 640,
        "data.Data.batch_size": 6,
        "run.Recipe.epochs": 300,
        "run.Recipe.unit": "epoch",
    }
    assert {name: config.bound(name, None) for name in bound} == bound
    generator, critic = system.generator, system.critic
    assert [p.optimiser.defaults["lr"] for p in (generator, critic)] == [5e-5, 2e-5]
    assert [p.schedule(epoch) for p in (generator, critic) for epoch in (0, 4, 5, 15)] == [
        *(1, 1, 0.5, 0.125),
        *(1, 1, 1, 0.5),
    ]


@pytest.mark.parametrize("variant", sorted((FOLDER / "climategan").glob("*.gin")), ids=lambda path: path.stem)
def test_a_variant_takes_the_published_scale(variant: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.gin"
    includes = [f"recipes/climategan/{variant.name}", "recipes/base/paper_scale.gin"]
    own.write_text("".join(f"include {name!r}\n" for name in includes))
    kitti = ["KITTI = '.'"] if variant.stem == "kitti" else []
    config.parse(str(own), [*_own(".", DEEPLAB_WEIGHTS="none.pth"), *kitti])
    with torch.device("meta"):
        system = config.build(System, strict=False)
    data, phases = config.build(Data, strict=False), config.bound("run.Recipe.phases", None) or {}
    system.check_phases(Phases(phases, unit="epoch"), data)
    assert system.domains(data.domains)
    assert (variant.stem == "kitti") == ("pretrain" in phases)
    if variant.stem == "kitti":
        assert system.domains(data.domains, pretraining=True) == ("kitti",)
    model = system.model
    assert (model.masker is None) == (variant.stem in ("painter", "diffaugment"))
    assert config.bound("data.Data.size", None) == 640
    if model.painter is not None:
        assert model.painter.width == 640
    if model.masker is not None and variant.stem not in ("deeplabv2", "mobilenet"):
        assert model.masker.encoder.out_channels == [256, 2048]
    assert (model.painter is not None) == (variant.stem in ("painter", "diffaugment", "msdp", "pl4m"))


def test_the_published_scale_names_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.run(run.main, ["--gin", "recipes/climategan_paper.gin", "--steps", "2"])
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert any(name in error for name in (*OWN, "DATA", "DEEPLAB_WEIGHTS", "VGG_WEIGHTS"))
    assert "Traceback" not in error


def test_the_published_recipe_trains_on_lists_of_ones_own(tmp_path: Path, capsys) -> None:
    data, output = write_data(tmp_path / "data"), tmp_path / "run"
    small = [b for b in TINY if "batch_size" not in b]
    more = [
        "data.Data.crop = 60",
        "data.Data.batch_size = 2",
        "data.Data.workers = 0",
        "run.Recipe.epochs = 2",
    ]
    more.append("climategan.System.distances = None")  # its network would come from the web
    encoder = DeepLabV3ResNet(width=4, blocks=(1, 1, 1, 1), multi_grid=(1,))
    file = tmp_path / "published.pth"
    sizes = {"aspp_channels": 8, "low_channels": 8, "channels": 8}
    decoder = DeepLabV3PlusDecoder(encoder.out_channels, 19, **sizes, upstream_layout=True)
    own = decoder.state_dict()
    whole = {f"backbone.{k}": v for k, v in encoder.state_dict().items()}
    whole |= {key: slot.read(own) for key, slot in keys.slots(decoder, keys.v3plus_decoder).items()}
    torch.save(whole, file)
    bindings = [*small, *more, *_own(str(data), DEEPLAB_WEIGHTS=str(file))]
    arguments = ["--gin", "recipes/climategan_paper.gin", "--device", "cpu", "--precision", "fp32"]
    arguments += [flag for binding in bindings for flag in ("-p", binding)]
    cli_error = [*arguments, "--output", str(tmp_path / "other"), "-p", "DEEPLAB_WEIGHTS = 'nowhere.pth'"]
    with pytest.raises(SystemExit) as left:
        cli.run(run.main, cli_error)
    assert left.value.code == 2
    assert "pretrained masker.encoder from nowhere.pth" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    run.main([*arguments, "--output", str(output)])
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in records if "lr/generator" in r] == [0, 1]
    validated = [r["step"] for r in records if "val/masker/m/bce/s" in r]
    assert validated == [2, 4]  # epochs of two steps
    assert {"val/r/mask_iou", "val/critic/p/gan/rf"} <= set(records[-1])
    assert "val/rf/l1_in_mask" not in records[-1]  # the published list of rf has no true floods
    sheets = {p.name.removesuffix("_000004.png") for p in (output / "samples").glob("*_000004.png")}
    masker = {f"{domain}_{task}" for domain in ("s", "r") for task in ("s", "d", "m")}
    assert sheets == {"step", "rf_p", "r_flood", *masker}
    assert sorted(p.name for p in (output / "checkpoints").iterdir()) == ["step_00000004"]  # keep = 1


def test_parts_start_from_published_weights() -> None:
    decoder = DeepLabV3PlusDecoder([8, 32], aspp_channels=8, low_channels=4, channels=8, upstream_layout=True)
    rename = {"aspp.branches.0.conv": "aspp.conv1.conv", "reduce.norm": "decoder.conv_low.bn"}
    for ours, theirs in rename.items():
        assert decoder.published_key(f"{theirs}.weight") == f"{ours}.weight"
    assert decoder.published_key("decoder.conv_out.weight") is None
    assert decoder.published_key("backbone.conv1.weight") is None
