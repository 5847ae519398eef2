"""Random numbers for the Town: dice for the layout, tiling noise pictures for the materials."""

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["BROAD", "FINE", "ROUGH", "TILE", "Dice", "lookup", "noise_tile", "random_tile"]

Floats = npt.NDArray[np.floating]
T = TypeVar("T")

#: Side of a noise picture, texels: a power of two, so that wrapping is one bit-wise and.
TILE = 512

#: Slopes of the three noise pictures that everything is made of: grain, stone, clouds.
FINE, ROUGH, BROAD = 0.3, 0.9, 1.6


class Dice:
    """Scalar draws from a seed, ten times cheaper than numpy's (a street takes thousands).

    Only :meth:`random.Random.random` is used, the one method whose sequence Python promises to keep.

    Args:
        seed: any integer.

    >>> Dice(3).uniform(0, 1) == Dice(3).uniform(0, 1)
    True
    """

    def __init__(self, seed: int):
        self.random = random.Random(seed).random

    def uniform(self, low: float, high: float) -> float:
        """A number between ``low`` and ``high``."""
        return low + (high - low) * self.random()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, all equally likely."""
        return choices[int(self.random() * len(choices))]

    def weighted(self, choices: dict[T, float]) -> T:
        """One of the keys, as likely as its value is large."""
        mark = self.random() * sum(choices.values())
        for choice, weight in choices.items():
            mark -= weight
            if mark < 0:
                return choice
        return choice


@lru_cache(maxsize=4)
def noise_tile(slope: float) -> Floats:
    """A tiling noise picture, flattened: spectrum 1/f^slope, mean 0, deviation 1, within +-2.5.

    Args:
        slope: 0 is white, 1 is rough stone, 2 is clouds.

    Shape: returns (TILE * TILE,).

    >>> float(abs(noise_tile(1.0)).max()) <= 2.5
    True
    """
    generator = np.random.Generator(np.random.PCG64(7))
    spectrum = np.fft.rfft2(generator.standard_normal((TILE, TILE)))
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :]) * TILE
    frequency[0, 0] = 1
    # The roll-off above a quarter of the sampling rate keeps nearest-texel look-ups from showing as squares.
    spectrum *= frequency**-slope * np.exp(-((frequency / (0.3 * TILE)) ** 2))
    spectrum[0, 0] = 0
    tile = np.fft.irfft2(spectrum, s=(TILE, TILE))
    return np.clip(tile / tile.std(), -2.5, 2.5).astype(np.float32).reshape(-1)


@lru_cache(maxsize=1)
def random_tile() -> Floats:
    """Independent uniform numbers in [0, 1), flattened: the hash table of windows, slabs and leaves.

    Shape: returns (TILE * TILE,).

    >>> random_tile().shape
    (262144,)
    """
    return np.random.Generator(np.random.PCG64(1)).random(TILE * TILE, dtype=np.float32)


def lookup(tile: Floats, x: Floats, y: Floats, scale: float = 1.0) -> Floats:
    """Nearest texels of a tile at coordinates ``(x, y) * scale``, wrapped.

    Shape: x and y of one shape; returns that shape.

    >>> at = np.array([0.0, 512.0], np.float32)
    >>> lookup(random_tile(), at, at).tolist() == [float(random_tile()[0])] * 2
    True
    """
    # A large multiple of TILE keeps the truncation below from folding around zero.
    column = (x * np.float32(scale) + np.float32(64 * TILE)).astype(np.int32)
    row = (y * np.float32(scale) + np.float32(64 * TILE)).astype(np.int32)
    column &= TILE - 1
    row &= TILE - 1
    row *= TILE
    row += column
    return tile.take(row)
