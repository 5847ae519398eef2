"""Plots: written whole for odd tables, and shades that say which end is the better one."""

from pathlib import Path

import cv2
import numpy as np

from recipes.evaluation import plots
from recipes.evaluation.scores import NAMES


def test_shades_show_which_side_of_the_threshold() -> None:
    table = np.full((4, len(NAMES)), np.nan)
    table[:, NAMES.index("f05")] = [1, 0.95, 0.925, 0.1]
    table[:, NAMES.index("error")] = [0, 0.05, 0.075, 0.9]
    table[:, NAMES.index("mnr")] = [1, 0.95, np.nan, 0]
    shades = plots._shades(table)
    for name in ("f05", "error"):
        np.testing.assert_allclose(shades[:, NAMES.index(name)], [1, 0.5, 0.25, 0], atol=1e-12)
    np.testing.assert_allclose(shades[:, NAMES.index("mnr")], [1, 0.95, np.nan, 0])


def test_plots_of_undefined_columns_and_many_images(tmp_path: Path, recwarn) -> None:
    table = np.random.default_rng(0).uniform(0, 1, (130, len(NAMES)))
    table[:, NAMES.index("f05")] = np.nan
    plots.box_plots({"a": table, "b": table[:1]}, tmp_path / "box.png")
    plots.image_heat_map([f"{i}.png" for i in range(130)], table, "a", tmp_path / "heat.png")
    plots.run_heat_map({"a": table, "b": table[:1]}, tmp_path / "runs.png")
    for path in tmp_path.iterdir():
        assert cv2.imread(str(path)) is not None
    # Older matplotlib is deprecated by what it imports itself.
    assert [str(w.message) for w in recwarn if not issubclass(w.category, DeprecationWarning)] == []


def test_names_are_no_mathematics(tmp_path: Path) -> None:
    table = np.zeros((2, len(NAMES)))
    plots.image_heat_map(["a$\\nonsense$.png", "b.png"], table, "$\\frac$", tmp_path / "heat.png")
    plots.box_plots({"$_$": table}, tmp_path / "box.png")
    assert len(list(tmp_path.iterdir())) == 2
