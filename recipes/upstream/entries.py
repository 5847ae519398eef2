"""The shapes of a state dict's entries, asked by key; what is missing is told by its whole name."""

import re
from collections.abc import Iterator, Mapping

from gancomponents.errors import InputError

Shape = tuple[int, ...]


class Entries:
    """Shapes by key, those under a prefix.

    Args:
        shapes: of every entry, by whole key.
        prefix: what the keys asked for are under, such as "decoders.m.".

    >>> entries = Entries({"a.conv.weight": (4, 3, 1, 1), "a.b.0.bias": (4,), "a.b.1.bias": (4,)}, "a.")
    >>> entries.conv("conv"), entries.count("b"), entries.has("c")
    ((4, 3, 1, 1), 2, False)
    """

    def __init__(self, shapes: Mapping[str, Shape], prefix: str = ""):
        self._shapes, self.prefix = shapes, prefix

    def __contains__(self, key: str) -> bool:
        return self.prefix + key in self._shapes

    def __iter__(self) -> Iterator[str]:
        return (key.removeprefix(self.prefix) for key in self._shapes if key.startswith(self.prefix))

    def under(self, name: str) -> "Entries":
        """The entries further down."""
        return Entries(self._shapes, f"{self.prefix}{name}.")

    def has(self, path: str) -> bool:
        """Whether there is any entry of, or below, ``path``."""
        return any(key == path or key.startswith(f"{path}.") for key in self)

    def shape(self, key: str) -> Shape:
        """The shape of an entry.

        Raises:
            InputError: when there is none.
        """
        if key not in self:
            fix = "check that this is a ClimateGAN checkpoint, whole and of no changed architecture"
            raise InputError(f"{self.prefix}{key}", expected="an entry in the file", got="none", fix=fix)
        return self._shapes[self.prefix + key]

    def conv(self, path: str) -> Shape:
        """The shape (out, in, height, width) of a convolution's weight, spectrally normalised or not.

        Raises:
            InputError: when there is none, or it is no convolution's.
        """
        key = f"{path}.module.weight_bar" if self.is_spectral(path) else f"{path}.weight"
        shape = self.shape(key)
        if len(shape) != 4:
            fix = "check that this is a ClimateGAN checkpoint"
            raise InputError(f"{self.prefix}{key}", expected="four dimensions", got=str(list(shape)), fix=fix)
        return shape

    def is_spectral(self, path: str) -> bool:
        """Whether the convolution at ``path`` is spectrally normalised."""
        return f"{path}.module.weight_bar" in self

    def count(self, path: str) -> int:
        """How many children ``path`` has that are named by numbers."""
        return len(self.numbers(path))

    def numbers(self, path: str) -> list[int]:
        """The numbers that children of ``path`` are named by, ascending."""
        pattern = re.compile(rf"{re.escape(path)}\.?(\d+)\." if path else r"(\d+)\.")
        return sorted({int(found[1]) for key in self if (found := pattern.match(key))})
