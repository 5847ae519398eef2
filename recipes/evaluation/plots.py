"""Plots of the metrics: boxes of the key ones, and heat maps of images or runs by metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gancomponents.errors import printable
from recipes.evaluation.scores import KEY, METRICS, NAMES, Numbers, summarise

_MOST_WITH_NUMBERS, _MOST_NAMED = 40, 120


def box_plots(tables: Mapping[str, Numbers], path: Path) -> None:
    """The key metrics of every run: quartiles, whiskers to 1.5 times their distance, every image a dot.

    Args:
        tables: (images, metrics) by run.
        path: the .png file.
    """
    rng = np.random.default_rng(0)  # moves dots sideways, so that they do not cover each other
    figure = _figure(len(KEY) * (1.8 + 0.6 * len(tables)), 4.5)
    for axes, metric in zip(figure.subplots(1, len(KEY)), KEY, strict=True):
        columns = [table[:, NAMES.index(metric.name)] for table in tables.values()]
        columns = [column[~np.isnan(column)] for column in columns]
        axes.boxplot(columns, widths=0.5, showfliers=False, medianprops={"color": "black", "linewidth": 1.6})
        for place, column in enumerate(columns, start=1):
            sideways = rng.uniform(-0.15, 0.15, len(column))
            axes.scatter(place + sideways, column, s=9, alpha=0.6, linewidths=0)
        if metric.threshold is not None:
            axes.axhline(metric.threshold, color="tab:red", linestyle="--", linewidth=1)
        axes.set_title(metric.name + metric.arrow, fontsize=10)
        axes.set_xticks(
            range(1, len(columns) + 1), map(_plain, tables), rotation=30 if len(columns) > 1 else 0
        )
        axes.grid(axis="y", alpha=0.3)
    figure.supxlabel("dashed: threshold; a dot is an image", fontsize=8)
    figure.savefig(path, dpi=100)


def image_heat_map(images: Sequence[str], table: Numbers, title: str, path: Path) -> None:
    """Images by metrics, the worst error on top.

    Args:
        images: their names.
        table: (images, metrics).
        title: of the plot.
        path: the .png file.
    """
    order = np.argsort(-np.nan_to_num(table[:, NAMES.index("error")]), kind="stable")
    _heat_map([images[i] for i in order], table[order], f"{title}, by error", path)


def run_heat_map(tables: Mapping[str, Numbers], path: Path) -> None:
    """Runs by the means of their metrics, in the order given."""
    means = [[found.mean for found in summarise(table).values()] for table in tables.values()]
    _heat_map(list(tables), np.array(means), "means of every run", path)


def _heat_map(names: Sequence[str], table: Numbers, title: str, path: Path) -> None:
    from matplotlib import colormaps

    shades, rows = _shades(table), len(names)
    figure = _figure(3.5 + 0.62 * len(NAMES), 2.2 + min(0.24 * max(rows, 2), 40))
    axes = figure.subplots()
    axes.set_facecolor("0.85")  # seen where a metric is undefined
    judged = np.array([metric.threshold is not None for metric in METRICS])
    scale = {"vmin": 0, "vmax": 1, "aspect": "auto", "interpolation": "nearest"}
    layers = [
        axes.imshow(np.ma.masked_where(np.isnan(shades) | ~shown, shades), cmap=colormaps[colours], **scale)
        for shown, colours in ((judged, "RdYlBu"), (~judged, "Purples"))
    ]
    axes.set_xticks(
        range(len(NAMES)), [metric.name + metric.arrow for metric in METRICS], rotation=40, ha="right"
    )
    axes.set_yticks(range(rows), map(_plain, names)) if rows <= _MOST_NAMED else axes.set_yticks([])
    axes.tick_params(labelsize=8)
    axes.set_title(_plain(title), fontsize=10)
    if rows <= _MOST_WITH_NUMBERS:
        for (i, j), value in np.ndenumerate(table):
            text = "–" if np.isnan(value) else f"{value:.3f}"
            dark = shades[i, j] > (0.85 if judged[j] else 0.65) or (judged[j] and shades[i, j] < 0.15)
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    bar = figure.colorbar(layers[0], ax=axes, ticks=[0, 0.5, 1], fraction=0.03, pad=0.01)
    bar.ax.set_yticklabels(["twice as far,\nor further", "threshold", "perfect"], fontsize=8)
    figure.supxlabel("violet: metrics without a threshold, from 0 to 1; grey: undefined", fontsize=8)
    figure.savefig(path, dpi=100)


def _plain(name: str) -> str:
    """A file's name as it is: matplotlib takes what is between dollars for mathematics."""
    return printable(name).replace("$", r"\$")


def _shades(table: Numbers) -> Numbers:
    """1 where a metric is perfect, 0.5 at its threshold, 0 from twice as far; the metric itself without one."""
    shades = table.copy()
    for i, metric in enumerate(METRICS):
        if metric.threshold is not None:
            perfect = 1.0 if metric.better > 0 else 0.0
            shades[:, i] = 1 - abs(table[:, i] - perfect) / abs(metric.threshold - perfect) / 2
    return shades.clip(0, 1)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
