"""Every configuration under recipes/climategan/ parses, builds, uses its bindings, and trains a pair of steps."""

from pathlib import Path

import pytest
import torch

from recipes import config
from recipes.recipe import Recipe
from tests.recipes.tiny import tiny_bindings, write_data, write_kitti

FOLDER = Path(__file__).parents[3] / "recipes" / "climategan"
CONFIGURATIONS = sorted(FOLDER.glob("*.gin"))

#: What the published configurations train, beside what every other one does.
SECTION_19 = {
    "msd", "msd_upsampled", "painter", "mask_only", "deeplabv2", "msdp", "pl4m", "kitti", "depth_dada",
    "depth_base", "depth_classification", "mask_spade12", "mask_spade15", "diffaugment", "dada_segmentation",
    "dada_both", "mobilenet",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_data(tmp_path_factory.mktemp("data"))
    write_kitti(folder)
    return folder


def _recipe(path: Path, data: Path, *more: str) -> Recipe:
    text, seen = path.read_text(), {path}
    for line in text.splitlines():  # the text of what it includes, one level up the chain at a time
        if line.startswith("include 'recipes/climategan/"):
            included = FOLDER / line.split("/")[-1].rstrip("'")
            text += included.read_text() if included not in seen else ""
    source = ["data.Data.source = @data.Folder()", f"data.Folder.path = {str(data)!r}"]
    kitti = [f"KITTI = {str(data / 'train_kitti.json')!r}"] if path.stem == "kitti" else []
    here = ["run.Recipe.device = 'cpu'", "run.Recipe.precision = 'fp32'"]
    config.parse(f"recipes/climategan/{path.name}", [*kitti, *tiny_bindings(text), *source, *here, *more])
    torch.manual_seed(0)
    return config.build(Recipe)


def test_all_of_upstreams_are_there() -> None:
    assert {path.stem for path in CONFIGURATIONS} == SECTION_19


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_trains_a_pair_of_steps(path: Path, data: Path) -> None:
    recipe = _recipe(path, data)
    recipe.rehearse()
    domains = (*recipe.pretraining, *recipe.domains)
    recipe.data.prepare(domains)
    before = {name: p.detach().clone() for name, p in recipe.system.model.named_parameters()}
    recipe.loop.train()
    recipe.system.enter(frozenset(recipe.phases.spans))
    for step, batch in enumerate(recipe.data.loader(0, domains).iterate(0, 2)):
        losses = recipe.loop.step(batch, step)
    assert all(torch.isfinite(loss) for loss in losses.values())
    still = [
        n for n, p in recipe.system.model.named_parameters() if p.requires_grad and torch.equal(p, before[n])
    ]
    assert not still, "trained nothing there"


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("pl4m", "masker/m/painter/r"),
        ("kitti", "masker/d/depth/kitti"),
        ("depth_classification", "masker/d/depth/s"),
        ("painter", "painter/p/vgg/rf"),
        ("mask_only", "masker/m/bce/s"),
    ],
)
def test_what_each_is_there_for_is_among_its_losses(name: str, term: str, data: Path) -> None:
    recipe = _recipe(FOLDER / f"{name}.gin", data)
    recipe.system.enter(frozenset(recipe.phases.spans))
    batch = recipe.system.example_batch(
        recipe.data, torch.Generator().manual_seed(0), (*recipe.pretraining, *recipe.domains)
    )
    losses = recipe.loop.rehearse(batch)
    assert term in losses
    parts = {loss.split("/")[0] for loss in losses}
    assert parts == {"msdp": {"masker", "painter", "critic"}}.get(name, parts)
    if name == "painter":
        assert not any(loss.startswith("masker/") for loss in losses)
    if name == "mask_only":
        assert not any(loss.split("/")[1] in ("s", "d") for loss in losses)
