"""Plots: written whole for odd tables, and shades that say which end is the better one."""

from pathlib import Path

import cv2
import numpy as np

from recipes.evaluation import plots
from recipes.evaluation.scores import NAMES


def test_shades_run_from_worst_to_best() -> None:
    table = np.full((3, len(NAMES)), np.nan)
    table[:, NAMES.index("f05")] = [0.2, 0.4, 0.3]
    table[:, NAMES.index("error")] = [0.2, 0.4, 0.3]
    table[:, NAMES.index("tpr")] = [0.5, np.nan, 0.5]
    shades = plots._shades(table)
    np.testing.assert_allclose(shades[:, NAMES.index("f05")], [0, 1, 0.5])
    np.testing.assert_allclose(shades[:, NAMES.index("error")], [1, 0, 0.5])
    np.testing.assert_allclose(shades[:, NAMES.index("tpr")], [0.5, np.nan, 0.5])


def test_plots_of_undefined_columns_and_many_images(tmp_path: Path, recwarn) -> None:
    table = np.random.default_rng(0).uniform(0, 1, (130, len(NAMES)))
    table[:, NAMES.index("f05")] = np.nan
    plots.box_plots({"a": table, "b": table[:1]}, tmp_path / "box.png")
    plots.image_heat_map([f"{i}.png" for i in range(130)], table, "a", tmp_path / "heat.png")
    plots.run_heat_map({"a": table, "b": table[:1]}, tmp_path / "runs.png")
    for path in tmp_path.iterdir():
        assert cv2.imread(str(path)) is not None
    assert [str(w.message) for w in recwarn] == []
