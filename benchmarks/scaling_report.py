"""The results of `benchmarks.scaling`: powers fitted, a table, and plots."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: By factor, what its axis says.
TITLES = {
    "pixels": "pixels of an image",
    "width": "width of the painter",
    "batch": "images of each domain",
    "processes": "processes sharing a batch",
}

Row = Mapping[str, Any]


def exponents(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """The power of growth by factor and what was measured: ``fit`` to all values, ``last`` of the two largest."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for factor in TITLES:
        own = [row for row in rows if row["factor"] == factor]
        if len(own) < 2:
            continue
        values = [row["value"] for row in own]
        for quantity, costs in _costs(own).items():
            found.setdefault(factor, {})[quantity] = {
                "fit": power(values, costs),
                "last": power(values[-2:], costs[-2:]),
            }
    return found


def _costs(rows: Sequence[Row]) -> dict[str, list[float]]:
    costs = {"seconds": [row["seconds"]["median"] for row in rows]}
    if all(row["peak_mib"] is not None for row in rows):
        costs["peak_mib"] = [row["peak_mib"] for row in rows]
    return costs


def power(values: Sequence[float], costs: Sequence[float]) -> float:
    """The p of the line through log cost = p log value + c with the least squares.

    >>> round(power([1, 2, 4], [3, 12, 48]), 6)
    2.0
    """
    return _line(values, costs)[0]


def _line(values: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    x, y = [math.log(value) for value in values], [math.log(cost) for cost in costs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    slope /= sum((a - mean_x) ** 2 for a in x)
    return slope, mean_y - slope * mean_x


def report(result: Mapping[str, Any]) -> str:
    """Machine, rows and powers as lines for the terminal."""
    machine = ", ".join(f"{key} {value}" for key, value in result["machine"].items() if value is not None)
    base = ", ".join(f"{name} {value}" for name, value in result["base"].items())
    lines = [machine, f"{result['precision']}, around {base}; {result['rounds']} rounds"]
    lines.append(f"{'factor':12s}{'value':>8s}{'seconds a step (least to most)':>34s}{'peak MiB':>11s}")
    for row in result["rows"]:
        seconds = row["seconds"]
        text = f"{seconds['median']:.3f} ({seconds['min']:.3f} to {seconds['max']:.3f})"
        memory = "" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"
        note = f"  averaging {row['averaging_seconds']['median']:.3f} s" if "averaging_seconds" in row else ""
        lines.append(f"{row['factor']:12s}{row['value']:8d}{text:>34s}{memory:>11s}{note}".rstrip())
    for factor, quantities in result["exponents"].items():
        for quantity, power in quantities.items():
            what = {"seconds": "seconds grow", "peak_mib": "peak memory grows"}[quantity]
            last = f"{power['last']:.2f} between the largest two"
            lines.append(f"{what} as {factor} to the power {power['fit']:.2f}; {last}")
    return "\n".join(lines)


def draw(result: Mapping[str, Any], folder: Path) -> None:
    """Draw ``cost_seconds.png`` and ``cost_memory.png``: a panel for each factor, both axes logarithmic."""
    _draw(result, "seconds", "seconds a step", folder / "cost_seconds.png")
    if any("peak_mib" in found for found in result["exponents"].values()):
        _draw(result, "peak_mib", "MiB above the state", folder / "cost_memory.png")


def _draw(result: Mapping[str, Any], quantity: str, label: str, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    factors = [factor for factor, found in result["exponents"].items() if quantity in found]
    figure = Figure(figsize=(3 * len(factors), 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(1, len(factors), sharey=True)
    for axes, factor in zip(panels, factors, strict=True):
        rows = [row for row in result["rows"] if row["factor"] == factor]
        values, costs = [row["value"] for row in rows], _costs(rows)[quantity]
        slope, offset = _line(values, costs)
        axes.plot(
            values, [math.exp(offset) * value**slope for value in values], color="tab:gray", linewidth=1
        )
        spread = None
        if quantity == "seconds":
            ends = [row["seconds"] for row in rows]
            spread = [[e["median"] - e["min"] for e in ends], [e["max"] - e["median"] for e in ends]]
        axes.errorbar(values, costs, yerr=spread, fmt="o", color="tab:blue", capsize=3)
        _style(axes, factor, values)
        axes.set_title(f"power {slope:.2f}", fontsize=10)
    panels[0].set_ylabel(label)
    figure.savefig(path, dpi=100)


def _style(axes: Any, factor: str, values: Sequence[int]) -> None:
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter, NullLocator

    axes.set_xscale("log")
    axes.set_yscale("log")
    names = [f"{math.isqrt(value)}²" if factor == "pixels" else str(value) for value in values]
    axes.set_xticks(values, names)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(TITLES[factor])
    axes.grid(alpha=0.3)
