"""The flagship at the published configuration, beside the plain form of the same work, in one run.

    python -m benchmarks.climategan --json step.json
    python -m benchmarks.climategan --size 640 --precision bf16 --only inference
    python -m benchmarks.climategan --compare before.json after.json

Every work is called once a round, ours and the plain form (`benchmarks.plain`, always fp32 in contiguous memory) in
turn, so that a noisy machine disturbs all of them alike. Weights, batches and photos are random.

The JSON holds:

- ``machine``: processor, threads, load, versions.
- ``settings``: ``device``, ``size``, ``batch``, ``precision``, ``width``, ``bindings``, ``rounds``, ``warm_up``.
- ``ceilings``: FLOP/s of the best matrix product in ``fp32``, ``bf16`` and the precision asked for, and bytes/s,
  read and written, of a ``copy``.
- ``cases``: by name, a row with ``seconds`` (``median``, ``min`` and ``max`` over the rounds) and, where known,
  ``flops`` (of the matrix products and convolutions that the work needs, backward included; what is done
  twice counts once), ``flop_per_second`` and ``share`` (of the ceiling of its precision); of the plain form
  ``plain_seconds``, ``plain_flops`` (those that it does), ``plain_flop_per_second``, ``plain_share``; and
  ``ratio``, the plain form's seconds over ours, round by round, above 1 where ours is faster. Inference has
  ``stages`` and ``plain_stages``, median seconds each.
- ``memory``: ``static_mib`` computes what stays from step to step from the shapes: ``weights``, ``moments``,
  ``look-ahead``, ``gradients``, ``constants``; ``peaks`` by work and variant (``plain``, or ours in a precision),
  each in a process of its own, has MiB of the ``imports``, what was ``made`` before the work, and its ``peak``
  above both.
- ``loader``: what `benchmarks.loader` writes of this size, without its machine; there its keys are told.
- ``calibration``: seconds of upstream's eager fp32 on this machine if they go with the fp32 ceiling, by work, at
  the sizes where upstream was measured.

``memory`` and ``loader`` are null where they were not asked for.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks import loader
from benchmarks.climategan import inference, machine, memory, profiling, report
from benchmarks.climategan.blocks import blocks
from benchmarks.climategan.cases import Case, measure
from benchmarks.climategan.settings import Settings, build, example
from benchmarks.climategan.steps import Steps, full_step, plain_step
from benchmarks.files import check_target, read_result
from benchmarks.flags import whole
from benchmarks.timing import apart, describe_machine
from recipes import cli

SECTIONS = ("step", "objectives", "blocks", "inference", "memory", "loader")
_KEYS = ("machine", "settings", "cases")


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, measure, print tables."""
    flags = _flags(arguments)
    if flags.compare:
        print(report.compare(*(read_result("--compare", name, *_KEYS) for name in flags.compare)))
        return
    if flags.threads:
        torch.set_num_threads(flags.threads)
    settings = Settings(
        flags.device, flags.size, flags.batch, flags.precision, flags.width, tuple(flags.binding)
    )
    check_target(flags.json)
    result = _measured(settings, flags)
    if flags.profile:
        folder = Path(flags.profile)
        folder.mkdir(parents=True, exist_ok=True)
        print(profiling.write(settings, folder))
    if flags.json:
        Path(flags.json).write_text(json.dumps(result, indent=1) + "\n")
    print(*report.calibration_lines(result), report.last_line(result), sep="\n")


def _measured(settings: Settings, flags: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {
        "machine": describe_machine("torchvision", "numpy", "opencv-python"),
        "settings": {**asdict(settings), "rounds": flags.rounds, "warm_up": flags.warm_up},
    }
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()))
    print(", ".join(f"{key} {value}" for key, value in result["settings"].items()))
    recipe = build(settings)  # complains before anything takes long
    found = machine.ceilings(settings.device, *dict.fromkeys(["fp32", "bf16", settings.precision]))
    result |= {"ceilings": found, "cases": {}, "memory": None, "loader": None}
    print("ceilings: " + ", ".join(f"{name} {value / 1e9:.0f} G/s" for name, value in found.items()))
    calibration = machine.calibrate(found["fp32"], settings.size, settings.batch, settings.width)
    result["calibration"] = {} if settings.bindings else calibration

    def run(cases: Sequence[Case]) -> None:
        rows = measure(
            cases,
            rounds=flags.rounds,
            warm_up=flags.warm_up,
            device=settings.device,
            ceiling=found[settings.precision],
            plain_ceiling=found["fp32"],
        )
        result["cases"] |= rows
        print(report.table(rows), flush=True)

    if {"step", "objectives", "blocks"} & set(flags.only):
        steps = Steps(recipe, example(recipe))
        if "step" in flags.only:
            with apart(full_step, settings) as ours, apart(plain_step, settings) as plain:
                run([steps.whole(ours, plain)])
            with apart(full_step, settings, "run.Recipe.order = 'strict'") as ours:
                run([steps.strict(ours)])
        if "objectives" in flags.only:
            run([*steps.sides()])
            run([*steps.objectives()])
        if "blocks" in flags.only:
            run([*blocks(steps)])
        del steps
    if "inference" in flags.only:
        run([*inference.cases(recipe, settings)])
    if "memory" in flags.only:
        static = memory.static_mebibytes(recipe)
        del recipe
        result["memory"] = {"static_mib": static, "peaks": memory.peaks(settings)}
        print(report.memory_table(result["memory"]), flush=True)
    if "loader" in flags.only:
        result["loader"] = loader.measure(settings.size, flags.rounds)
        print(loader.table(result["loader"]), flush=True)
    return result


def _flags(arguments: Sequence[str]) -> argparse.Namespace:
    parser = cli.Parser(
        "python -m benchmarks.climategan", description="Time the flagship beside its plain form."
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (cpu)")
    parser.add_argument(
        "--size",
        type=whole(1),
        default=256,
        help="side of images, pixels; at published widths a multiple of 128 from 256 on (256)",
    )
    parser.add_argument("--batch", type=whole(1), default=1, help="images of each domain (1)")
    parser.add_argument(
        "--precision", choices=["fp32", "bf16", "fp16"], default="fp32", help="of ours (fp32)"
    )
    parser.add_argument("--width", type=whole(1), help="of the painter (640)")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="measure these alone")
    parser.add_argument("--rounds", type=whole(1), default=3, help="timed calls of each work (3)")
    parser.add_argument("--warm-up", type=whole(0), default=1, help="calls before those (1)")
    parser.add_argument("--threads", type=whole(1), help="of torch (its own choice)")
    parser.add_argument(
        "-p", dest="binding", action="append", default=[], metavar="BINDING", help="override a binding"
    )
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    parser.add_argument("--compare", nargs=2, metavar="FILE", help="measure nothing: ratios of two results")
    parser.add_argument("--profile", metavar="DIR", help="write traces and tables of operators there, too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    cli.run(main)
