"""Knobs that change how fast a recipe trains, or in how much memory, and not what it learns."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from gancomponents.errors import InputError
from recipes import config
from recipes.recipe import Recipe
from tests.recipes.tiny import TINY

_MASKERS = ("encoders", "decoders", "climategan.Masker", "discriminators.Entropy")
_PAINTER = [binding for binding in TINY if not binding.startswith(_MASKERS)]
_CALM = ["losses.BCEGANLoss.label_smoothing = 0.0", "losses.BCEGANLoss.flip_probability = 0.0"]


def _recipe(gin: str, *more: str) -> Recipe:
    tiny = _PAINTER if gin.endswith("painter.gin") else TINY
    config.parse(gin, [*tiny, *_CALM, "run.Recipe.precision = 'fp32'", *more])
    torch.manual_seed(0)
    recipe = config.build(Recipe)
    for player in recipe.loop.players.values():  # in float64, rounding stays small after steps of Adam
        player.objective.double()
    return recipe


def _step(recipe: Recipe, step: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(step)
    batch = recipe.system.example_batch(recipe.data, generator, recipe.domains)
    wide = {
        domain: {task: value.double() if value.is_floating_point() else value for task, value in f.items()}
        for domain, f in batch.items()
    }
    return recipe.loop.step(wide, step)


def _close(a: Mapping[str, Tensor], b: Mapping[str, Tensor], tolerance: float) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=tolerance, atol=tolerance, msg=name)


def _states(recipe: Recipe) -> list[dict[str, Tensor]]:
    return [player.objective.state_dict() for player in recipe.loop.players.values()]


@pytest.mark.parametrize(
    "gin",
    [
        "recipes/climategan/painter.gin",
        pytest.param("recipes/climategan.gin", marks=pytest.mark.slow),
    ],
)
def test_compiled_objectives_are_one_graph_each_compiled_once_and_learn_the_same(gin: str) -> None:
    torch._dynamo.reset()
    counters.clear()
    compiled, plain = _recipe(gin, "run.Recipe.compile = 'aot_eager'"), _recipe(gin)
    for step in range(3):
        _close(_step(plain, step), _step(compiled, step), 1e-6)
        assert counters["stats"]["unique_graphs"] == 2  # of generator and critics, since the first step
        assert not counters["graph_break"]
    for ours, theirs in zip(_states(compiled), _states(plain), strict=True):
        _close(ours, theirs, 1e-5)


def test_unknown_compilers_are_refused() -> None:
    for name in ("reduce-overhead", "fast"):
        config.parse("recipes/climategan/painter.gin", [*_PAINTER, f"run.Recipe.compile = {name!r}"])
        with pytest.raises(InputError, match="compile: expected True, False or one of default"):
            config.build(Recipe)


@pytest.mark.parametrize("more", [(), ("run.Recipe.phases = {'painter_for_masker': (1, None)}",)])
def test_a_checkpointed_painter_learns_the_same_bit_for_bit(more: tuple[str, ...]) -> None:
    found = []
    for checkpointing in (False, True):
        recipe = _recipe(
            "recipes/climategan.gin", f"generators.SPADEPainter.checkpointing = {checkpointing}", *more
        )
        recipe.system.enter(frozenset(recipe.phases.spans))
        for step in range(3):
            torch.manual_seed(step)
            losses = _step(recipe, step)
        found.append((losses, *_states(recipe)))
    assert ("masker/m/painter/r" in found[0][0]) == bool(more)
    for plain, ours in zip(*found, strict=True):
        _close(ours, plain, 0.0)
