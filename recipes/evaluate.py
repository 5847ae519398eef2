"""Score water masks against labels: ``python -m recipes.evaluate --run DIR --images DIR --labels DIR``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from gancomponents.errors import InputError, check_whole
from gancomponents.training import Runtime
from recipes import cli
from recipes.evaluation import results, tables
from recipes.evaluation.compare import differences
from recipes.evaluation.pairs import check_pairs, find_pairs
from recipes.evaluation.predict import SOFT, evaluate, load_subjects

_SIZES = 64, 4096

_EXAMPLES = """examples:
  python -m recipes.evaluate --run runs/flood --images photos --labels labels
  python -m recipes.evaluate --run runs/a --run runs/b --images photos --labels labels --output compared

Labels are painted red where water cannot be, blue where it must be, black where it may be. They lie beside
the photos by name: photos/street.jpg and labels/street.png, or labels/street_labeled.png.

A run's config.gin is code, as any .gin file: use only runs that you trust,
or put a config.gin of your own into theirs."""


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, score every run on every photo, and write what was found."""
    flags = _parser().parse_args(arguments)
    _check_numbers(flags.size, flags.bin_value, flags.max_files)
    runs, output = [Path(run) for run in flags.run], _output(flags.run, flags.output)
    runtime = Runtime(flags.device, flags.precision)
    results.check_output(output)
    pairs = find_pairs(Path(flags.images), Path(flags.labels), flags.max_files)
    subjects = load_subjects(runs, runtime, flags.weights, flags.size)
    check_pairs(pairs)
    if not flags.json:
        print("\n".join(map(str, subjects)))
    draw = not flags.no_pictures
    scores = [
        evaluate(subject, pairs, runtime, bin_value=flags.bin_value, keep_masks=draw) for subject in subjects
    ]
    found = [tables.summary(*each, flags.bin_value) for each in zip(subjects, scores, strict=True)]
    if len(subjects) == 1:
        shown, table = found[0], tables.metrics_table(found[0])
    else:
        by_run = {subject.name: each for subject, each in zip(subjects, found, strict=True)}
        shown = tables.comparison(by_run, differences([each.table for each in scores]))
        table = f"{tables.comparison_table(shown)}\n\n{tables.differences_table(shown)}"

    def fill(folder: Path) -> None:
        for subject, each, result in zip(subjects, scores, found, strict=True):
            home = folder / subject.name if len(subjects) > 1 else folder
            results.write_run(home, subject, pairs, each, result)
        if len(subjects) > 1:
            results.write_comparison(folder, subjects, scores, shown)

    results.write_whole(output, fill)
    if flags.json:
        print(tables.json_text(shown), end="")
    else:
        print(f"{table}\nresults: {output}")


def _output(runs: Sequence[str], output: str | None) -> Path:
    if output is not None:
        return Path(output)
    if len(runs) > 1:
        fix = "name a folder for the comparison"
        raise InputError("--output", expected="one, with several runs", got="none", fix=fix)
    run = Path(runs[0])
    if run.name == "checkpoints" or (run / "state.json").is_file():
        fix = "name a folder for the results"
        raise InputError("--output", expected="one, with a checkpoint as --run", got="none", fix=fix)
    return run / "evaluation"


def _check_numbers(size: int | None, bin_value: float, most: int | None) -> None:
    if size is not None:
        check_whole("--size", size, minimum=_SIZES[0], maximum=_SIZES[1])
    if most is not None:
        check_whole("--max-files", most, minimum=1)
    if bin_value != SOFT and not 0 <= bin_value <= 1:
        expected, fix = "0 to 1, or -1 for soft masks", "pass a probability"
        raise InputError("--bin-value", expected=expected, got=str(bin_value), fix=fix)


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        "python -m recipes.evaluate",
        description="Score a run's water masks against labels: where water cannot, must and may be.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--run", required=True, action="append", metavar="DIR", help="a run folder; again to compare several")
    add("--images", required=True, metavar="DIR", help="a folder of photos")
    add("--labels", required=True, metavar="DIR", help="a folder with a label for every photo")
    add("--output", metavar="DIR", help="folder for the results (default for one run: RUN/evaluation)")
    add("--size", type=int, help="side of the square that the networks see (default: as trained)")
    add("--bin-value", type=float, default=0.5, help="water is above this probability; -1: soft masks (0.5)")
    add("--max-files", type=int, metavar="N", help="only the first N photos by name")
    add("--weights", choices=("auto", "averaged", "raw"), default="auto", help="auto: averaged ones if there")
    add("--no-pictures", action="store_true", help="write numbers only")
    add("--json", action="store_true", help="print the result as JSON")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    return parser


if __name__ == "__main__":
    cli.run(main)
