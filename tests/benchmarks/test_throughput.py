"""The benchmark of throughput knobs: its arithmetic, its variants, and the table that the guide shows."""

import doctest
import json
from pathlib import Path

import pytest

from benchmarks import kept, throughput, throughput_table
from benchmarks.throughput import BINDINGS, OTHERS, compared, prepare
from benchmarks.throughput_table import table
from tests.recipes.tiny import TINY

_RESULT = Path("benchmarks/results/throughput_cpu.json")


@pytest.mark.parametrize("module", [throughput, throughput_table, kept])
def test_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0


def test_ratios_are_taken_round_by_round() -> None:
    found = compared({"a": [(2.0, 1.0), (6.0, 1.0), (3.0, 3.0)], "b": [(1.0, 2.0), (2.0, 2.0), (6.0, 1.0)]})
    assert found["a"]["ratio"] == {"median": 1, "min": 1, "max": 1}
    assert found["b"]["ratio"] == {"median": 2, "min": 0.5, "max": 3}
    assert found["b"]["cpu_ratio"] == {"median": 0.5, "min": 0.5, "max": 3}
    assert found["b"]["seconds"] == {"median": 2, "min": 1, "max": 6}


@pytest.mark.parametrize(("knob", "variant"), [("accumulate", "2"), ("guard", "without"), ("guard", "with")])
def test_variants_are_steps(knob: str, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gin, variants = BINDINGS[knob]
    small = {**variants, variant: (*TINY, *variants[variant], "data.Data.batch_size = 2")}
    monkeypatch.setitem(BINDINGS, knob, (gin, small))
    step = prepare(knob, variant)
    step()
    step()


def test_the_guide_shows_what_was_measured() -> None:
    result = json.loads(_RESULT.read_text())
    assert [row["knob"] for row in result["rows"]] == [*BINDINGS, *OTHERS]
    assert table(result) in Path("docs/throughput.md").read_text()
