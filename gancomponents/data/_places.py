"""Which pixels of a map are wanted, before any is decoded."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

__all__ = ["Places", "nearest"]

Indices = npt.NDArray[np.intp]


class Places:
    """The rows and columns of a map that mirroring, cropping and resizing to the nearest value have left.

    It stands for a field (1, H, W) in the transforms of `gancomponents.data.geometry`, which move whole rows and
    columns alone. Labels and depth are then decoded at the few pixels that a sample keeps, a 640 px sample's at
    25,600 of a million.

    >>> places = Places.of(4, 6).flip(-1)[..., 0:2, 0:3].resized((1, 3))
    >>> places.take(np.arange(24).reshape(4, 6)).tolist()
    [[5, 4, 3]]
    """

    def __init__(self, rows: Indices, columns: Indices):
        self.rows, self.columns = rows, columns

    @classmethod
    def of(cls, height: int, width: int) -> "Places":
        """All pixels of a map of this size."""
        return cls(np.arange(height), np.arange(width))

    @property
    def shape(self) -> tuple[int, int, int]:
        """As the field's."""
        return 1, len(self.rows), len(self.columns)

    def flip(self, axis: int) -> "Places":
        """Mirrored left to right, the only axis that there is."""
        if axis != -1:
            raise ValueError(f"axis must be -1, got {axis}: samples are mirrored left to right alone")
        return Places(self.rows, self.columns[::-1])

    def __getitem__(self, window: tuple[Any, slice, slice]) -> "Places":
        return Places(self.rows[window[1]], self.columns[window[2]])

    def resized(self, size: tuple[int, int], *, exact: bool = False) -> "Places":
        """The nearest pixels of another size, as `nearest` has them."""
        height, width = size
        rows, columns = (
            nearest(len(self.rows), height, exact=exact),
            nearest(len(self.columns), width, exact=exact),
        )
        return Places(self.rows[rows], self.columns[columns])

    def take(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """These pixels. Shape: stored (H, W, ...); returns (rows, columns, ...)."""
        # Whole rows first: picking both at once is three times slower.
        return stored.take(self.rows, axis=0).take(self.columns, axis=1)


@lru_cache(maxsize=256)
def nearest(old: int, new: int, *, exact: bool = False) -> Indices:
    """Where each of ``new`` values comes from among ``old``: floor(i old / new) as torch rounds it, or the middle.

    >>> nearest(7, 3).tolist(), nearest(7, 3, exact=True).tolist()
    ([0, 2, 4], [1, 3, 5])
    """
    if exact:
        found = (2 * np.arange(new) + 1) * old // (2 * new)  # floor((i + 1/2) old / new), in whole numbers
    elif old == new:
        found = np.arange(old)
    else:  # asked of torch itself, which multiplies by a rounded ratio
        positions = torch.arange(old, dtype=torch.float32).view(1, 1, old, 1)
        found = functional.interpolate(positions, (new, 1), mode="nearest").flatten().long().numpy()
    found.flags.writeable = False
    return found
