"""How the cost of a step grows with pixels, painter width, batch and processes, one of them varied at a time.

    python -m benchmarks.scaling --json benchmarks/results/scaling_cpu.json --plots docs/images
    python -m benchmarks.scaling --from benchmarks/results/scaling_cpu.json --plots docs/images  # measures nothing

Around one configuration, the flagship's with a wider painter: every round times a full step (generator and critics,
the mean over a look-ahead and an update) of each in turn. Memory is what an update takes at its peak above
weights, moments, look-ahead and gradients, in a process of its own. Processes have one thread each and share a
batch of two by gloo, in turn as well, with the averaging between them told apart.

The JSON holds ``machine``, ``precision`` (as run), ``base`` (the value of each factor that is not varied),
``rounds``, ``rows`` and ``exponents``. A row has ``factor`` (``pixels``, ``width``, ``batch`` or ``processes``),
``value`` (``pixels`` count those of a square image), ``seconds`` of a step with ``median``, ``min`` and ``max``,
``peak_mib`` (null for processes) and, for processes, ``averaging_seconds``. ``exponents`` has by factor, for
``seconds`` and ``peak_mib``, the power ``fit`` to all values by least squares of logarithms, and ``last``, that
between the two largest values: cost grows as the factor to that power.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.files import check_target, read_result
from benchmarks.scaling_report import draw, exponents, report
from benchmarks.throughput_processes import launch
from benchmarks.timing import describe_machine, peak_mebibytes, summary, time_in_turns
from gancomponents.training import Batch
from recipes import cli, config
from recipes.recipe import Recipe

RECIPE = "recipes/climategan.gin"
#: The laptop's networks but for the painter, which is to weigh as much in a step as it does in the published one.
BINDINGS = ("generators.SPADEPainter.hidden_channels = 64",)
BASE = {"side": 256, "width": 160, "batch": 1}
#: What is varied, the values in growing order; ``side`` is reported as pixels.
FACTORS = {"side": (128, 256, 384, 512), "width": (80, 160, 320, 640), "batch": (1, 2, 4)}
_PROCESSES, _SHARED = (1, 2), 2


def settings(factors: Sequence[str]) -> list[tuple[str, dict[str, int]]]:
    """Each of these factors with the settings of all its values; `BASE` comes again with each of them."""
    return [(factor, {**BASE, factor: value}) for factor in factors for value in FACTORS[factor]]


def prepare(precision: str, setting: dict[str, int], more: Sequence[str] = ()) -> Callable[[], None]:
    """The update of a recipe of its own that has looked ahead: moments, look-ahead and gradients are there."""
    step = stepping(build(precision, setting["width"], more), setting)
    step(0)
    return partial(step, 1)


def build(precision: str, width: int, more: Sequence[str] = ()) -> Recipe:
    """The recipe with a painter of this width. Pixels and batch are the data's alone, see `stepping`."""
    bindings = [
        *BINDINGS,
        f"generators.SPADEPainter.width = {width}",
        f"run.Recipe.precision = {precision!r}",
    ]
    config.parse(RECIPE, [*bindings, "data.Data.batch_size = 1", *more])
    torch.manual_seed(0)
    recipe: Recipe = config.build(Recipe)
    return recipe


def stepping(recipe: Recipe, setting: dict[str, int]) -> Callable[[int], None]:
    """A step, by its number, on random images of that many and of that size."""
    with _reading(recipe, setting):
        generator = torch.Generator().manual_seed(0)
        batch: Batch = recipe.system.example_batch(recipe.data, generator, recipe.domains)

    def run(step: int) -> None:
        losses = recipe.loop.step(batch, step)
        torch.stack([loss.float().reshape(()) for loss in losses.values()]).tolist()  # waits for the device

    return run


def pair(recipe: Recipe, setting: dict[str, int]) -> Callable[[], None]:
    """A look-ahead and an update."""
    step = stepping(recipe, setting)

    def run() -> None:
        step(0)
        step(1)

    return run


@contextmanager
def _reading(recipe: Recipe, setting: dict[str, int]) -> Iterator[None]:
    """Other images for the same networks, so that few of these are in memory at once."""
    data = recipe.data
    before = data.size, data.batch_size
    data.size, data.batch_size = setting["side"], setting["batch"]
    yield
    data.size, data.batch_size = before


