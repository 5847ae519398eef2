"""Make, extend and check lists of files: ``python -m recipes.lists make|add|check``."""

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from gancomponents.data import DOMAINS, LABELS, DomainDataset, FileList, read_list
from gancomponents.errors import InputError, printable
from recipes import cli
from recipes.pictures import SUFFIXES

TASKS = ("x", "s", "d", "m")
_SUFFIXES = {
    "x": SUFFIXES,
    "m": SUFFIXES,
    "s": (*SUFFIXES, ".npy", ".pt"),
    "d": (*SUFFIXES, ".npy", ".pt"),
}
_SHOWN = 20  # problems that are printed one by one

Row = dict[str, str]

_EXAMPLES = """examples:
  python -m recipes.lists make x=photos m=masks --output train_rf.json --val val_rf.json
  python -m recipes.lists add train_s.json d=depth --output train_s_depth.json
  python -m recipes.lists check train_s.json --domain s

x is the image, s its class labels, d its depth, m the water mask. Files belong together by their stem:
photos/street_1.jpg and masks/street_1.png are one row."""


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and run one of the three commands."""
    flags = _parser().parse_args(arguments)
    flags.command(flags)


def _make(flags: argparse.Namespace) -> None:
    folders = _folders(flags.folders)
    if "x" not in folders:
        raise InputError(
            "make", expected="x=FOLDER, the images", got=str(flags.folders), fix="name the images"
        )
    _check_new(flags.output, flags.val)
    files = {task: _by_stem(task, folder) for task, folder in folders.items()}
    rows = [
        {task: found[stem] for task, found in files.items() if stem in found} for stem in sorted(files["x"])
    ]
    if flags.complete:
        rows = [row for row in rows if len(row) == len(folders)]
    if not rows:
        fix = "give folders whose files have the same stems"
        raise InputError("make", expected="at least one row", got="none", fix=fix)
    cut = len(rows)
    if flags.val:
        cut -= max(1, round(flags.share * len(rows)))
        if cut < 1:
            raise InputError("--val", expected="two rows or more", got=str(len(rows)), fix="leave it out")
        _write(flags.val, rows[cut:])
    _write(flags.output, rows[:cut])
    for task, found in files.items():
        if alone := sorted(found.keys() - files["x"].keys()):
            print(f"{len(alone)} files of {task} have no image, such as {printable(found[alone[0]])}")


def _add(flags: argparse.Namespace) -> None:
    _check_new(flags.output)
    files = read_list(flags.list, TASKS, must_exist=False)
    rows = [dict(row) for row in files]
    for task, folder in _folders(flags.folders).items():
        if any(task in row for row in rows):
            fix = "add to a list without it, or make a new one"
            raise InputError(str(flags.list), expected=f"rows without {task!r}", got="rows with it", fix=fix)
        found = _by_stem(task, folder)
        for row in rows:
            if row["x"].stem in found:
                row[task] = found[row["x"].stem]
        if not any(task in row for row in rows):
            fix = "its files need the stems of the list's images"
            raise InputError(f"{task}={folder}", expected="a file for some image", got="none", fix=fix)
    _write(flags.output, rows)


def _check(flags: argparse.Namespace) -> None:
    files = read_list(flags.list, TASKS, must_exist=False)
    named = [part for part in flags.list.stem.split("_") if part in DOMAINS]
    # Lists of truth hold a real street's labels as the simulator stores them.
    guess = "s" if flags.list.stem.startswith("truth") else named[0] if named else "r"
    domain = flags.domain or guess
    report = survey(files, domain)
    problems = report["problems"]
    if flags.json:
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(_describe(f"{printable(flags.list)}, read as domain {domain}", report)))
    if problems:
        fix = "mend or leave out what is named above"
        got = f"{len(problems)} that {'is' if len(problems) == 1 else 'are'} not"
        raise InputError(str(flags.list), expected="files that are right", got=got, fix=fix)


def survey(files: FileList, domain: str) -> dict[str, Any]:
    """What is in a list: rows, files by task, sizes, shares of labels and water, range of depth, and problems.

    Args:
        files: any list; a row may lack any task but x.
        domain: says how labels and depth are stored.
    """
    problems = [f"{printable(path)}: missing" for row in files for path in row.values() if not path.is_file()]
    there = [row for row in files if all(path.is_file() for path in row.values())]
    sizes: Counter[str] = Counter()
    labels = np.zeros(len(LABELS), np.int64)
    wet: list[float] = []
    depths: list[tuple[float, float]] = []
    for row in tqdm(there, unit="row", desc="checking", disable=None, leave=False):
        try:
            sample = DomainDataset(
                [row], domain, tasks=[t for t in row if t != "x"], transform=_as_it_is
            ).sample(0)
        except InputError as error:
            problems.append(str(error))
            continue
        sizes["{} x {}".format(*sample["x"].shape[-2:])] += 1
        if "s" in sample:
            labels += np.bincount(sample["s"].numpy().ravel(), minlength=len(LABELS))
        if "m" in sample:
            wet.append(float(sample["m"].mean()))
        if "d" in sample:
            depths.append((float(sample["d"].min()), float(sample["d"].max())))
    total = max(int(labels.sum()), 1)
    return {
        "rows": len(files),
        "files": {task: len(files.having(task)) for task in TASKS},
        "sizes": dict(sizes.most_common()),
        "labels": {name: int(n) / total for name, n in zip(LABELS, labels, strict=True)}
        if labels.any()
        else {},
        "water": float(np.mean(wet)) if wet else None,
        "inverse_depth": [min(a for a, _ in depths), max(b for _, b in depths)] if depths else None,
        "problems": problems,
    }


def _as_it_is(fields: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    return dict(fields)


def _describe(name: str, report: Mapping[str, Any]) -> list[str]:
    counts = ", ".join(f"{task} {count}" for task, count in report["files"].items() if count)
    lines = [f"{name}: {report['rows']} rows", f"  files    {counts}"]
    sizes = [f"{size} ({count})" for size, count in report["sizes"].items()]
    if sizes:
        more = f" and {len(sizes) - 5} more" if len(sizes) > 5 else ""
        lines.append(f"  sizes    {', '.join(sizes[:5])}{more}, height x width")
    if shares := report["labels"]:
        lines.append("  labels   " + ", ".join(f"{n} {100 * p:.1f} %" for n, p in shares.items() if p))
        if never := [label for label, share in shares.items() if not share]:
            lines.append("  never    " + ", ".join(never))
    if report["water"] is not None:
        lines.append(f"  water    {100 * report['water']:.1f} % of the mask's pixels")
    if report["inverse_depth"] is not None:
        lines.append("  depth    {:.4g} to {:.4g}, inverse".format(*report["inverse_depth"]))
    problems = report["problems"]
    lines += [f"  problem  {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"  ... and {len(problems) - _SHOWN} more")
    return lines if problems else [*lines, "  no problems"]


def _folders(pairs: Sequence[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for pair in pairs:
        task, equals, folder = pair.partition("=")
        if not equals or task not in TASKS or task in folders:
            expected = "TASK=FOLDER, each task once, of x, s, d, m"
            raise InputError(pair, expected=expected, got=repr(pair), fix="write it as x=photos")
        folders[task] = Path(folder)
        if not folders[task].is_dir():
            raise InputError(pair, expected="a folder", got="none of that name", fix="check the path")
    return folders


def _by_stem(task: str, folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _SUFFIXES[task] or path.name.startswith("."):
            continue
        if path.stem in found:
            got = f"{found[path.stem].name} and {path.name}"
            raise InputError(
                str(folder), expected="one file of each stem", got=got, fix="rename or remove one"
            )
        found[path.stem] = path
    return found


def _check_new(*paths: Path | None) -> None:
    named = [path.absolute() for path in paths if path is not None]
    if len(set(named)) < len(named):
        raise InputError(
            "--val", expected="another file than --output", got=str(named[0]), fix="choose another"
        )
    for path in paths:
        if path is None:
            continue
        if path.suffix != ".json":
            raise InputError(str(path), expected="a .json file", got=path.suffix or "none", fix="name it so")
        if path.exists():
            raise InputError(
                str(path), expected="a new file", got="one that exists", fix="choose another name"
            )


def _write(path: Path, rows: Iterable[Mapping[str, Path]]) -> None:
    """Write a list atomically, with paths relative to it where they lie beside or below it."""
    home = path.absolute().parent
    lines = [json.dumps({task: _named(file, home) for task, file in row.items()}) for row in rows]
    home.mkdir(parents=True, exist_ok=True)
    partial = home / f".{path.name}.{os.getpid()}.partial"
    partial.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    os.replace(partial, path)
    print(f"{printable(path)}: {len(lines)} rows")


def _named(file: Path, home: Path) -> str:
    absolute = Path(os.path.abspath(file))
    return (absolute.relative_to(home) if absolute.is_relative_to(home) else absolute).as_posix()


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        "python -m recipes.lists",
        description="Make, extend and check the lists of files that recipes train on.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="make|add|check")
    make = commands.add_parser("make", help="pair the files of folders by their stems")
    make.add_argument("folders", nargs="+", metavar="TASK=FOLDER")
    make.add_argument("--output", required=True, type=Path, metavar="FILE", help="the list, .json")
    make.add_argument("--val", type=Path, metavar="FILE", help="a second list with the last rows, held out")
    make.add_argument("--share", type=_share, default=0.15, help="share of the rows held out (0.15)")
    make.add_argument("--complete", action="store_true", help="only rows with a file in every folder")
    make.set_defaults(command=_make)
    add = commands.add_parser("add", help="add a task to a list")
    add.add_argument("list", type=Path, metavar="LIST")
    add.add_argument("folders", nargs="+", metavar="TASK=FOLDER")
    add.add_argument("--output", required=True, type=Path, metavar="FILE", help="the new list, .json")
    add.set_defaults(command=_add)
    check = commands.add_parser("check", help="read every file of a list and say what is in them")
    check.add_argument("list", type=Path, metavar="LIST")
    check.add_argument(
        "--domain",
        choices=DOMAINS,
        help="how labels and depth are stored (default: the list's name tells, or r)",
    )
    check.add_argument("--json", action="store_true", help="print the result as JSON")
    check.set_defaults(command=_check)
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


if __name__ == "__main__":
    cli.run(main)
