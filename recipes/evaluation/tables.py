"""The numbers, written: metrics.csv, summary.json and summary.md of a run, comparison.json and .md of several."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gancomponents.data import FLOOD_LABELS
from recipes.evaluation.compare import Difference
from recipes.evaluation.pairs import Pair
from recipes.evaluation.predict import SOFT, Scores, Subject
from recipes.evaluation.scores import KEY, METRICS, NAMES, mean_and_std, summarise
from recipes.report import aligned

_CALLED = ("dry", "flooded")

_NOTES = """\
↑ more is better, ↓ less is. *images* have the metric: one that divides by a class is undefined where the label
lacks that class, and is left out of mean, deviation (std) and passed. *passed*: the share of these images on the
better side of *threshold*, the published one.
"""


def csv_text(pairs: Sequence[Pair], scores: Scores) -> str:
    """A row for every image and one of means; a cell is empty where the metric is undefined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", *NAMES])
    for pair, row in zip(pairs, scores.table, strict=True):
        writer.writerow([pair.image.name, *map(_cell, row.tolist())])
    writer.writerow(["mean", *(_cell(summary.mean) for summary in summarise(scores.table).values())])
    return text.getvalue()


def summary(subject: Subject, scores: Scores, bin_value: float) -> dict[str, Any]:
    """What summary.json holds; null where a number is undefined."""
    metrics: dict[str, Any] = {}
    for metric, found in zip(METRICS, summarise(scores.table).values(), strict=True):
        better = {1: "more", -1: "less", 0: None}[metric.better]
        metrics[metric.name] = {**found._asdict(), "threshold": metric.threshold, "better": better}
    mean, std = mean_and_std(scores.confusion)
    confusion = {"rows": _CALLED, "columns": FLOOD_LABELS, "mean": mean.tolist(), "std": std.tolist()}
    result = {
        "run": str(subject.path),
        "weights": subject.loaded.weights,
        "step": subject.loaded.step,
        "size": subject.size,
        "bin_value": None if bin_value == SOFT else bin_value,
        "images": len(scores.table),
        "metrics": metrics,
        "confusion": confusion,
    }
    return _defined(result)


def comparison(
    summaries: Mapping[str, dict[str, Any]], differences: Sequence[Mapping[str, Difference]]
) -> dict[str, Any]:
    """What comparison.json holds: the summary of every run, and how the later ones differ from the first."""
    first, *others = summaries
    gaps = {
        name: {metric: gap._asdict() for metric, gap in found.items()}
        for name, found in zip(others, differences, strict=True)
    }
    return _defined({"runs": dict(summaries), "first": first, "differences": gaps})


def json_text(result: Mapping[str, Any]) -> str:
    """As a file holds it, or the terminal shows it."""
    return json.dumps(result, indent=2, allow_nan=False) + "\n"


def metrics_table(result: Mapping[str, Any]) -> str:
    """The metrics of a summary, a row each."""
    rows = [["metric", "mean", "std", "images", "threshold", "passed"]]
    for metric in METRICS:
        found = result["metrics"][metric.name]
        passed = "–" if found["passed"] is None else f"{100 * found['passed']:.0f} %"
        threshold = (
            "–" if metric.threshold is None else f"{'≥' if metric.better > 0 else '≤'} {metric.threshold:g}"
        )
        numbers = [shown(found["mean"]), shown(found["std"]), str(found["images"])]
        rows.append([metric.name + metric.arrow, *numbers, threshold, passed])
    return aligned(rows)


def confusion_table(result: Mapping[str, Any]) -> str:
    """Mean ± deviation of the confusion matrices of a summary."""
    confusion = result["confusion"]
    rows = [["", *(f"{name} flood" for name in confusion["columns"])]]
    for name, means, stds in zip(confusion["rows"], confusion["mean"], confusion["std"], strict=True):
        cells = [
            f"{shown(m)} ± {shown(s)}" if m is not None else "–" for m, s in zip(means, stds, strict=True)
        ]
        rows.append([f"called {name}", *cells])
    return aligned(rows)


def summary_text(result: Mapping[str, Any], drawn: bool) -> str:
    """summary.md of one run."""
    soft = result["bin_value"] is None
    how = (
        "Probabilities count as they are"
        if soft
        else f"Water is where its probability is above {result['bin_value']:g}"
    )
    lines = [f"# Water masks of {result['run']}", ""]
    lines += [
        f"{result['images']} photos, {result['size']} pixels a side, {result['weights']} weights of step "
        f"{result['step']}. {how}.",
        "",
    ]
    lines += [metrics_table(result), "", _NOTES]
    lines += ["## Confusion", "", confusion_table(result), ""]
    lines += ["The share of each class that is called dry and flooded: mean ± deviation over the images.", ""]
    if drawn:
        lines += ["## Images", "", "![box plots](box_plots.png)", "", "![every image](heat_map.png)", ""]
        lines += [
            "`errors/` has a picture of every photo with its label, its mask and where the mask errs.",
            "",
        ]
    return "\n".join(lines)


def comparison_table(result: Mapping[str, Any]) -> str:
    """Means of every metric, a column for each run."""
    rows = [["metric", *result["runs"]]]
    for metric in METRICS:
        means = [shown(run["metrics"][metric.name]["mean"]) for run in result["runs"].values()]
        rows.append([metric.name + metric.arrow, *means])
    return aligned(rows)


def differences_table(result: Mapping[str, Any]) -> str:
    """The key metrics of every later run less those of the first."""
    rows = [["run: metric", "difference", "95 % interval", "images"]]
    for name, gaps in result["differences"].items():
        for metric in KEY:
            gap = gaps[metric.name]
            known = gap["low"] is not None
            interval = f"{gap['low']:+.3f} to {gap['high']:+.3f}" if known else "–"
            mean = "–" if gap["mean"] is None else f"{gap['mean']:+.3f}"
            rows.append([f"{name}: {metric.name}{metric.arrow}", mean, interval, str(gap["images"])])
    return aligned(rows)


def comparison_text(result: Mapping[str, Any], drawn: bool) -> str:
    """comparison.md of several runs."""
    lines = ["# Water masks compared", ""]
    for name, run in result["runs"].items():
        lines.append(
            f"- [{name}]({name}/summary.md): {run['weights']} weights of step {run['step']}, {run['size']} pixels"
        )
    lines += ["", comparison_table(result), "", f"## Differences from {result['first']}", ""]
    lines += [differences_table(result), ""]
    lines += [
        "Image by image, over those where both runs have the metric. The interval is the middle 95 % of the"
    ]
    lines += ["mean difference when images are drawn anew (bootstrap): one that holds 0 may be chance.", ""]
    if drawn:
        lines += ["![box plots](box_plots.png)", "", "![runs and metrics](heat_map.png)", ""]
    return "\n".join(lines)


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"


def shown(value: float | None) -> str:
    """A number for readers, a dash where it is undefined.

    >>> shown(0.95), shown(None)
    ('0.950', '–')
    """
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def _defined(value: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(value, Mapping):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_defined(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
