"""What each part of ClimateGAN buys on held-out frames of the Town, at equal steps, over several seeds.

    python -m benchmarks.town_parts --seeds 0 1 2 3 4

Every run is a process of its own with one thread. Its scores are in the JSON as soon as it ends: the same command
again goes on with the runs that are missing. Variants are those of `benchmarks.town_variants`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import describe_machine
from benchmarks.town_variants import VARIANTS, Variant, bindings_of, digest, named
from gancomponents.errors import InputError
from recipes import cli, config
from recipes.recipe import Recipe

RESULTS = Path("benchmarks/results/town_parts.json")

Run = dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, then train what is missing, or print the table."""
    flags = _parser().parse_args(arguments)
    steps = {"masker": flags.steps_masker, "painter": flags.steps_painter}
    if flags.one:
        if len(flags.seeds) != 1:
            raise InputError("--one", expected="one seed", got=str(flags.seeds), fix="pass --seeds 0")
        variant = named(flags.one)
        print(json.dumps(train(variant, steps[variant.group], flags.seeds[0])))
        return
    if flags.table:
        from benchmarks.town_report import draw, markdown

        result = read(flags.json)
        print(markdown(result))
        if flags.plot:
            draw(result, flags.plot)
        return
    wanted = [v for v in VARIANTS if not flags.only or v.name in flags.only]
    measure(wanted, steps, flags.seeds, flags.json, jobs=flags.jobs)


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser("python -m benchmarks.town_parts", description="Measure what each part buys.")
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], metavar="N")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--steps-masker", type=int, default=200, metavar="N")
    parser.add_argument("--steps-painter", type=int, default=240, metavar="N")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time, a thread each")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--table", action="store_true", help="train nothing: print the JSON as Markdown")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="with --table, draw the differences there")
    parser.add_argument("--one", choices=names, metavar="NAME", help="train one, print its scores as JSON")
    return parser


def measure(
    variants: Sequence[Variant], steps: Mapping[str, int], seeds: Sequence[int], path: Path, *, jobs: int
) -> None:
    """Train every variant with every seed that ``path`` has no scores of, and write each run's there at once."""
    result: dict[str, Any] = {"machine": describe_machine(), "baselines": {}, "runs": []}
    if path.exists():
        result = read(path)
    digests = {variant.name: digest(variant, steps[variant.group]) for variant in variants}
    for group in {variant.group for variant in variants}:
        result["baselines"][group] = _prepare(next(v for v in variants if v.group == group), steps[group])
    todo = list(missing(result["runs"], digests, seeds))
    print(f"{len(todo)} runs to go, {jobs} at a time; {', '.join(map(str, describe_machine().values()))}")
    failed = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_in_process, named(name), steps, seed): (name, seed) for name, seed in todo}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                name, seed = futures[future]
                if (scored := future.result()) is None:
                    failed.append(f"{name}, seed {seed}")
                    continue
                run = {"variant": name, "seed": seed, "digest": digests[name], **scored}
                result["runs"] = [r for r in result["runs"] if not _same(r, run)] + [run]
                write(path, result)
                scores = ", ".join(f"{k} {v:.3f}" for k, v in run["scores"].items())
                print(f"{done}/{len(todo)} {name}, seed {seed}, {run['seconds']:.0f} s: {scores}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failed:
        fix = "see their messages above; the same command tries them again"
        raise InputError("runs", got=f"{len(failed)} that failed: {'; '.join(failed)}", fix=fix)


def missing(
    runs: Sequence[Run], digests: Mapping[str, str], seeds: Sequence[int]
) -> Iterator[tuple[str, int]]:
    """Variant and seed of every run still to be made: seed by seed, so that whatever is there can be compared."""
    known = {(run["variant"], run["seed"], run["digest"]) for run in runs}
    for seed in seeds:
        for name, configuration in digests.items():
            if (name, seed, configuration) not in known:
                yield name, seed


def _same(left: Run, right: Run) -> bool:
    return (left["variant"], left["seed"]) == (right["variant"], right["seed"])


def read(path: Path) -> dict[str, Any]:
    """The results so far.

    Raises:
        InputError: for a file that is no such JSON.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_text())
        result["runs"], result["baselines"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "run the benchmark without --table first, or name another --json"
        raise InputError(
            f"--json {path}", expected="results of this benchmark", got=str(error), fix=fix
        ) from None
    return result


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Write the results, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(partial, path)


def _prepare(variant: Variant, steps: int) -> dict[str, float]:
    """Render and check the data before any run needs them; return the scores of the trivial answer."""
    recipe = _built(variant, steps, seed=0)
    recipe.data.prepare(recipe.data.domains)
    return recipe.system.evaluate_baseline(recipe.data, recipe.runtime)


def _in_process(variant: Variant, steps: Mapping[str, int], seed: int) -> Run | None:
    """Scores from a process of its own; None where it failed, having said why."""
    command = [sys.executable, "-m", "benchmarks.town_parts", f"--one={variant.name}", f"--seeds={seed}"]
    command += [f"--steps-{group}={count}" for group, count in steps.items()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def train(variant: Variant, steps: int, seed: int) -> Run:
    """Train one variant in this process; return its scores on held-out frames."""
    torch.set_num_threads(1)
    recipe = _built(variant, steps, seed)
    recipe.rehearse()
    recipe.data.prepare(recipe.domains)
    begin = time.perf_counter()
    recipe.loop.train()
    for step, batch in enumerate(recipe.data.loader(seed, recipe.domains).iterate(0, steps)):
        losses = recipe.loop.step(batch, step)
    if not all(loss.isfinite() for loss in losses.values()):
        raise InputError(
            variant.name, expected="finite losses", got="a run that diverged", fix="use more seeds"
        )
    seconds = time.perf_counter() - begin
    return {
        "steps": steps,
        "seconds": round(seconds, 1),
        "precision": recipe.runtime.precision,
        "scores": recipe.system.evaluate(recipe.data, recipe.runtime),
    }


def _built(variant: Variant, steps: int, seed: int) -> Recipe:
    config.parse(variant.recipe, [*bindings_of(variant, steps), f"run.Recipe.seed = {seed}"])
    torch.manual_seed(seed)
    recipe: Recipe = config.build(Recipe)
    return recipe


if __name__ == "__main__":
    cli.run(main)
