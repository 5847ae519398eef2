"""Samples per second and core: this package's loader and the plain one side by side, in turns, in one run.

    python -m benchmarks.loader --size 640 --json benchmarks/results/loader_cpu.json
    python -m benchmarks.loader --table benchmarks/results/loader_cpu.json   # as in docs/throughput.md

One thread does all the work: reading files that the system holds in memory, decoding, transforming and making a
batch. ``plain`` is `benchmarks.plain_loader`, ``ours`` `DomainDataset` with the recipe's transforms, ``cached`` the
same from a `SampleCache` that has them all. Files are made on the spot, see `benchmarks.loader_files`.

The JSON holds ``machine``, ``size``, ``rounds``, ``batch`` and ``domains``; a domain has ``source`` (in words),
``tasks``, ``cache_bytes`` (of one entry; a sample has two, one of them mirrored) and ``variants``: of each
``samples_per_second`` and ``ratio`` to plain, round by round (``median``, ``min``, ``max``), and ``milliseconds`` a
sample of every stage (medians). ``recipe`` has the ratios for a step's samples, one each of r, s and rf.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmarks import plain_loader
from benchmarks.files import check_target, read_result
from benchmarks.loader_files import SOURCES, write_files
from benchmarks.timing import describe_machine, summary, time_in_turns
from gancomponents.data import DomainDataset, JointTransform, SampleCache
from gancomponents.data._reading import Frame
from gancomponents.data.images import read_image
from gancomponents.data.loader import collate
from gancomponents.data.transforms import settled, split
from gancomponents.errors import check_whole
from recipes import cli

__all__ = ["main", "measure", "table"]

_COUNT = 4
_STEP = ("r", "s", "rf")
VARIANTS = ("plain", "ours", "cached")


def measure(
    size: int = 640, rounds: int = 5, *, sizes: Mapping[str, tuple[int, int]] | None = None
) -> dict[str, Any]:
    """What the JSON holds, without ``machine``.

    Args:
        size: of the network's input; cropped at 600/640 of it, labels and depth at a quarter.
        rounds: timed batches of each variant.
        sizes: (height, width) of each domain's files; those of `SOURCES` where None.
    """
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            lists = write_files(Path(folder), _COUNT, sizes)
            cache = SampleCache(Path(folder, "cache"))
            domains = {name: _domain(name, lists[name], cache, size, rounds) for name in SOURCES}
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
    seconds = {name: domain.pop("seconds") for name, domain in domains.items()}
    steps = {v: [sum(turn) for turn in zip(*(seconds[d][v] for d in _STEP), strict=True)] for v in VARIANTS}
    recipe = {variant: _ratio(steps, variant) for variant in VARIANTS}
    return {"size": size, "rounds": rounds, "batch": _COUNT, "domains": domains, "recipe": recipe}


def _domain(name: str, files: Path, cache: SampleCache, size: int, rounds: int) -> dict[str, Any]:
    (height, width), suffix, tasks = SOURCES[name]
    transform = JointTransform(size)
    options: dict[str, Any] = {"tasks": list(tasks), "transform": transform, "stretch": True}
    ours = DomainDataset(files, name, **options)
    cached = DomainDataset(files, name, **options, cache=cache)
    before = _bytes(cache)
    for index in range(_COUNT):
        cached.sample(index, 0)
    taken = (_bytes(cache) - before) / _COUNT
    works: dict[str, Callable[[], object]] = {
        "plain": lambda: _plain(ours, transform),
        "ours": lambda: collate([ours.sample(i, 0) for i in range(_COUNT)], ours.tasks),
        "cached": lambda: collate([cached.sample(i, 0) for i in range(_COUNT)], cached.tasks),
    }
    seconds = time_in_turns(works, rounds=rounds, warm_up=1)
    stages = {
        "plain": _medians([_plain_stages(ours, transform) for _ in range(rounds)]),
        "ours": _medians([_stages(ours) for _ in range(rounds)]),
        "cached": _medians([_stages(cached) for _ in range(rounds)]),
    }
    return {
        "source": f"{width} x {height} {suffix[1:].upper().replace('JPG', 'JPEG')}",
        "tasks": ["x", *tasks],
        "cache_bytes": round(taken),
        "seconds": seconds,
        "variants": {
            variant: {
                "samples_per_second": summary([_COUNT / turn for turn in seconds[variant]]),
                "ratio": _ratio(seconds, variant),
                "milliseconds": stages[variant],
            }
            for variant in VARIANTS
        },
    }


def _ratio(seconds: Mapping[str, Sequence[float]], variant: str) -> dict[str, float]:
    return summary([a / b for a, b in zip(seconds["plain"], seconds[variant], strict=True)])


def _bytes(cache: SampleCache) -> int:
    return sum(path.stat().st_size for path in cache.folder.glob("*/*.safetensors"))


def _plain(
    data: DomainDataset, transform: JointTransform, mark: plain_loader.Mark = lambda stage: None
) -> object:
    """A batch of the plain form, mirrored half of the time."""
    samples = [
        plain_loader.sample(
            {task: data.rows[index][task] for task in data.tasks},
            data.domain,
            size=transform.size,
            crop=transform.crop,
            small=transform.target_sizes["s"],
            flip=index % 2 == 0,
            mark=mark,
        )
        for index in range(_COUNT)
    ]
    return collate(samples, data.tasks)


class _Watch:
    """Adds up milliseconds a sample by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.spent[stage] = self.spent.get(stage, 0) + 1000 * (now - self._last) / _COUNT
        self._last = now


