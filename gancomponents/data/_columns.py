"""Columns of strings without an object for each."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "ColumnBuilder"]


class Column(Sequence[str | None]):
    """Strings or None: one run of UTF-8 bytes, and where each string ends in it.

    A row costs its bytes and eight more; a list of ``str`` costs fifty more than that, and every process that
    touches it gets its own copy (reference counts are writes).

    >>> column = Column.of(["a.png", None, "å.png"])
    >>> list(column), column.nbytes
    (['a.png', None, 'å.png'], 43)
    """

    def __init__(self, text: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]):
        self._text, self._offsets = text, offsets

    @classmethod
    def of(cls, strings: Iterable[str | None]) -> "Column":
        """A column of these strings; an empty one cannot be told from None."""
        builder = ColumnBuilder()
        for string in strings:
            builder.append(string)
        return builder.build()

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[str | None]: ...
    def __getitem__(self, index: int | slice) -> str | list[str | None] | None:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        start, stop = self._offsets[index : index + 2].tolist()
        return self._text[start:stop].tobytes().decode("utf-8", "surrogatepass") if stop > start else None

    def __iter__(self) -> Iterator[str | None]:
        return (self[index] for index in range(len(self)))

    @property
    def nbytes(self) -> int:
        """Memory of the column."""
        return self._text.nbytes + self._offsets.nbytes

    def present(self) -> npt.NDArray[np.bool_]:
        """Whether each row holds a string. Shape: returns (rows,) bool."""
        return self._offsets[1:] > self._offsets[:-1]

    def packed(self, rows: npt.NDArray[np.int64]) -> bytes:
        """Lengths and text of these rows: of other strings, or in another order, these are other bytes.

        >>> Column.of(["a", "bc"]).packed(np.array([1, 0]))[16:]
        b'bca'
        """
        starts = self._offsets[rows]
        lengths = self._offsets[rows + 1] - starts
        ends = lengths.cumsum()
        places = np.arange(lengths.sum()) + np.repeat(starts - ends + lengths, lengths)
        return lengths.astype("<i8").tobytes() + self._text[places].tobytes()


class ColumnBuilder:
    """A column that grows at its end."""

    def __init__(self) -> None:
        self._text, self._offsets = bytearray(), array("q", [0])

    def append(self, string: str | None) -> None:
        """Add one row."""
        if string is not None:
            # File names may hold half a surrogate pair: what the operating system could not decode.
            self._text += string.encode("utf-8", "surrogatepass")
        self._offsets.append(len(self._text))

    def build(self) -> Column:
        """The column, which takes over the memory."""
        return Column(np.frombuffer(self._text, np.uint8), np.frombuffer(self._offsets, np.int64))
