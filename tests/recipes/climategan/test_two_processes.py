"""Every configuration in two processes of b images: the losses and gradients of one process with 2 b."""

from pathlib import Path

import pytest
from torch import nn

from gancomponents.data import DiffAugment
from gancomponents.losses import BCEGANLoss
from tests.recipes.climategan.test_configurations import CONFIGURATIONS, _recipe
from tests.recipes.tiny import write_data, write_kitti
from tests.training.gloo import in_two


def _step(path: Path, data: Path, batch_size: int) -> dict[str, float]:
    """Losses and gradients' norms of a first step, over all processes, without noise that each draws by itself."""
    more = (f"data.Data.batch_size = {batch_size}", "run.Recipe.sync_batch_norm = True")
    recipe = _recipe(path, data, *more)
    for player in recipe.loop.players.values():
        for part in player.objective.modules():
            if isinstance(part, BCEGANLoss):
                part.label_smoothing = part.flip_probability = 0.0
            if isinstance(part, nn.Dropout):
                part.p = 0.0
            if isinstance(part, DiffAugment):
                part.colour, part.translation, part.cutout = False, 0.0, 0.0
    domains, processes = (*recipe.pretraining, *recipe.domains), recipe.runtime.processes
    recipe.data.prepare(domains)
    recipe.loop.train()
    recipe.system.enter(frozenset(recipe.phases.spans))
    loader = recipe.data.loader(0, domains, rank=processes.rank, world_size=processes.count)
    losses = recipe.loop.step(next(iter(loader.iterate(0, 1))), 0)
    found = {name: float(loss) for name, loss in losses.items()}
    every = processes.gather(found)
    means = {name: sum(each[name] for each in every) / len(every) for name in found}
    return means | {f"gradients of {name}": float(norm) for name, norm in recipe.loop.gradient_norms.items()}


def _steps(paths: list[Path], data: Path, batch_size: int) -> dict[str, dict[str, float]]:
    return {path.stem: _step(path, data, batch_size) for path in paths}


def test_every_configuration(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    write_kitti(data)
    alone = _steps(CONFIGURATIONS, data, 4)
    first, second = in_two(_steps, CONFIGURATIONS, data, 2)
    assert first == second
    for name, expected in alone.items():
        for term, value in expected.items():
            # A batch norm of four pooled values blows rounding up in the backward pass.
            tolerance = 3e-2 if term.startswith("gradients") else 1e-3
            assert first[name][term] == pytest.approx(value, rel=tolerance, abs=1e-5), f"{name}: {term}"
