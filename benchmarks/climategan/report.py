"""Results as tables, as one line, and beside other results."""

from collections.abc import Mapping
from typing import Any

from benchmarks.climategan.machine import UPSTREAM

Result = Mapping[str, Any]

_GIGA = 1e9


def table(rows: Result) -> str:
    """Cases: seconds of both, ratio, and what part of the ceiling each reaches.

    >>> row = {"seconds": {"median": 2.0, "min": 1.0, "max": 3.0}}
    >>> print(table({"step": row}))
    case                         median s     min  plain s   ratio    TFLOP  GFLOP/s   share   plain
    step                            2.000   1.000        -       -        -        -       -       -
    """
    lines = [
        f"{'case':28s}{'median s':>9s}{'min':>8s}{'plain s':>9s}{'ratio':>8s}{'TFLOP':>9s}{'GFLOP/s':>9s}"
        f"{'share':>8s}{'plain':>8s}"
    ]
    for name, row in rows.items():
        seconds, plain, ratio = row["seconds"], row.get("plain_seconds"), row.get("ratio")
        lines.append(
            f"{name:28s}{seconds['median']:9.3f}{seconds['min']:8.3f}"
            + _cell(plain and plain["median"], "9.3f")
            + _cell(ratio and ratio["median"], "7.2f", "x")
            + _cell(row.get("flops") and row["flops"] / 1e12, "9.3f")
            + _cell(row.get("flop_per_second") and row["flop_per_second"] / _GIGA, "9.0f")
            + _cell(row.get("share"), "8.0%")
            + _cell(row.get("plain_share"), "8.0%")
        )
        for key, label in (("stages", ""), ("plain_stages", "plain ")):
            if key in row:
                parts = ", ".join(f"{stage} {value:.3f}" for stage, value in row[key].items())
                lines.append(f"  {label}stages: {parts}")
    return "\n".join(lines)


def memory_table(memory: Result) -> str:
    """What stays from step to step, and each work's peak above it."""
    computed = memory["static_mib"]
    parts = ", ".join(f"{name} {value:.0f}" for name, value in computed.items())
    lines = [f"static state, MiB: {parts}; in all {sum(computed.values()):.0f} and the imports"]
    lines.append(f"{'peak memory':22s}{'imports':>9s}{'static':>9s}{'above it':>10s}{'to plain':>10s}")
    for name, variants in memory["peaks"].items():
        base = variants["plain"]
        for variant, found in variants.items():
            if found is None or base is None:
                continue
            lines.append(
                f"{name + ', ' + variant:22s}{found['imports']:9.0f}{found['made']:9.0f}{found['peak']:10.0f}"
                f"{found['peak'] / base['peak']:10.2f}"
            )
    return "\n".join(lines)


def calibration_lines(result: Result) -> list[str]:
    """Upstream's figures carried over to this machine, beside the plain form's."""
    size = result["settings"]["size"]
    lines = []
    for work, seconds in result["calibration"].items():
        row = result["cases"].get(work)
        if row is None:
            continue
        plain, ours = (row[key]["min"] for key in ("plain_seconds", "seconds"))
        lines.append(
            f"upstream's {work} at {size} px, {UPSTREAM[work][size]} s where it was measured, would take "
            f"{seconds:.2f} s at this machine's fp32 ceiling; the plain form takes {plain:.2f} s, ours {ours:.2f} s"
        )
    return lines


def last_line(result: Result) -> str:
    """The ratios to the plain form and to the ceiling, of what was measured."""
    precision, parts = result["settings"]["precision"], []
    for name in ("step", "inference"):
        row = result["cases"].get(name)
        if row is not None:
            parts.append(
                f"{name} {row['ratio']['median']:.2f} times the plain form, "
                f"{row['share']:.0%} of the {precision} ceiling"
            )
    return "; ".join(parts) or "neither step nor inference was measured: no ratio to tell"


def compare(a: Result, b: Result) -> str:
    """Seconds and peaks of two results, and how many times the second is faster or smaller."""
    lines = [f"{'':28s}{'A':>10s}{'B':>10s}{'A / B':>8s}"]
    for name in (name for name in a["cases"] if name in b["cases"]):
        for key, label in (("seconds", name), ("plain_seconds", f"plain {name}")):
            if key in a["cases"][name] and key in b["cases"][name]:
                first, second = (result["cases"][name][key]["median"] for result in (a, b))
                lines.append(f"{label:28s}{first:10.3f}{second:10.3f}{first / second:7.2f}x")
    peaks = [(result.get("memory") or {}).get("peaks", {}) for result in (a, b)]
    for name, variants in peaks[0].items():
        for variant, found in variants.items():
            other = peaks[1].get(name, {}).get(variant)
            if found is not None and other is not None:
                label, first, second = f"{name}, {variant}, MiB", found["peak"], other["peak"]
                lines.append(f"{label:28s}{first:10.0f}{second:10.0f}{first / second:7.2f}x")
    rates = [_loader_rates(result) for result in (a, b)]
    for label in (label for label in rates[0] if label in rates[1]):
        first, second = (found[label] for found in rates)
        lines.append(f"{f'loader {label}, samples/s':28s}{first:10.1f}{second:10.1f}{first / second:7.2f}x")
    return "\n".join(lines)


def _loader_rates(result: Result) -> dict[str, float]:
    """Samples a second and core by domain and variant."""
    domains = (result.get("loader") or {"domains": {}})["domains"]
    return {
        f"{domain} {variant}": found["samples_per_second"]["median"]
        for domain, row in domains.items()
        for variant, found in row["variants"].items()
    }


def _cell(value: float | None, shape: str, unit: str = "") -> str:
    width = int(shape.split(".")[0]) + len(unit)
    return f"{'-':>{width}s}" if value is None else f"{value:{shape}}{unit}"
