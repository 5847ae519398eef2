"""What each throughput knob buys and costs: variants of one recipe side by side, in turn, in one run.

    python -m benchmarks.throughput --json benchmarks/results/throughput_cpu.json
    python -m benchmarks.throughput --table benchmarks/results/throughput_cpu.json   # as in docs/throughput.md

Each round runs one step of every variant, so that a noisy machine disturbs all of them alike; a ratio is the median
over the rounds of the first variant's time by this one's, above 1 where this one is faster. Memory is what a first
step takes at its peak beyond the networks and the batch, gradients and moments included, in a process of its own.

The JSON holds ``machine`` and ``rows``; a row has ``knob``, ``recipe``, ``batch`` (images of each domain),
``rounds``, ``load`` (of the machine, at the end) and ``variants``; a variant has ``seconds`` (wall clock) and
``cpu_seconds`` (of this process; null where others work too) of a step with ``median``, ``min`` and ``max``,
``ratio`` and ``cpu_ratio`` to the first, ``peak_mib`` and what else was measured.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import throughput_processes
from benchmarks.files import read_result
from benchmarks.throughput_table import table
from benchmarks.timing import describe_machine, peak_mebibytes, summary
from gancomponents.training import Player
from recipes import cli, config
from recipes.recipe import Recipe

_BATCH = 4
_WHOLE, _PAINTER = "recipes/climategan.gin", "recipes/climategan/painter.gin"
_AVERAGE = "climategan.System.generator_average = @optim.ExponentialMovingAverage"
_TOWN = ("data.Town.count = 32", "data.Town.val_count = 4")

#: Knobs whose variants are bindings: the recipe, and the bindings of every variant, the usual one first.
BINDINGS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "accumulate": (_WHOLE, {str(n): (f"run.Recipe.accumulate = {n}",) for n in (1, 2, 4)}),
    "checkpointing": (
        _PAINTER,
        {str(on): (f"generators.SPADEPainter.checkpointing = {on}",) for on in (False, True)},
    ),
    "channels_last": (
        _PAINTER,
        {
            f"{precision}, {on}": (
                f"run.Recipe.precision = {precision!r}",
                f"run.Recipe.channels_last = {on}",
            )
            for precision in ("fp32", "bf16")
            for on in (False, True)
        },
    ),
    "compile": (_PAINTER, {str(on): (f"run.Recipe.compile = {on}",) for on in (False, True)}),
    "average": (_WHOLE, {"None": (), "ExponentialMovingAverage": (_AVERAGE,)}),
    "guard": (_WHOLE, {"without": (), "with": ()}),
}
OTHERS = ("workers", "processes")

#: Runs a step and returns what else it measured.
Step = Callable[[], object]


def prepare(knob: str, variant: str) -> Step:
    """A step of a variant, of a recipe of its own."""
    gin, variants = BINDINGS[knob]
    recipe = _recipe(gin, *variants[variant])
    if knob == "guard" and variant == "without":
        _remove_guard(recipe)
    batches = [
        recipe.system.example_batch(recipe.data, torch.Generator().manual_seed(seed), recipe.domains)
        for seed in range(2)
    ]
    done = 0

    def step() -> None:
        nonlocal done
        recipe.loop.step(batches[done % 2], done)
        done += 1

    return step


def take_turns(steps: dict[str, Step], *, rounds: int, warm_up: int) -> dict[str, list[tuple[float, float]]]:
    """Wall-clock and CPU seconds of each timed step, by variant; the first of the warm-up compiles."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for turn in range(warm_up + rounds):
        for name, step in steps.items():
            begin = time.perf_counter(), time.process_time()
            step()
            if turn >= warm_up:
                times[name].append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    return times


def compared(times: dict[str, list[tuple[float, float]]]) -> dict[str, dict[str, Any]]:
    """Medians, spread and ratios to the first, round by round.

    >>> compared({"a": [(2.0, 1.0), (4.0, 1.0)], "b": [(1.0, 2.0), (2.0, 2.0)]})["b"]["ratio"]
    {'median': 2.0, 'min': 2.0, 'max': 2.0}
    """
    first = next(iter(times.values()))
    found: dict[str, dict[str, Any]] = {}
    for name, values in times.items():
        for kind, index in (("", 0), ("cpu_", 1)):
            ratios = [a[index] / b[index] for a, b in zip(first, values, strict=True)]
            found.setdefault(name, {})[f"{kind}seconds"] = summary([value[index] for value in values])
            found[name][f"{kind}ratio"] = summary(ratios)
    return found


