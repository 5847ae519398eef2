"""Numbers rebuilt from a name and a seed: inputs, weights and objectives of the reference cases."""

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def unit(name: str, count: int, seed: int) -> npt.NDArray[np.float64]:
    """``count`` doubles in [0, 1): SplitMix64 started from the name's CRC-32 and the seed."""
    start = np.uint64((zlib.crc32(name.encode()) + (seed << 32)) % 2**64)
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64)
        z *= _GOLDEN
        z += start
        z ^= z >> np.uint64(30)
        z *= _FIRST
        z ^= z >> np.uint64(27)
        z *= _SECOND
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def weight(
    key: str, shape: Sequence[int], seed: int, *, gain: float = 1.0, prefix: str = ""
) -> npt.NDArray[Any]:
    """One state-dict entry by its upstream key: float32, or int64 for the batch counter."""
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    r = 2 * unit(prefix + key, math.prod(shape), seed) - 1
    if leaf in ("weight_u", "weight_v"):
        value = r / np.sqrt((r * r).sum())
    elif len(shape) > 1:
        value = r * gain * math.sqrt(3 / math.prod(shape[1:]))
    elif leaf == "running_mean":
        value = 0.1 * r
    elif leaf == "running_var":
        value = 1 + 0.2 * r
    elif key.endswith("activation.weight"):
        value = 0.25 + 0.1 * r
    elif leaf in ("weight", "gamma"):
        value = 1 + 0.1 * r
    else:
        value = 0.1 * r
    return value.astype(np.float32).reshape(shape)


def tensor(recipe: Mapping[str, Any], shape: Sequence[int]) -> npt.NDArray[Any]:
    """An input by the recipe a case gives for it: uniform float32, or uniform integers below ``k``."""
    u = unit(recipe["name"], math.prod(shape), recipe["seed"])
    if recipe["type"] == "splitmix_int":
        return np.floor(u * recipe["k"]).astype(np.int64).reshape(shape)
    low, high = recipe["lo"], recipe["hi"]
    return (low + (high - low) * u).astype(np.float32).reshape(shape)


def objective_weight(output: str, shape: Sequence[int], seed: int) -> npt.NDArray[np.float32]:
    """What an output is multiplied with, and summed, to make the scalar that gradients are taken of."""
    r = 2 * unit(f"input/objective/{output}", math.prod(shape), seed) - 1
    return r.astype(np.float32).reshape(shape)
