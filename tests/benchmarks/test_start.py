"""The benchmark of starts: its rounds, its stopwatch, and the committed result."""

import doctest
import json
from pathlib import Path

import pytest

from benchmarks import start
from gancomponents.errors import InputError
from tests.recipes.tiny import TINY


def test_examples() -> None:
    assert doctest.testmod(start).failed == 0


def test_the_first_round_does_not_count_and_all_works_take_turns() -> None:
    begun: list[str] = []

    def work(name: str) -> start.Seconds:
        begun.append(name)
        return {name: float(len(begun)), f"{name}, too": 0.0}

    found = start.measure([lambda: work("a"), lambda: work("b")], rounds=2)
    assert begun == ["a", "b"] * 3
    assert found == {"a": [3, 5], "a, too": [0, 0], "b": [4, 6], "b, too": [0, 0]}


def test_each_work_is_started_and_timed() -> None:
    *imports, dry_run = start.works("recipes/climategan.gin", TINY)
    seconds = {name: value for work in (*imports[:3], dry_run) for name, value in work().items()}
    assert list(seconds) == ["torch", "torch.optim", "gancomponents", "dry run, plan", "dry run"]
    assert 0 < seconds["gancomponents"] < seconds["torch"] < seconds["dry run, plan"] < seconds["dry run"]


def test_a_start_that_fails_is_no_measurement() -> None:
    *_, dry_run = start.works("recipes/climategan.gin", ["run.Recipe.steps = 0"])
    with pytest.raises(InputError, match="to run through, got error: steps: expected a whole number"):
        dry_run()


def test_the_result_has_every_package_and_keeps_the_promise() -> None:
    result = json.loads(Path("benchmarks/results/start_cpu.json").read_text())
    seconds = result["seconds"]
    assert [*seconds] == ["torch", "torch.optim", *start.packages(), "dry run, plan", "dry run"]
    assert seconds["dry run"]["max"] < 10
    assert all(seconds[package]["max"] < 0.3 for package in start.packages())
    assert "dry run, plan" in start.report(result)