def measure_bindings(knob: str, flags: argparse.Namespace) -> dict[str, Any]:
    """A row of variants that are bindings."""
    gin, variants = BINDINGS[knob]
    steps = {}
    first_steps = {}
    for variant in variants:
        steps[variant] = prepare(knob, variant)
        begin = time.perf_counter()
        steps[variant]()
        first_steps[variant] = time.perf_counter() - begin
    found = compared(take_turns(steps, rounds=flags.rounds, warm_up=flags.warm_up))
    for variant in variants:
        found[variant]["first_step_seconds"] = first_steps[variant]
        found[variant]["peak_mib"] = peak_mebibytes(prepare, knob, variant)
    return {"knob": knob, "recipe": gin, "batch": _BATCH, "rounds": flags.rounds, "variants": found}


def measure_workers(flags: argparse.Namespace) -> dict[str, Any]:
    """A row of loader workers, over files of the Town: steps with their loading, and the loading alone."""
    recipe = _recipe(_WHOLE, *_TOWN)
    recipe.data.prepare(recipe.domains, [])
    times: dict[str, list[tuple[float, float]]] = {str(workers): [] for workers in (0, 1, 2)}
    alone: dict[str, list[float]] = {name: [] for name in times}
    for turn in range(flags.rounds + 1):
        for name in times:
            recipe.data.workers = int(name)
            seconds, cpu = _seconds_per_batch(recipe, lambda batch: recipe.loop.step(batch, 0))
            loading, _ = _seconds_per_batch(recipe, lambda batch: None)
            if turn:
                times[name].append((seconds, cpu))
                alone[name].append(loading)
    found = compared(times)
    for name, variant in found.items():
        variant |= {"cpu_seconds": None, "cpu_ratio": None, "peak_mib": None}
        variant["loading_seconds"] = summary(alone[name])
    return {"knob": "workers", "recipe": _WHOLE, "batch": _BATCH, "rounds": flags.rounds, "variants": found}


def _seconds_per_batch(recipe: Recipe, use: Callable[[Any], object], count: int = 4) -> tuple[float, float]:
    """Wall-clock and CPU seconds from batch to batch, once the loader is under way."""
    with closing(recipe.loader().iterate(0, count + 4)) as batches:  # type: ignore[type-var]
        use(next(batches))
        begin = time.perf_counter(), time.process_time()
        for _ in range(count):
            use(next(batches))
        return (time.perf_counter() - begin[0]) / count, (time.process_time() - begin[1]) / count


def _recipe(gin: str, *bindings: str) -> Recipe:
    config.parse(gin, [f"data.Data.batch_size = {_BATCH}", "run.Recipe.precision = 'fp32'", *bindings])
    torch.manual_seed(0)
    return config.build(Recipe)


def _remove_guard(recipe: Recipe) -> None:
    """Steps that nothing could undo: no copy is made of buffers, and no flag gates an update."""

    class Nothing:
        def keep(self) -> None: ...

        def restore(self, bad: object) -> None: ...

    recipe.loop._buffers = Nothing()  # type: ignore[assignment]
    for player in recipe.loop.players.values():
        player.step = partial(_unguarded, player)  # type: ignore[method-assign]


def _unguarded(player: Player, step: int, bad: object, clock: Any) -> bool:
    return Player.step(player, step, None, clock)


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, measure, print a table."""
    names = [*BINDINGS, *OTHERS]
    parser = cli.Parser("python -m benchmarks.throughput", description="Time a recipe's throughput knobs.")
    parser.add_argument("--only", nargs="+", default=names, choices=names, metavar="KNOB")
    parser.add_argument("--rounds", type=int, default=7, help="timed steps of each variant (7)")
    parser.add_argument("--warm-up", type=int, default=1, help="steps before those, after a first one (1)")
    parser.add_argument("--json", metavar="FILE", help="write the result there, beside rows of other knobs")
    parser.add_argument("--table", metavar="FILE", help="measure nothing: print that result as a table")
    flags = parser.parse_args(arguments)
    if flags.table:
        print(table(read_result("--table", flags.table, "rows")))
        return
    result: dict[str, Any] = {"machine": describe_machine(), "rows": []}
    if flags.json and Path(flags.json).exists():
        before = read_result("--json", flags.json, "rows")["rows"]
        result["rows"] = [row for row in before if row["knob"] not in flags.only]
    for knob in flags.only:
        if knob == "workers":
            row = measure_workers(flags)
        elif knob == "processes":
            row = throughput_processes.measure(_BATCH, flags.rounds)
        else:
            row = measure_bindings(knob, flags)
        row["load"] = describe_machine()["load"]
        result["rows"].append(row)
        print(table({**result, "rows": [row]}), flush=True)
        if flags.json:
            result["rows"].sort(key=lambda row: names.index(row["knob"]))
            Path(flags.json).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    cli.run(main)
