"""Files such as a loader meets: photographs, labels in colours, depth in the simulator's and KITTI's codes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gancomponents.data import COLOURS, KITTI_COLOURS, encode_simulator_depth, write_image

__all__ = ["SOURCES", "write_files"]

#: Height, width and kind of picture of each domain, and the maps beside it.
SOURCES: dict[str, tuple[tuple[int, int], str, str]] = {
    "r": ((900, 1200), ".jpg", "m"),
    "rf": ((1080, 1920), ".jpg", "m"),
    "s": ((900, 1200), ".png", "sdm"),
    "kitti": ((375, 1242), ".jpg", "sd"),
}


def write_files(
    folder: Path, count: int, sizes: Mapping[str, tuple[int, int]] | None = None
) -> dict[str, Path]:
    """Write ``count`` rows of every domain, and their lists; returns the lists.

    Textures are sums of smooth noise with a little grain, and regions are its largest channels: like photographs
    and drawings, and unlike noise, they compress.

    Args:
        folder: exists.
        count: rows.
        sizes: (height, width) of each domain; those of ``SOURCES`` where None.
    """
    random, lists = np.random.default_rng(0), {}
    for domain, (size, suffix, tasks) in SOURCES.items():
        rows = []
        for number in range(count):
            row = {
                "x": f"{domain}{number}{suffix}",
                **{task: f"{domain}{number}_{task}.png" for task in tasks},
            }
            for task, name in row.items():
                write_image(folder / name, _picture(random, domain, task, (sizes or {}).get(domain, size)))
            rows.append(row)
        lists[domain] = folder / f"{domain}.json"
        lists[domain].write_text(json.dumps(rows))
    return lists


def _picture(random: np.random.Generator, domain: str, task: str, size: tuple[int, int]) -> npt.NDArray[Any]:
    if task == "x":
        grain = random.normal(0, 2.5, (*size, 3)).astype(np.float32)
        return np.clip(_smooth(random, size, 3, octaves=6) * 240 + 8 + grain, 0, 255).astype(np.uint8)
    if task == "m":
        return _smooth(random, size, 2).argmax(2).astype(np.uint8) * 255
    if task == "s":
        colours = KITTI_COLOURS if domain == "kitti" else COLOURS[domain]
        return colours[_smooth(random, size, len(colours)).argmax(2)]
    metres = np.exp(_smooth(random, size, 1)[..., 0] * 6)  # 1 to 403
    if domain == "s":
        return encode_simulator_depth(metres)
    return (metres * 100).astype(np.uint16)


def _smooth(
    random: np.random.Generator, size: tuple[int, int], channels: int, octaves: int = 4
) -> npt.NDArray[np.float32]:
    """Noise of several scales. Shape: returns (H, W, channels) in 0..1."""
    height, width = size
    total = np.zeros((height, width, channels), np.float32)
    for octave in range(octaves):
        cells = 8 * 2**octave
        grid = random.random((cells, cells * width // height + 1, channels), dtype=np.float32)
        resized = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        total += resized.reshape(total.shape) * 0.6**octave
    total -= total.min()
    return total / total.max()
