"""How long a start takes, in fresh processes: importing each package, and the plan of a dry run.

    python -m benchmarks.start --json benchmarks/results/start_cpu.json

Every round starts each work once, in turn; a first round, not counted, warms the file cache and compiles bytecode.
An import counts from after ``import torch`` on; the other works are whole processes, from their start.

The JSON holds ``machine``, ``rounds`` and ``seconds``: by work, ``median``, ``min`` and ``max``. Works are
``torch`` (a process that only imports it), ``torch.optim`` (one that then builds an optimiser, which has torch
import its compiler), each package of the library, ``dry run, plan`` (until all networks are listed) and ``dry run``
(the whole process).
"""

import json
import os
import pkgutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gancomponents
from benchmarks.timing import describe_machine, summary
from gancomponents.errors import InputError
from recipes import cli

_OPTIMISER = "import torch; torch.optim.Adam([torch.zeros(1)])"
_IMPORT = "import time, torch; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"
#: How the last line of the plan begins, before steps are measured.
_MEASURED = "  measured"

#: Seconds by work.
Seconds = dict[str, float]


def packages() -> list[str]:
    """The library's public packages.

    >>> packages()[:3]
    ['gancomponents', 'gancomponents.data', 'gancomponents.data.town']
    """
    found = pkgutil.walk_packages(gancomponents.__path__, "gancomponents.")
    return ["gancomponents", *(part.name for part in found if part.ispkg)]


def works(gin: str, bindings: Sequence[str] = ()) -> list[Callable[[], Seconds]]:
    """What is started in each round: each returns the seconds of one work, or of two."""
    command = [
        "-m",
        "recipes.run",
        "--gin",
        gin,
        *(word for b in bindings for word in ("-p", b)),
        "--dry-run",
    ]
    return [
        partial(_whole, "torch", "import torch"),
        partial(_whole, "torch.optim", _OPTIMISER),
        *(partial(_imported, package) for package in packages()),
        partial(_dry_run, command),
    ]


def measure(works: Sequence[Callable[[], Seconds]], *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, by work."""
    seconds: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        for work in works:
            for name, value in work().items():
                if turn:
                    seconds.setdefault(name, []).append(value)
    return seconds


def _whole(name: str, code: str) -> Seconds:
    begin = time.perf_counter()
    for _ in _lines(["-c", code]):
        pass
    return {name: time.perf_counter() - begin}


def _imported(package: str) -> Seconds:
    return {package: float(next(_lines(["-c", _IMPORT.format(package)])))}


def _dry_run(command: Sequence[str]) -> Seconds:
    begin = time.perf_counter()
    plan = None
    for line in _lines(command):
        if line.startswith(_MEASURED):
            plan = time.perf_counter() - begin
    if plan is None:
        raise RuntimeError(f"a dry run must print a line that begins with {_MEASURED!r}, and did not")
    return {"dry run, plan": plan, "dry run": time.perf_counter() - begin}


def _lines(arguments: Sequence[str]) -> Iterator[str]:
    """What a fresh Python prints, line by line as it does."""
    # Bytecode is kept, as a user's is, whatever this environment says.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    yield from process.stdout
    told = process.stderr.read().strip().splitlines()
    if process.wait():
        command = f"python {' '.join(arguments)}"
        raise InputError(command, expected="to run through", got=told[-1], fix="see that it runs alone")


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, measure, print a table."""
    parser = cli.Parser("python -m benchmarks.start", description="Time imports and a dry run.")
    parser.add_argument("--gin", default="recipes/climategan.gin", metavar="FILE")
    parser.add_argument("-p", dest="binding", action="append", default=[], metavar="BINDING")
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes of each work (5)")
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    flags = parser.parse_args(arguments)
    machine = describe_machine("torchvision", "numpy", "gin-config")
    seconds = measure(works(flags.gin, flags.binding), rounds=flags.rounds)
    result: dict[str, Any] = {"machine": machine, "rounds": flags.rounds}
    result["seconds"] = {name: summary(values) for name, values in seconds.items()}
    print(report(result))
    if flags.json:
        Path(flags.json).write_text(json.dumps(result, indent=2) + "\n")


def report(result: dict[str, Any]) -> str:
    """The result as lines for the terminal."""
    lines = [", ".join(f"{key} {value}" for key, value in result["machine"].items() if value is not None)]
    lines.append(f"{'seconds':34s}{'median':>8s}{'least':>8s}{'most':>8s}")
    for name, row in result["seconds"].items():
        title = f"import {name}" if name in packages() else name
        lines.append(f"{title:34s}{row['median']:8.3f}{row['min']:8.3f}{row['max']:8.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