def _plain_stages(data: DomainDataset, transform: JointTransform) -> dict[str, float]:
    watch = _Watch()
    _plain(data, transform, watch)
    watch("collate")
    return watch.spent


def _stages(data: DomainDataset) -> dict[str, float]:
    """What `DomainDataset.sample` does, of epoch 0, piece by piece."""
    watch, samples = _Watch(), []
    for index in range(_COUNT):
        row, generator = data.rows[index], data._generator(index, 0)
        first, moves = settled(split(data.transform)[0], generator)
        if data.cache is None:
            frame = _opened(data, row, watch)
            for move in first:
                frame.move(move)
        else:
            frame = data._frame(row, first)
            watch("entry")
        for move in moves:
            frame.move(move, generator)
        watch("transform")
        fields = frame.decoded()
        watch("decode")
        samples.append({task: data._finish(task, fields[task], *frame.extremes) for task in data.tasks})
        watch("range")
    collate(samples, data.tasks)
    watch("collate")
    return watch.spent


def _opened(data: DomainDataset, row: Mapping[str, Path], mark: plain_loader.Mark) -> Frame:
    image = read_image(row["x"])
    extremes = int(image.min()), int(image.max())
    mark("image")
    maps = {}
    for task in data.tasks[1:]:
        stored = data._reader._read(task, row[task])
        maps[task] = image.shape[:2], partial(data._reader._decode, task, stored, row[task])
        mark({"s": "labels", "d": "depth", "m": "mask"}[task])
    return Frame(torch.from_numpy(image).permute(2, 0, 1), maps, extremes)


def _medians(turns: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {stage: round(statistics.median(turn[stage] for turn in turns), 3) for stage in turns[0]}


def table(result: Mapping[str, Any]) -> str:
    """The result in Markdown.

    >>> spread = {"median": 2.0, "min": 1.0, "max": 3.0}
    >>> variant = {"samples_per_second": spread, "ratio": spread, "milliseconds": {"image": 1.0}}
    >>> domain = {"source": "8 x 4 PNG", "tasks": ["x"], "cache_bytes": 3e6, "variants": {"ours": variant}}
    >>> print(table({"domains": {"r": domain}, "recipe": {"ours": spread}}).splitlines()[2])
    | r, 8 x 4 PNG: x | ours | 2.0 (1.0 to 3.0) | 2.0 (1.0 to 3.0) | image 1.0 |
    """
    lines = [
        "| domain | loader | samples a second and core (least to most) | faster than plain by | ms a sample |",
        "|:-------|:-------|-----------------------------------------:|---------------------:|:------------|",
    ]
    for name, domain in result["domains"].items():
        for variant, found in domain["variants"].items():
            stages = ", ".join(f"{stage} {spent:.1f}" for stage, spent in found["milliseconds"].items())
            rates = _spread(found["samples_per_second"])
            told = f"{name}, {domain['source']}: {' '.join(domain['tasks'])}"
            lines.append(f"| {told} | {variant} | {rates} | {_spread(found['ratio'])} | {stages} |")
    for variant, ratio in result["recipe"].items():
        lines.append(f"| one each of {', '.join(_STEP)} | {variant} | | {_spread(ratio)} | |")
    return "\n".join(lines)


def _spread(found: Mapping[str, float]) -> str:
    return f"{found['median']:.1f} ({found['min']:.1f} to {found['max']:.1f})"


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, measure, print a table."""
    parser = cli.Parser("python -m benchmarks.loader", description="Time the loader, beside a plain one.")
    parser.add_argument("--size", type=int, default=640, help="of the network's input, pixels (640)")
    parser.add_argument("--rounds", type=int, default=5, help="timed batches of each variant (5)")
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    parser.add_argument("--table", metavar="FILE", help="measure nothing: print that result as a table")
    flags = parser.parse_args(arguments)
    if flags.table:
        print(table(read_result("--table", flags.table, "domains", "recipe")))
        return
    check_target(flags.json)
    check_whole("--size", flags.size, minimum=8)
    check_whole("--rounds", flags.rounds, minimum=1)
    result = {"machine": describe_machine("opencv-python", "pillow"), **measure(flags.size, flags.rounds)}
    if flags.json:
        Path(flags.json).write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))


if __name__ == "__main__":
    cli.run(main)
