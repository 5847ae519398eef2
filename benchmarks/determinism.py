"""What ``--deterministic`` costs a training step, and whether it changes what comes out.

    python -m benchmarks.determinism --gin recipes/climategan.gin --json determinism.json

Two recipes of one seed take the same steps on the same batches, in turn, so that a noisy machine disturbs both
alike; beside the clock's seconds stand those of the processor, which others' work disturbs less.
"""

import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks.timing import describe_machine, summary, time_in_turns
from gancomponents.training import Batch
from recipes import cli, config
from recipes.determinism import deterministic
from recipes.recipe import Recipe

_VARIANTS = {"as torch likes": False, "--deterministic": True}


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, time, print a table."""
    parser = cli.Parser(
        "python -m benchmarks.determinism", description="Time a step with and without the flag."
    )
    parser.add_argument("--gin", default="recipes/climategan.gin", metavar="FILE")
    parser.add_argument("-p", dest="binding", action="append", default=[], metavar="BINDING")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    flags = parser.parse_args(arguments)
    machine, recipes, works, busy = describe_machine(), {}, {}, {}
    for name, wanted in _VARIANTS.items():
        settings = {"device": flags.device, "precision": flags.precision, "deterministic": wanted}
        config.parse(flags.gin, [*flags.binding, *(f"run.Recipe.{k} = {v!r}" for k, v in settings.items())])
        torch.manual_seed(0)
        recipes[name] = config.build(Recipe)
        batches = iter(_batches(recipes[name], flags.warm_up + flags.rounds))
        busy[name] = []
        works[name] = partial(
            _step, recipes[name], batches, torch.Generator().manual_seed(0).get_state(), busy[name]
        )
    device = str(recipes["--deterministic"].runtime.device)
    seconds = time_in_turns(works, rounds=flags.rounds, warm_up=flags.warm_up, device=device)
    rows = {name: summary(values) for name, values in seconds.items()}
    rows |= {f"{name}, processor": summary(values[flags.warm_up :]) for name, values in busy.items()}
    medians = [row["median"] for row in rows.values()]
    slower = {"clock": medians[1] / medians[0], "processor": medians[3] / medians[2]}
    difference = _difference(*recipes.values())
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"{flags.gin} on {recipes['--deterministic'].runtime}, {flags.rounds} rounds")
    for name, row in rows.items():
        print(f"{name:28s}" + "".join(f"{key} {value:.3f} s  " for key, value in row.items()))
    print(", ".join(f"{ratio:.3f} times as long by the {name}" for name, ratio in slower.items()))
    print(f"largest difference of a weight afterwards: {difference:.3g}")
    if flags.json:
        result = {
            "machine": machine,
            "recipe": flags.gin,
            "seconds": rows,
            "slower": slower,
            "difference": difference,
        }
        Path(flags.json).write_text(json.dumps(result, indent=2) + "\n")


def _batches(recipe: Recipe, count: int) -> list[tuple[int, Batch]]:
    generators = (torch.Generator().manual_seed(step) for step in range(count))
    return [
        (n, recipe.system.example_batch(recipe.data, generator, recipe.domains))
        for n, generator in enumerate(generators)
    ]


def _step(
    recipe: Recipe, batches: Iterator[tuple[int, Batch]], noise: torch.Tensor, busy: list[float]
) -> None:
    step, batch = next(batches)
    torch.set_rng_state(noise)  # both draw the same
    begin = time.process_time()
    with deterministic(recipe.deterministic):
        losses = recipe.loop.step(batch, step)
        torch.stack([loss.float().reshape(()) for loss in losses.values()]).tolist()  # waits for the device
    busy.append(time.process_time() - begin)


def _difference(first: Recipe, second: Recipe) -> float:
    """The largest one between any two weights of the same name."""
    pairs = zip(first.loop.players.values(), second.loop.players.values(), strict=True)
    weights = [zip(a.objective.parameters(), b.objective.parameters(), strict=True) for a, b in pairs]
    return max(float((a - b).detach().abs().max()) for pair in weights for a, b in pair)


if __name__ == "__main__":
    cli.run(main)
