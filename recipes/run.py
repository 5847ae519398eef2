"""Train a recipe: ``python -m recipes.run --gin recipes/climategan.gin``."""

import argparse
import datetime
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gancomponents.errors import InputError, check_whole
from gancomponents.training.processes import Processes
from recipes import cli, config, resuming
from recipes.determinism import deterministic
from recipes.dry_run import describe
from recipes.folder import RunFolder
from recipes.recipe import Recipe
from recipes.stopping import end_with_torchrun

__all__ = ["Recipe", "main"]

_EXAMPLES = """examples:
  python -m recipes.run --gin recipes/climategan.gin
  python -m recipes.run --gin recipes/climategan.gin --output runs/flood --steps 300 --seed 1
  python -m recipes.run --gin recipes/climategan.gin --output runs/flood --resume auto --steps 1200
  python -m recipes.run --gin recipes/climategan.gin --output runs/both --resume m=runs/masker p=runs/painter
  python -m recipes.run --gin recipes/climategan.gin -p "climategan.MaskerLosses.weights = {'m/tv': 0.0}"
  python -m recipes.run --gin recipes/climategan.gin --dry-run

.gin files and -p are code as much as any Python file is: run only those that you trust."""


_LARGEST = 2**63 - 1


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, build the recipe, and train it."""
    flags = _parser().parse_args(arguments)
    _check_installation()
    end_with_torchrun()
    processes = Processes.join()
    if not processes.first:  # which speaks for all
        logging.getLogger("gancomponents").setLevel(logging.ERROR)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    try:
        _train(flags, processes)
    finally:
        processes.leave()


def _train(flags: argparse.Namespace, processes: Processes) -> None:
    settings = {
        "steps": flags.steps,
        "seed": flags.seed,
        "device": flags.device,
        "precision": flags.precision,
        "deterministic": flags.deterministic,
    }
    config.parse(flags.gin, [*flags.binding, *_as_bindings(settings)])
    name = config.name_of(flags.gin)
    load_paths = config.bound("run.Recipe.load_paths", None)
    if flags.resume is None and resuming.bound_paths(load_paths):
        fix = "pass --resume, or leave run.Recipe.load_paths at None"
        raise InputError("run.Recipe.load_paths", expected="--resume beside it", got="none", fix=fix)
    request = resuming.parse(flags.resume, load_paths)
    output = Path(flags.output) if flags.output else None
    by_parts = request is not None and bool(request.paths)
    if not by_parts:  # by parts, what may be given depends on the networks
        plan, folder = processes.first_does(lambda: _planned(name, request, output))
    torch.manual_seed(check_whole("seed", config.bound("run.Recipe.seed", 0), minimum=0))
    recipe = config.build(Recipe)
    if by_parts:
        plan, folder = processes.first_does(lambda: _planned(name, request, output, **_parts(recipe)))
    recipe.rehearse()
    if flags.bindings:
        print(config.operative_text())
    if flags.dry_run:
        with deterministic(recipe.deterministic):
            describe(name, recipe, folder.path, plan.sources)
    if flags.bindings or flags.dry_run:
        return
    recipe.run(name, folder, plan.sources)


def _planned(
    name: str, request: resuming.Request | None, output: Path | None, **parts: bool
) -> tuple[resuming.Plan, RunFolder]:
    """Where the run starts, and the folder that it may write to."""
    plan = resuming.plan(request, output, **parts)
    return plan, _claim(name, plan, request)


def _parts(recipe: Recipe) -> dict[str, bool]:
    """Whether the model has a masker and a painter."""
    model = recipe.system.model
    return {part: getattr(model, part, None) is not None for part in ("masker", "painter")}


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        "python -m recipes.run",
        description="Train a recipe and leave a run folder with checkpoints, pictures and a report.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--gin", required=True, metavar="FILE", help="the recipe")
    parser.add_argument("--output", metavar="DIR", help="run folder (default: runs/<recipe>-<time>)")
    parser.add_argument(
        "-p",
        dest="binding",
        action="append",
        default=[],
        metavar="BINDING",
        help='override a binding, e.g. -p "run.Recipe.steps = 10"; may be repeated',
    )
    parser.add_argument(
        "--resume",
        nargs="*",
        metavar="auto|PATH|m=PATH|p=PATH|pm=PATH",
        help="continue a run: the newest checkpoint in --output (auto: or afresh), or that of PATH; or start from "
        "the masker of one and the painter of another; alone: as run.Recipe.load_paths says",
    )
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:N or xla")
    parser.add_argument("--precision", help="auto, fp32, bf16 or fp16")
    parser.add_argument("--steps", metavar="N", help="total number of steps; changes no schedule")
    parser.add_argument(
        "--deterministic",
        action="store_true",
        default=None,
        help="use operations that repeat bit for bit alone; slower, see docs/determinism.md",
    )
    parser.add_argument("--seed", metavar="N", help="of weights, data order, augmentation and label noise")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be trained and a step's cost; train nothing"
    )
    parser.add_argument(
        "--bindings", action="store_true", help="print every binding, defaults included; train nothing"
    )
    return parser


def _as_bindings(settings: dict[str, Any]) -> list[str]:
    bindings = []
    for name, value in settings.items():
        if value is None:
            continue
        if name in ("steps", "seed"):
            value = str(_whole_number(f"--{name}", value, minimum=1 if name == "steps" else 0))
            bindings.append(f"run.Recipe.{name} = {value}")
        else:
            bindings.append(f"run.Recipe.{name} = {value!r}")
    return bindings


def _whole_number(flag: str, text: str, *, minimum: int) -> int:
    try:
        number: object = int(text)
    except ValueError:
        number = text
    return check_whole(flag, number, minimum=minimum, maximum=_LARGEST, fix=f"pass {flag} {minimum} or more")


def _claim(name: str, plan: resuming.Plan, request: resuming.Request | None) -> RunFolder:
    """The run folder, into which this run may write."""
    folder = RunFolder(plan.output or Path("runs") / f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}")
    if plan.continues(folder.checkpoints):
        _check_links(folder)
        return folder
    if request is not None and request.auto:
        folder.claim_leftovers()
    else:
        folder.claim()
    return folder


def _check_links(folder: RunFolder) -> None:
    """A run folder may come from anybody: nothing in it may lead what is written there elsewhere."""
    link = next(folder.links(), None)
    if link is not None:
        got, fix = f"a link to {link.readlink()}", "move what it leads to here; --output itself may be a link"
        raise InputError(str(link), expected="a file or folder of the run itself", got=got, fix=fix)


def _check_installation() -> None:
    """torch and torchvision of different builds fail late, in a loader's thread: ask now."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError) as error:
        got = f"torch {torch.__version__} and a torchvision that says {' '.join(str(error).split())!r}"
        fix = "install both again, from the same index"
        raise InputError(
            "the installation", expected="torch and torchvision that fit", got=got, fix=fix
        ) from error


if __name__ == "__main__":
    cli.run(main)
