"""What a recipe would train, on what and into what, and what a step of it costs."""

import resource
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from recipes.recipe import Recipe
from recipes.resuming import named

#: A look-ahead and an update, where the optimisers take turns at these; the first also warms up.
_STEPS = 2
_WIDTH = 100


def describe(name: str, recipe: Recipe, folder: Path, start: Mapping[str, Path]) -> None:
    """Print the plan, then what a step costs; the weights in memory change, no file does.

    Args:
        name: the recipe's.
        recipe: what would be trained, rehearsed.
        folder: where the results would go.
        start: the checkpoints that it would start from, if any.
    """
    print(f"{name}: {recipe.length} on {recipe.runtime}, seed {recipe.seed}")
    generator = torch.Generator().manual_seed(0)
    batch = recipe.system.example_batch(recipe.data, generator, recipe.domains)
    _name("starts", f"from {named(start)}" if start else "afresh")
    _name("results", str(folder))
    _name("data", str(recipe.data.source))
    for domain, fields in batch.items():
        rows = recipe.data.source.training_rows(domain)
        count, _, height, width = fields["x"].shape
        known = "" if rows is None else f" of {rows} frames"
        labels = ", ".join(task for task in fields if task != "x") or "no labels"
        _show("", f"{domain:5s} batches of {count}{known}, {height} x {width} px, with {labels}")
    _show("networks", *_networks(recipe))
    _show("measured", "on random images, in the memory of training; data and weights are not looked at yet")
    seconds = []
    for step in range(_STEPS):
        begin = time.perf_counter()
        losses = recipe.loop.step(batch, step)
        torch.stack([loss.float().reshape(()) for loss in losses.values()]).tolist()  # waits for the device
        seconds.append(time.perf_counter() - begin)
    parts: dict[str, list[str]] = {}
    for part, loss in (name.split("/", 1) for name in losses):
        parts.setdefault(part, []).append(loss)
    _show("losses", *(f"{part:8s}{', '.join(found)}" for part, found in parts.items()))
    _show("one step", f"{seconds[-1]:.2f} s (the first {seconds[0]:.2f} s){_whole(recipe, seconds[-1])}")
    _show("memory", _peak(recipe.runtime.device))


def _name(title: str, path: str) -> None:
    """A path, however long, on one line, to be copied."""
    print(f"  {title:10s}{path}", flush=True)


def _show(title: str, *lines: str) -> None:
    """Lines under a title on the left; those that are too long go on below, indented."""
    for line in lines:
        for piece in textwrap.wrap(line, _WIDTH - 12, subsequent_indent=" " * 8, break_long_words=False):
            print(f"  {title:10s}{piece}", flush=True)
            title = ""


def _networks(recipe: Recipe) -> Iterator[str]:
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in recipe.system.parts().items()}
    for name, count in {**counts, "all": sum(counts.values())}.items():
        yield f"{name:22s}{count:12,} parameters"


def _whole(recipe: Recipe, seconds: float) -> str:
    """How long all steps would take, where their number is known before the data is."""
    if recipe.steps is None:
        return ""
    return f"; {recipe.steps} steps about {_duration(recipe.steps * seconds)}, without loading and judging"


def _duration(seconds: float) -> str:
    """In the unit that reads best.

    >>> [_duration(s) for s in (40, 400, 40000)]
    ['40 s', '6.7 min', '11.1 h']
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _peak(device: torch.device) -> str:
    unit = 1024**2 if sys.platform == "darwin" else 1024
    text = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit:.0f} MiB at its peak"
    if device.type == "cuda":
        text += f"; on the device {torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB"
    return text
