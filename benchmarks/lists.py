"""A long list: what reading it costs, what it weighs, what a step's look-up in its shuffled order costs.

    python -m benchmarks.lists --rows 10000000 --json lists.json

The peer is the same file by ``json.load`` and ``random.shuffle``, at ``--peer-rows`` (it needs gigabytes for
millions). Each is measured in a process of its own; a row has two paths of 18 and 19 characters.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import describe_machine


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, measure, print a table."""
    parser = argparse.ArgumentParser("python -m benchmarks.lists", description="Measure a list of many rows.")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--peer-rows", type=int, default=1_000_000)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(arguments)
    results = [_apart("ours", options.rows), _apart("peer", options.peer_rows)]
    for row in results:
        print(
            "{kind}: {rows} rows read in {seconds:.1f} s, {bytes_per_row:.0f} bytes of memory a row at most, "
            "{look_up_us:.0f} us a look-up (4 rows; ours by the median of {rounds})".format(**row)
        )
    if options.json:
        report = {"machine": describe_machine("numpy"), "results": results}
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")


def _apart(kind: str, rows: int) -> dict[str, Any]:
    """One measurement in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "list.json")
        with path.open("w") as file:
            for number in range(rows):
                between = ",\n" if number else "[\n"
                file.write(f'{between}{{"x": "images/{number:08d}.png", "m": "masks/{number:08d}.png"}}')
            file.write("\n]\n")
        code = f"from benchmarks.lists import measure; measure({kind!r}, {str(path)!r})"
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure(kind: str, path: str, rounds: int = 200) -> None:
    """Read a list, look rows up in its shuffled order, print what it took."""
    from gancomponents.data import DomainSampler, read_list

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    if kind == "ours":
        files = read_list(path, ["m"], must_exist=False)
        sampler = DomainSampler({"s": len(files)}, 4)
    else:
        files = json.loads(Path(path).read_text())
        order = list(range(len(files)))
        random.Random(0).shuffle(order)
    seconds = time.perf_counter() - begin
    times = []
    for step in range(rounds):
        begin = time.perf_counter()
        for index in sampler.draw(step)["s"].indices if kind == "ours" else order[4 * step : 4 * step + 4]:
            files[index]["x"]
        times.append(time.perf_counter() - begin)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(
        json.dumps(
            {
                "kind": kind,
                "rows": len(files),
                "seconds": round(seconds, 2),
                "bytes_per_row": round(grown / len(files), 1),
                "look_up_us": round(1e6 * statistics.median(times), 1),
                "rounds": rounds,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
