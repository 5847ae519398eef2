"""Shuffled orders that are computed, not stored (numpy only)."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Permutation"]

Indices = npt.NDArray[np.int64]

_STORED = 1 << 16  # below this an order is half a megabyte at most, and every order is equally likely
_ROUNDS = 10


class Permutation:
    """A shuffled order of ``range(length)`` that costs the same memory at any length.

    Up to 65536 the order is drawn by numpy, uniformly from all orders. A longer one is a Feistel network over
    a rectangle just larger than ``length`` (Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains":
    their generalised Feistel, made smaller by cycle walking), with ten rounds of SplitMix64 hashes in place of
    a block cipher: a look-up is O(1), and not a secret.

    Args:
        length: how many numbers to shuffle.
        entropy: whole numbers >= 0 that the order derives from, such as ``[seed, epoch]``.

    Raises:
        ValueError: a negative length or entropy.

    >>> order = Permutation(10**12, [0, 7])
    >>> places = np.arange(4)
    >>> len(set(order[places].tolist())), bool((order[places] < 10**12).all())
    (4, True)
    >>> sorted(Permutation(5, [0])[np.arange(5)].tolist())
    [0, 1, 2, 3, 4]
    """

    def __init__(self, length: int, entropy: Sequence[int]):
        if length < 0 or any(number < 0 for number in entropy):
            got = f"length {length}, entropy {list(entropy)}"
            raise ValueError(f"length and entropy must be >= 0, got {got}: give whole numbers")
        self.length = length
        self._look_up: Callable[[Indices], Indices] = (
            np.random.default_rng(entropy).permutation(length).__getitem__
            if length <= _STORED
            else Feistel(length, entropy)
        )

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, places: Indices) -> Indices:
        """The numbers at places of the order.

        Shape: places (...) int64 in 0..length - 1; returns (...) int64.

        Raises:
            IndexError: a place outside the order.
        """
        places = np.asarray(places)
        if places.size and not 0 <= int(places.min()) <= int(places.max()) < self.length:
            raise IndexError(f"places must be in 0..{self.length - 1}, got {places.min()}..{places.max()}")
        return self._look_up(places.reshape(-1)).reshape(places.shape)


class Feistel:
    """The look-up of a long `Permutation`; right for every length >= 1, random enough for long ones alone."""

    def __init__(self, length: int, entropy: Sequence[int]):
        # A cell of the rectangle is left + sides[0] * right. Its area exceeds length by less than one side, so
        # that a walk of more than one step is rare.
        left = math.isqrt(length - 1) + 1
        self.length, self.sides = length, (left, -(-length // left))
        self.keys = np.random.SeedSequence(entropy).generate_state(_ROUNDS, np.uint64)

    def __call__(self, places: Indices) -> Indices:
        numbers = self._encipher(places)
        while (outside := numbers >= self.length).any():  # walk on until every number is inside
            numbers[outside] = self._encipher(numbers[outside])
        return numbers

    def _encipher(self, cells: Indices) -> Indices:
        right, left = np.divmod(cells, self.sides[0])
        for start in range(0, _ROUNDS, 2):
            left = (left + _hash(right, self.keys[start]) % self.sides[0]) % self.sides[0]
            right = (right + _hash(left, self.keys[start + 1]) % self.sides[1]) % self.sides[1]
        return left + self.sides[0] * right


def _hash(numbers: Indices, key: np.uint64) -> Indices:
    """SplitMix64's finaliser (Steele et al. 2014) of numbers and key, 62 bits."""
    z = numbers.astype(np.uint64) ^ key
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(2)).astype(np.int64)
