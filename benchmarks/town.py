"""Milliseconds a frame of the Town takes on one core, written files included.

    python -m benchmarks.town --json town.json

An rf frame is the flooded picture, its mask and its dry twin; an r frame has its pseudo-labels and its truth.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2

from benchmarks.timing import describe_machine
from gancomponents.data.town import RENDERER_VERSION
from gancomponents.data.town.frames import DOMAINS, Job, write_frame


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, time, print a table."""
    parser = argparse.ArgumentParser("python -m benchmarks.town", description="Time the Town's renderer.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 640], metavar="PIXELS")
    parser.add_argument("--frames", type=int, default=20, help="timed frames of each domain and size (20)")
    parser.add_argument("--warm-up", type=int, default=3, help="frames before those (3)")
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    flags = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    machine = describe_machine("numpy", "opencv-python")
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"{flags.warm_up} warm-up frames, {flags.frames} timed, one thread, milliseconds a frame")
    print(f"{'domain':8s}{'size':>6s}{'median':>9s}{'min':>8s}{'max':>8s}{'quartiles':>18s}")
    rows = []
    for size in flags.sizes:
        for domain in DOMAINS:
            times = time_frames(domain, size, flags.frames, flags.warm_up)
            low, median, high = statistics.quantiles(times, n=4) if len(times) > 1 else times * 3
            row = {"domain": domain, "size": size, "median": median, "min": min(times), "max": max(times)}
            rows.append({**row, "lower_quartile": low, "upper_quartile": high})
            spread = f"{low:.1f} .. {high:.1f}"
            print(
                f"{domain:8s}{size:6d}{median:9.1f}{min(times):8.1f}{max(times):8.1f}{spread:>18s}",
                flush=True,
            )
    if flags.json:
        result = {
            "machine": machine,
            "renderer": RENDERER_VERSION,
            "frames": flags.frames,
            "milliseconds": rows,
        }
        Path(flags.json).write_text(json.dumps(result, indent=2) + "\n")


def time_frames(domain: str, size: int, frames: int, warm_up: int) -> list[float]:
    """Milliseconds of each timed frame, rendered and written to a temporary folder.

    Args:
        domain: s, r, rf or kitti.
        size: height and width, pixels.
        frames: how many are timed.
        warm_up: how many come before.
    """
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(warm_up + frames):
            begin = time.perf_counter()
            write_frame(Path(folder), Job(domain, "train", index, size, 0))
            if index >= warm_up:
                times.append(1e3 * (time.perf_counter() - begin))
    return times


if __name__ == "__main__":
    main(sys.argv[1:])
