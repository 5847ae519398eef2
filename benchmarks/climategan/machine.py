"""What the machine can do at most, and what upstream's figures would be on it."""

import time
from typing import Any

import torch

from benchmarks.timing import synchronise

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

#: Upstream in eager fp32 on a CPU of two cores, best of several, where a matrix product ran at 314 GFLOP/s: seconds
#: of a full step and of all events, and MB of memory at the peak of the step, by size; batch 1, published widths.
UPSTREAM: dict[str, dict[int, float]] = {
    "step": {256: 9.02},
    "inference": {256: 1.77, 640: 12.15},
    "peak_mb": {256: 5604},
}
UPSTREAM_CEILING = 314e9


def ceilings(device: str, *precisions: str, seconds: float = 1.0) -> dict[str, float]:
    """FLOP/s of the best square matrix product in each precision, and bytes/s read and written by a copy.

    Args:
        device: where.
        precisions: some of fp32, bf16 and fp16.
        seconds: to spend on each, at least.
    """
    large = device.startswith("cuda")
    found = {}
    for precision in precisions:
        sides = (4096, 8192) if large else (1024, 2048)
        rates = []
        for side in sides:
            a, b = (torch.randn(side, side, device=device).to(_DTYPES[precision]) for _ in range(2))
            rates.append(2 * side**3 / _best(lambda a=a, b=b: a @ b, device, seconds / len(sides)))
        found[precision] = max(rates)
    source = torch.ones(2**28 if large else 2**26, device=device)
    target = torch.empty_like(source)
    found["copy"] = 2 * source.nbytes / _best(lambda: target.copy_(source), device, seconds / 2)
    return found


def _best(work: Any, device: str, seconds: float) -> float:
    best, end = float("inf"), time.perf_counter() + seconds
    work()
    while time.perf_counter() < end or best == float("inf"):
        synchronise(device)
        begin = time.perf_counter()
        work()
        synchronise(device)
        best = min(best, time.perf_counter() - begin)
    return best


def calibrate(ceiling: float, size: int, batch: int, width: int | None) -> dict[str, float]:
    """Upstream's seconds of this work if they went with the fp32 ceiling; empty where it was not measured.

    >>> calibrate(2 * UPSTREAM_CEILING, 256, 1, None)
    {'step': 4.51, 'inference': 0.885}
    >>> calibrate(UPSTREAM_CEILING, 256, 4, None)
    {}
    """
    if batch != 1 or width not in (None, 640):
        return {}
    factor = UPSTREAM_CEILING / ceiling
    return {work: UPSTREAM[work][size] * factor for work in ("step", "inference") if size in UPSTREAM[work]}
