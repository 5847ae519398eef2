"""What a run leaves for a reader: curves.png, final.json and report.md."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gancomponents.errors import unwritable
from recipes.folder import RunFolder
from recipes.health import Event, Health
from recipes.health_section import section

Table = Mapping[str, Mapping[str, float]]

PARTS = ("masker", "painter", "critic")

_LOWER_IS_BETTER = ("depth_abs_rel", "l1_in_mask", "lpips_in_mask", "fid", "kid")


def write_report(
    name: str, folder: RunFolder, table: Table, events: Sequence[Path], *, health: Health | None = None
) -> None:
    """Write the curves, the final table and the report of a finished run, and print the table.

    Args:
        name: of the recipe.
        folder: of the run.
        table: ``before``, ``after`` and ``baseline``, each by metric.
        events: pictures to show.
        health: judges what was logged, with the run's thresholds; all of them the default ones where None.
    """
    records = folder.read_metrics()
    health = health or Health()
    told = section(health, records)
    draw_curves(records, folder.curves, health.events)
    folder.write(folder.final, json.dumps(table, indent=2) + "\n")
    folder.write(folder.report, _markdown(name, folder, table, events, records, told))
    print(format_table(table))
    print(f"report: {folder.report}")


def format_table(table: Table) -> str:
    """The table as aligned Markdown, an arrow at each metric for the better direction.

    >>> print(format_table({"before": {"s/mask_iou": 0.1}, "after": {"s/mask_iou": 0.9}, "baseline": {}}))
    | metric       | before | after | baseline |
    |:-------------|-------:|------:|---------:|
    | s/mask_iou ↑ |  0.100 | 0.900 |        – |
    """
    metrics = list(table["after"])
    rows = [["metric", *table]]
    for metric in metrics:
        arrow = "↓" if metric.endswith(_LOWER_IS_BETTER) else "↑"
        cells = [f"{table[c][metric]:.3f}" if metric in table[c] else "–" for c in table]
        rows.append([f"{metric} {arrow}", *cells])
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first row the heading, as a Markdown table with columns of even width.

    >>> print(aligned([["a", "b"], ["long", "1"]]))
    | a    | b |
    |:-----|--:|
    | long | 1 |
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        lines.append("| " + " | ".join(cells) + " |")
    rule = [":" + "-" * (widths[0] + 1), *("-" * (w + 1) + ":" for w in widths[1:])]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]])


def draw_curves(records: Sequence[Mapping[str, Any]], path: Path, events: Sequence[Event] = ()) -> None:
    """Plot every loss term over the steps, a panel for each part; mark where its health left its range."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

    figure = Figure(figsize=(15, 5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, part in zip(figure.subplots(1, len(PARTS)), PARTS, strict=True):
        values: list[float] = []
        for name in sorted({key for record in records for key in record if key.startswith(part + "/")}):
            points = [(record["step"], record[name]) for record in records if record.get(name) is not None]
            axes.plot(*zip(*points, strict=True), label=name.removeprefix(part + "/"), linewidth=1.2)
            values += [value for _, value in points]
        axes.set(title=part, xlabel="step", ylabel="weighted loss")
        if max(values, default=0.0) > 10 * min(values, default=0.0):
            axes.set_yscale("symlog", linthresh=1e-3)
            axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1e-3, subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        limits = axes.get_ylim()  # a line from top to bottom would stretch a logarithmic axis to below zero
        for index, step in enumerate(_marks(part, events)):
            label = "left its range" if index == 0 else None
            axes.axvline(step, color="crimson", linestyle=":", linewidth=1.2, label=label)
        axes.set_ylim(limits)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    try:
        figure.savefig(path, dpi=100)
    except OSError as error:
        raise unwritable(path, error) from error


def _marks(part: str, events: Sequence[Event], most: int = 20) -> list[int]:
    """The first steps at which a signal left its range: one of this part, or of none, such as the whole game's."""
    steps: dict[int, None] = {}
    for event in events:
        names = set(event.signal.split("/")) & {*PARTS, "generator"}
        if "generator" in names:
            names = set(PARTS) - {"critic"}
        if part in (names or PARTS):
            steps[event.step] = None
    return list(steps)[:most]


def _markdown(
    name: str,
    folder: RunFolder,
    table: Table,
    events: Sequence[Path],
    records: Sequence[Mapping[str, Any]],
    health: Sequence[str],
) -> str:
    samples = sorted(folder.samples.glob("step_*.png"))
    lines = [f"# {name}", ""]
    if records:
        last = records[-1]
        lines += [f"{last['step']} steps, {last['time'] / 60:.1f} minutes since the last (re)start.", ""]
    lines += ["## Held-out frames", "", format_table(table), ""]
    lines += [
        "Arrows point to the better side. *before* is the untrained network; *baseline* answers with the"
    ]
    lines += ["training set's averages, whatever the picture."]
    lines += [
        "",
        "Domains: *s* simulated, *r* real (another look), *rf* flooded. *mask_iou*: overlap of the predicted",
    ]
    lines += [
        "with the true water mask; *seg_miou*: mean overlap of the classes; *depth_abs_rel*: relative error of"
    ]
    lines += [
        "aligned depth; *l1_in_mask*, *ssim_in_mask*: the painted water, under the true mask, beside the true"
    ]
    lines += ["flood.", ""]
    if samples:
        lines += ["## Samples", "", f"![samples]({samples[-1].relative_to(folder.path)})", ""]
    if events:
        lines += ["## Events", "", *_event_table(folder, events), ""]
    lines += ["## Health", "", *health, ""]
    lines += ["## Curves", "", f"![curves]({folder.curves.name})", ""]
    return "\n".join(lines)


def _event_table(folder: RunFolder, events: Sequence[Path]) -> list[str]:
    """A row of pictures for each frame, a column for each event."""
    frames: dict[str, dict[str, Path]] = {}
    for path in sorted(events):
        frame, event = path.stem.rsplit("_", 1)
        frames.setdefault(frame, {})[event] = path
    columns = list(dict.fromkeys(path.stem.rsplit("_", 1)[1] for path in events))
    lines = ["| | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 1)]
    for frame, shown in sorted(frames.items()):
        cells = [
            f"![{event}]({shown[event].relative_to(folder.path)})" if event in shown else ""
            for event in columns
        ]
        lines.append(f"| {frame} | " + " | ".join(cells) + " |")
    return lines
