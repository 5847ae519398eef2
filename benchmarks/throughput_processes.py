"""One process beside two that share its batch, and what the averaging between them takes.

`measure` starts this file under torchrun, which is what users start.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import summary
from gancomponents.training.processes import Processes
from recipes import config
from recipes.recipe import Recipe

_RECIPE = "recipes/climategan.gin"
_PRECISION = "run.Recipe.precision = 'fp32'"
_STEPS = 4
_TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def measure(batch: int, rounds: int) -> dict[str, Any]:
    """A row of one and two processes with ``batch`` images of each domain in all, launched in turn."""
    found: dict[str, list[dict[str, float]]] = {"1": [], "2": []}
    for _ in range(max(2, rounds // 2)):
        for count, launches in found.items():
            launches.append(launch(int(count), [f"data.Data.batch_size = {batch // int(count)}", _PRECISION]))
    variants = {}
    for count, launches in found.items():
        ratios = [a["step"] / b["step"] for a, b in zip(found["1"], launches, strict=True)]
        variants[count] = {
            "seconds": summary([each["step"] for each in launches]),
            "ratio": summary(ratios),
            "cpu_seconds": None,
            "cpu_ratio": None,
            "peak_mib": None,
            "averaging_seconds": summary([each["averaging"] for each in launches]),
        }
    return {
        "knob": "processes",
        "recipe": _RECIPE,
        "batch": batch,
        "rounds": len(found["1"]),
        "variants": variants,
    }


def launch(count: int, bindings: Sequence[str], *, threads: int | None = None) -> dict[str, float]:
    """Median seconds of a ``step`` of ``count`` processes, and of the ``averaging`` in it, of the first process.

    Args:
        count: of processes, under torchrun.
        bindings: of the recipe.
        threads: of each process; torchrun's choice where None.
    """
    environment = os.environ | ({} if threads is None else {"OMP_NUM_THREADS": str(threads)})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "seconds.json")
        command = [*_TORCHRUN, str(count), "-m", "benchmarks.throughput_processes", str(file), *bindings]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        result: dict[str, float] = json.loads(file.read_text())
        return result


def _train(file: Path, bindings: Sequence[str]) -> None:
    processes = Processes.join()
    config.parse(_RECIPE, bindings)
    torch.manual_seed(0)
    recipe = config.build(Recipe)
    own = recipe.runtime.processes
    averaging: list[float] = []
    for name in ("average_gradients", "average_statistics"):
        setattr(own, name, _timed(getattr(own, name), averaging))
    steps, spent = [], []
    generator = torch.Generator().manual_seed(processes.rank)
    for step in range(_STEPS + 2):
        data = recipe.system.example_batch(recipe.data, generator, recipe.domains)
        averaging.clear()
        begin = time.perf_counter()
        recipe.loop.step(data, step)
        steps.append(time.perf_counter() - begin)
        spent.append(sum(averaging))
    if processes.first:
        seconds = {"step": statistics.median(steps[2:]), "averaging": statistics.median(spent[2:])}
        file.write_text(json.dumps(seconds))
    processes.leave()


def _timed(work: Callable[..., None], seconds: list[float]) -> Callable[..., None]:
    def timed(*arguments: Any) -> None:
        begin = time.perf_counter()
        work(*arguments)
        seconds.append(time.perf_counter() - begin)

    return timed


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("bindings", nargs="*")
    flags = parser.parse_args()
    _train(flags.file, flags.bindings)
