"""Traces of a step and of inference, and the operators that take the most time."""

from itertools import count
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.climategan.inference import photos
from benchmarks.climategan.settings import Settings, build, example
from benchmarks.timing import Work

_ROWS = 25


def write(settings: Settings, folder: Path) -> str:
    """Write ``step.json``, ``inference.json`` (Chrome traces) and a table beside each; return the tables."""
    recipe = build(settings)
    batch, pictures, steps = example(recipe), photos(settings), count()
    kind = recipe.runtime.autocast_dtype
    works: dict[str, Work] = {
        "step": lambda: recipe.loop.step(batch, next(steps)),
        "inference": lambda: recipe.system.model.infer_all(pictures, size="full", autocast=kind),
    }
    tables = []
    for name, work in works.items():
        work()
        activities = [ProfilerActivity.CPU]
        if settings.device.startswith("cuda"):
            activities.append(ProfilerActivity.CUDA)
        with profile(activities=activities) as profiler:
            work()
            if settings.device.startswith("cuda"):
                torch.cuda.synchronize()
        profiler.export_chrome_trace(str(folder / f"{name}.json"))
        order = "self_device_time_total" if len(activities) > 1 else "self_cpu_time_total"
        table = profiler.key_averages().table(sort_by=order, row_limit=_ROWS, max_name_column_width=50)
        (folder / f"{name}.txt").write_text(table + "\n")
        tables.append(f"{name}\n{table}")
    return "\n".join(tables)
