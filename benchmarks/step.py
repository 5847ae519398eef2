"""One training step of a recipe in every precision and memory format, side by side in one run.

    python -m benchmarks.step --gin recipes/climategan.gin --json step.json

Each round times every variant once, in turn, so that a noisy machine disturbs all of them alike; ratios are of
medians, against fp32 in contiguous memory.
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks.timing import describe_machine, time_in_turns
from gancomponents.training import Batch
from recipes import cli, config
from recipes.recipe import Recipe

_VARIANTS = {
    "fp32 contiguous": ("fp32", False),
    "fp32 channels_last": ("fp32", True),
    "bf16 contiguous": ("bf16", False),
    "bf16 channels_last": ("bf16", True),
}


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, time, print a table."""
    parser = cli.Parser("python -m benchmarks.step", description="Time a recipe's training step.")
    parser.add_argument("--gin", default="recipes/climategan.gin", metavar="FILE")
    parser.add_argument("-p", dest="binding", action="append", default=[], metavar="BINDING")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    flags = parser.parse_args(arguments)
    machine = describe_machine()
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"{flags.gin}: {flags.warm_up} warm-up steps, {flags.rounds} rounds")
    seconds = time_variants(flags)
    base = statistics.median(seconds["fp32 contiguous"])
    rows = {}
    print(f"{'':20s}{'median s':>10s}{'min':>8s}{'max':>8s}{'faster by':>11s}")
    for name, values in seconds.items():
        median = statistics.median(values)
        rows[name] = {"median": median, "min": min(values), "max": max(values), "ratio": base / median}
        print(f"{name:20s}{median:10.3f}{min(values):8.3f}{max(values):8.3f}{base / median:10.2f}x")
    if flags.json:
        result = {"machine": machine, "recipe": flags.gin, "seconds": rows}
        Path(flags.json).write_text(json.dumps(result, indent=2) + "\n")


def time_variants(flags: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each timed step, by variant."""
    recipes = {}
    for name, (precision, channels_last) in _VARIANTS.items():
        settings = {"precision": precision, "channels_last": channels_last, "device": flags.device}
        config.parse(flags.gin, [*flags.binding, *(f"run.Recipe.{k} = {v!r}" for k, v in settings.items())])
        torch.manual_seed(0)
        recipes[name] = config.build(Recipe)
    total = flags.warm_up + flags.rounds
    works = {name: partial(_step, recipe, iter(_batches(recipe, total))) for name, recipe in recipes.items()}
    return time_in_turns(works, rounds=flags.rounds, warm_up=flags.warm_up)


def _batches(recipe: Recipe, count: int) -> list[tuple[int, Batch]]:
    """As many steps, each with a batch of its own."""
    generators = (torch.Generator().manual_seed(step) for step in range(count))
    return [
        (step, recipe.system.example_batch(recipe.data, generator, recipe.domains))
        for step, generator in enumerate(generators)
    ]


def _step(recipe: Recipe, batches: Iterator[tuple[int, Batch]]) -> None:
    step, batch = next(batches)
    losses = recipe.loop.step(batch, step)
    torch.stack([loss.float().reshape(()) for loss in losses.values()]).tolist()  # waits for the device


if __name__ == "__main__":
    cli.run(main)
