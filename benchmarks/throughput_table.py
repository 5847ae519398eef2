"""The result of `benchmarks.throughput` as a Markdown table."""

from collections.abc import Mapping
from typing import Any

_HEAD = """\
| knob | variant | seconds a step (least to most) | faster by | by CPU time | peak MiB | |
|:-----|:--------|-------------------------------:|----------:|------------:|---------:|:-|"""


def table(result: Mapping[str, Any]) -> str:
    """One line for each variant.

    >>> seconds = {"median": 2.0, "min": 1.0, "max": 3.0}
    >>> variant = {"seconds": seconds, "ratio": seconds, "cpu_ratio": None, "peak_mib": None}
    >>> print(table({"rows": [{"knob": "workers", "variants": {"1": variant}}]}).splitlines()[-1])
    | `workers` | 1 | 2.00 (1.00 to 3.00) | 2.00 (1.00 to 3.00) | | | |
    """
    lines = [
        _line(row["knob"], name, variant)
        for row in result["rows"]
        for name, variant in row["variants"].items()
    ]
    return "\n".join([_HEAD, *lines])


def _line(knob: str, name: str, variant: Mapping[str, Any]) -> str:
    memory = variant["peak_mib"]
    cells = [
        f"`{knob}`",
        name,
        _spread(variant["seconds"]),
        _spread(variant["ratio"]),
        _spread(variant["cpu_ratio"]),
        "" if memory is None else f"{memory:.0f}",
        _more(variant),
    ]
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def _more(variant: Mapping[str, Any]) -> str:
    found = []
    for key, text in (("loading_seconds", "loading alone"), ("averaging_seconds", "averaging")):
        if key in variant:
            found.append(f"{text} {variant[key]['median']:.3f} s")
    if variant.get("first_step_seconds", 0) > 10 * variant["seconds"]["median"]:
        found.append(f"first step {variant['first_step_seconds']:.0f} s")
    return ", ".join(found)


def _spread(numbers: Mapping[str, float] | None) -> str:
    if numbers is None:
        return ""
    if numbers["min"] == numbers["max"]:
        return f"{numbers['median']:.2f}"
    return f"{numbers['median']:.2f} ({numbers['min']:.2f} to {numbers['max']:.2f})"