def time_steps(
    precision: str, factors: Sequence[str], *, rounds: int, more: Sequence[str] = ()
) -> dict[str, list[float]]:
    """Seconds of each timed pair of steps, by `key` of the setting."""
    varied = settings(factors)
    recipes = {setting["width"]: build(precision, setting["width"], more) for _, setting in varied}
    works = {key(setting): pair(recipes[setting["width"]], setting) for _, setting in varied}
    return time_in_turns(works, rounds=rounds, warm_up=1)


def peaks(precision: str, factors: Sequence[str], more: Sequence[str] = ()) -> dict[str, float | None]:
    """MiB of an update at its peak, by `key` of the setting."""
    different = {key(setting): setting for _, setting in settings(factors)}
    return {name: peak_mebibytes(prepare, precision, each, more) for name, each in different.items()}


def rows_of(
    factors: Sequence[str], times: Mapping[str, Sequence[float]], memory: Mapping[str, float | None]
) -> list[dict[str, Any]]:
    """A row of every value of pixels, width and batch."""
    return [
        {
            "factor": "pixels" if factor == "side" else factor,
            "value": setting[factor] ** (2 if factor == "side" else 1),
            "seconds": summary([seconds / 2 for seconds in times[key(setting)]]),
            "peak_mib": memory[key(setting)],
        }
        for factor, setting in settings(factors)
    ]


def key(setting: Mapping[str, int]) -> str:
    """What a setting is called.

    >>> key(BASE)
    'side 256, width 160, batch 1'
    """
    return ", ".join(f"{name} {value}" for name, value in setting.items())


def measure_processes(precision: str, *, launches: int, more: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A row of one and of two processes, a thread each, that share a batch; launched in turn."""
    found: dict[int, list[dict[str, float]]] = {count: [] for count in _PROCESSES}
    for _ in range(launches):
        for count, seconds in found.items():
            own = (
                f"SIZE = {BASE['side']}",
                f"generators.SPADEPainter.width = {BASE['width']}",
                f"data.Data.batch_size = {_SHARED // count}",
                f"run.Recipe.precision = {precision!r}",
            )
            seconds.append(launch(count, [*BINDINGS, *own, *more], threads=1))
    return [
        {
            "factor": "processes",
            "value": count,
            "seconds": summary([each["step"] for each in seconds]),
            "peak_mib": None,
            "averaging_seconds": summary([each["averaging"] for each in seconds]),
        }
        for count, seconds in found.items()
    ]


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, measure, print a table, draw."""
    parser = cli.Parser("python -m benchmarks.scaling", description="Time steps of growing size.")
    parser.add_argument("--rounds", type=int, default=3, help="timed pairs of steps of each variant (3)")
    parser.add_argument("--precision", default="auto", help="auto, fp32 or bf16")
    parser.add_argument("--threads", type=int, help="of this process (torch's choice)")
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    parser.add_argument("--plots", metavar="DIR", help="draw cost_seconds.png and cost_memory.png there")
    parser.add_argument("--from", dest="result", metavar="FILE", help="measure nothing: show that result")
    flags = parser.parse_args(arguments)
    if flags.result:
        result = read_result("--from", flags.result, "base", "rows", "exponents")
    else:
        check_target(flags.json)
        if flags.threads:
            torch.set_num_threads(flags.threads)
        result = {"machine": describe_machine(), "precision": _as_run(flags.precision), "base": BASE}
        factors = list(FACTORS)
        times = time_steps(flags.precision, factors, rounds=flags.rounds)
        rows = rows_of(factors, times, peaks(flags.precision, factors))
        rows += measure_processes(flags.precision, launches=max(2, flags.rounds - 1))
        result |= {"rounds": flags.rounds, "rows": rows, "exponents": exponents(rows)}
    print(report(result))
    if flags.json:
        Path(flags.json).write_text(json.dumps(result, indent=2) + "\n")
    if flags.plots:
        draw(result, Path(flags.plots))


def _as_run(precision: str) -> str:
    from gancomponents.training import Runtime

    return Runtime("cpu", precision).precision


if __name__ == "__main__":
    cli.run(main)
