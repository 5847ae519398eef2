"""The results of `benchmarks.town_parts` as Markdown tables and as a plot of differences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.intervals import Interval, interval, paired
from benchmarks.town_variants import SIZE, VARIANTS
from gancomponents.errors import InputError

#: What is reported, by group; an arrow points to the better side.
METRICS = {
    "masker": {"r/mask_iou": "↑", "r/seg_miou": "↑", "r/depth_abs_rel": "↓"},
    "painter": {"rf/l1_in_mask": "↓", "rf/ssim_in_mask": "↑"},
}

#: Comparisons beside those of every variant with its base: all that the ladder adds up to.
_SUMS = (("+ ground intersection", "source only"), ("SPADE mask", "source only"))

#: By variant and seed, the scores of a run.
Scores = dict[str, dict[int, dict[str, float]]]


def markdown(result: Mapping[str, Any]) -> str:
    """The scores of every variant, its differences from its base, and what all ran on."""
    parts = []
    for group, metrics in METRICS.items():
        scores = scores_of(result, group)
        if scores:
            parts += [_summary(result, group), _scores_table(result, scores, group, metrics)]
            parts.append(_differences_table(scores, group, metrics))
    machine = ", ".join(f"{key} {value}" for key, value in result["machine"].items() if value is not None)
    return "\n\n".join([*parts, f"Machine: {machine}."])


def scores_of(result: Mapping[str, Any], group: str) -> Scores:
    """The scores of a group's variants; of one measured in several configurations, those of the latest.

    Raises:
        InputError: when the variants' runs are not of equal length, so that nothing may be compared.
    """
    found: Scores = {}
    steps = {}
    for variant in (v for v in VARIANTS if v.group == group):
        if latest := _latest(result, variant.name):
            found[variant.name] = {run["seed"]: run["scores"] for run in latest}
            steps[variant.name] = latest[-1]["steps"]
    if len(set(steps.values())) > 1:
        raise InputError(
            f"{group} runs",
            expected="equal steps",
            got=str(steps),
            fix="measure all of them with the same --steps",
        )
    return found


def _latest(result: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A variant's runs in the configuration that was measured last."""
    runs = [run for run in result["runs"] if run["variant"] == name]
    return [run for run in runs if run["digest"] == runs[-1]["digest"]]


def comparisons(scores: Scores, group: str) -> list[tuple[str, str]]:
    """Which variants are compared with which: each with its base, then the sums."""
    pairs = [(v.name, v.base) for v in VARIANTS if v.group == group and v.base is not None]
    pairs += [pair for pair in _SUMS if group == "masker"]
    return [(name, base) for name, base in pairs if name in scores and base in scores]


def differences(scores: Scores, name: str, base: str, metric: str) -> Interval | None:
    """What ``name`` has more of ``metric`` than ``base``, over the seeds of both."""
    one, other = (
        {seed: found[metric] for seed, found in scores[variant].items()} for variant in (name, base)
    )
    return paired(one, other)


def _summary(result: Mapping[str, Any], group: str) -> str:
    runs = [run for v in VARIANTS if v.group == group for run in _latest(result, v.name)]
    seconds = [run["seconds"] for run in runs]
    return (
        f"## {group.capitalize()}: {runs[-1]['steps']} steps at {SIZE} px, {runs[-1]['precision']}\n\n"
        f"{len(runs)} runs of {min(seconds):.0f} to {max(seconds):.0f} s of training, "
        f"{sum(seconds) / 60:.0f} minutes in all."
    )


def _scores_table(result: Mapping[str, Any], scores: Scores, group: str, metrics: Mapping[str, str]) -> str:
    what = {variant.name: variant.what for variant in VARIANTS}
    rows = [["variant", "what it is", "seeds", *(f"{name} {arrow}" for name, arrow in metrics.items())]]
    trivial = result["baselines"][group]
    rows.append(["trivial answer", "training averages", "–", *(f"{trivial[m]:.3f}" for m in metrics)])
    for name, by_seed in scores.items():
        cells = [interval([found[m] for found in by_seed.values()]) for m in metrics]
        shown = [f"{cell.mean:.3f}{_half(cell)}" for cell in cells]
        rows.append([name, what[name], str(len(by_seed)), *shown])
    return _table(rows)


def _differences_table(scores: Scores, group: str, metrics: Mapping[str, str]) -> str:
    rows = [["part", "against", "seeds", *(f"{name} {arrow}" for name, arrow in metrics.items())]]
    for name, base in comparisons(scores, group):
        cells = {m: differences(scores, name, base, m) for m in metrics}
        shown = [_verdict(cell, metrics[m]) for m, cell in cells.items()]
        count = max((cell.count for cell in cells.values() if cell), default=0)
        rows.append([name, base, str(count), *shown])
    return _table(rows)


def _verdict(difference: Interval | None, arrow: str) -> str:
    if difference is None:
        return "–"
    text = f"{difference.mean:+.3f}{_half(difference)}"
    if not difference.clear:
        return text
    return f"**{text} {'better' if (difference.mean > 0) == (arrow == '↑') else 'worse'}**"


def _half(cell: Interval) -> str:
    return f" ± {cell.half:.3f}" if cell.count > 1 else ""


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    rule = "|" + "|".join("---" if i < 2 else "---:" for i in range(len(rows[0]))) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Draw every difference with its interval and the single seeds, a panel for each metric."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = {group: scores_of(result, group) for group in METRICS}
    figure = Figure(figsize=(12, 7), layout="constrained")
    FigureCanvasAgg(figure)
    rows: Any = figure.subfigures(2, 1, height_ratios=[3, 2])
    for part, (group, metrics) in zip(rows, METRICS.items(), strict=True):
        pairs = comparisons(found[group], group)[::-1]
        for axes, (metric, arrow) in zip(
            part.subplots(1, len(metrics), sharey=True), metrics.items(), strict=True
        ):
            for height, (name, base) in enumerate(pairs):
                _draw_difference(axes, height, found[group], name, base, metric, arrow)
            axes.axvline(0, color="black", linewidth=0.8)
            axes.set_yticks(range(len(pairs)), [f"{name}  |  {base}" for name, base in pairs])
            axes.set_title(f"{metric} {arrow}", fontsize=10)
            axes.grid(axis="x", alpha=0.3)
    figure.suptitle(
        "variant | base: difference over the same seeds, 95 % interval, every seed as a dot", fontsize=10
    )
    figure.savefig(path, dpi=100)


def _draw_difference(
    axes: Any, height: int, scores: Scores, name: str, base: str, metric: str, arrow: str
) -> None:
    cell = differences(scores, name, base, metric)
    if cell is None:
        return
    better = (cell.mean > 0) == (arrow == "↑")
    colour = ("tab:green" if better else "tab:red") if cell.clear else "tab:gray"
    axes.errorbar(cell.mean, height, xerr=cell.half, fmt="o", color=colour, capsize=3)
    single = [
        scores[name][seed][metric] - scores[base][seed][metric]
        for seed in sorted(scores[name].keys() & scores[base].keys())
    ]
    axes.plot(single, [height - 0.25] * len(single), ".", color="black", markersize=3)
