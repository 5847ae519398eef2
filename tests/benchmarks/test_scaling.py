"""The benchmark of growth: its fits, its settings, and what it leaves."""

import doctest
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import scaling, scaling_report
from benchmarks.scaling_report import draw, exponents, power, report
from tests.recipes.tiny import TINY


@pytest.mark.parametrize("module", [scaling, scaling_report])
def test_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0


def _row(factor: str, value: int, cost: float, memory: float | None) -> dict[str, Any]:
    seconds = {"median": cost, "min": 0.9 * cost, "max": 1.2 * cost}
    return {"factor": factor, "value": value, "seconds": seconds, "peak_mib": memory}


def _result() -> dict[str, Any]:
    rows = [_row("pixels", side * side, side**3, 5 * side**2) for side in (128, 256, 512)]
    rows += [_row("width", width, 7 * width**2, 100.0) for width in (80, 160)]
    rows += [_row("processes", count, 4 / count, None) for count in (1, 2)]
    base = {"side": 256, "width": 320, "batch": 1}
    machine = {"processor": "one", "cores": 2, "gpu": None}
    return {
        "machine": machine,
        "precision": "fp32",
        "base": base,
        "rounds": 3,
        "rows": rows,
        "exponents": exponents(rows),
    }


def test_powers_of_growth_are_found() -> None:
    found = _result()["exponents"]
    assert list(found) == ["pixels", "width", "processes"]
    assert found["pixels"]["seconds"] == pytest.approx({"fit": 1.5, "last": 1.5})
    assert found["pixels"]["peak_mib"] == pytest.approx({"fit": 1, "last": 1})
    assert found["width"]["seconds"]["fit"] == pytest.approx(2)
    assert found["processes"] == {"seconds": pytest.approx({"fit": -1, "last": -1})}


def test_the_line_is_that_of_least_squares() -> None:
    assert power([1, 2, 4], [1, 2, 16]) == pytest.approx(2)
    assert exponents([_row("batch", b, c, None) for b, c in ((1, 1), (2, 2), (4, 16))])["batch"][
        "seconds"
    ] == {
        "fit": pytest.approx(2),
        "last": pytest.approx(3),
    }


def test_one_factor_is_varied_at_a_time() -> None:
    for factor, setting in scaling.settings(list(scaling.FACTORS)):
        others = {name: value for name, value in setting.items() if name != factor}
        assert others == {name: value for name, value in scaling.BASE.items() if name != factor}
    assert all(scaling.BASE[factor] in values for factor, values in scaling.FACTORS.items())


def test_a_setting_gives_the_step_its_size_and_leaves_the_recipe_as_it_is() -> None:
    more = (*TINY, "data.Data.batch_size = 1")
    recipe = scaling.build("fp32", 16, more)
    seen = []
    step = recipe.loop.step

    def watched(batch, *arguments):
        seen.append({domain: tuple(fields["x"].shape) for domain, fields in batch.items()})
        return step(batch, *arguments)

    recipe.loop.step = watched  # type: ignore[method-assign]
    scaling.pair(recipe, {"side": 96, "width": 16, "batch": 2})()
    assert seen == [dict.fromkeys(("s", "r", "rf"), (2, 3, 96, 96))] * 2
    assert (recipe.data.size, recipe.data.batch_size) == (64, 1)


def test_rows_are_measured_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "FACTORS", {"side": (64, 96), "batch": (1, 2)})
    monkeypatch.setattr(scaling, "BASE", {"side": 64, "width": 8, "batch": 1})
    factors = ["side", "batch"]
    times = scaling.time_steps("fp32", factors, rounds=1, more=TINY)
    assert {len(seconds) for seconds in times.values()} == {1}
    rows = scaling.rows_of(factors, times, dict.fromkeys(times, 1.0))
    values = [("pixels", 64**2), ("pixels", 96**2), ("batch", 1), ("batch", 2)]
    assert [(row["factor"], row["value"]) for row in rows] == values
    assert rows[0]["seconds"]["median"] == times[scaling.key(scaling.BASE)][0] / 2
    assert rows[0]["seconds"] == rows[2]["seconds"]


def test_the_report_and_the_plots(tmp_path: Path) -> None:
    result = _result()
    text = report(result)
    assert "seconds grow as pixels to the power 1.50; 1.50 between the largest two" in text
    assert "peak memory grows as pixels to the power 1.00" in text
    assert "as processes to the power -1.00" in text
    draw(result, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cost_memory.png", "cost_seconds.png"]


@pytest.mark.slow
def test_the_command_measures_tells_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "FACTORS", {"side": (128, 160), "width": (80,), "batch": (1, 2)})
    monkeypatch.setattr(scaling, "BASE", {"side": 128, "width": 80, "batch": 1})
    file = tmp_path / "result.json"
    scaling.main(["--rounds", "1", "--precision", "fp32", "--json", str(file), "--plots", str(tmp_path)])
    result = json.loads(file.read_text())
    assert [row["factor"] for row in result["rows"]] == ["pixels"] * 2 + [
        "width",
        *["batch"] * 2,
        *["processes"] * 2,
    ]
    assert list(result["exponents"]) == ["pixels", "batch", "processes"]
    assert result["rows"][0]["peak_mib"] < result["rows"][1]["peak_mib"]
    averaging = [row["averaging_seconds"]["median"] for row in result["rows"][-2:]]
    assert averaging[0] < averaging[1]
    assert len(list(tmp_path.glob("cost_*.png"))) == 2
