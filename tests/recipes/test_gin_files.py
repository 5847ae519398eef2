"""Every recipe that comes along parses, builds, and uses each of its bindings."""

from pathlib import Path

import pytest

from recipes import config
from recipes.recipe import Recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.gin"))


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
