"""One process beside two that share its batch, and what the averaging between them takes.

`measure` starts this file under torchrun, which is what users start.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import summary
from gancomponents.training.processes import Processes
from recipes import config
from recipes.recipe import Recipe

_RECIPE = "recipes/climategan.gin"
_STEPS = 4
_TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def measure(batch: int, rounds: int) -> dict[str, Any]:
    """A row of one and two processes with ``batch`` images of each domain in all, launched in turn."""
    found: dict[str, list[dict[str, float]]] = {"1": [], "2": []}
    for _ in range(max(2, rounds // 2)):
        for count, launches in found.items():
            launches.append(_launch(count, batch // int(count)))
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


def _launch(count: str, batch: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "seconds.json")
        command = [*_TORCHRUN, count, "-m", "benchmarks.throughput_processes", str(batch), str(file)]
        subprocess.run(command, check=True, capture_output=True)
        result: dict[str, float] = json.loads(file.read_text())
        return result


def _train(batch: int, file: Path) -> None:
    """Median seconds of a step, and of the averaging in it, of the first process."""
    processes = Processes.join()
    config.parse(_RECIPE, [f"data.Data.batch_size = {batch}", "run.Recipe.precision = 'fp32'"])
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
    parser.add_argument("batch", type=int)
    parser.add_argument("file", type=Path)
    flags = parser.parse_args()
    _train(flags.batch, flags.file)
