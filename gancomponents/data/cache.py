"""Decoded samples on disk, so that a file is decoded in the first epoch alone."""

import hashlib
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from torch import Tensor

from gancomponents.errors import check_whole, unwritable

__all__ = ["SampleCache"]

_LOCK = "total"
_SUFFIX = ".safetensors"


class SampleCache:
    """Decoded samples in a folder, for later epochs and runs; for ``DomainDataset(cache=...)``.

    An entry is one .safetensors file: what a sample's files hold, decoded, mirrored or not, and resized as far as
    no other chance is involved. It is found again by paths and settings, and not used once a file's size or time of
    change differs; the new one takes its place. Entries are mapped into memory, where processes share them.

    Any number of threads, processes and runs may share a folder: entries appear whole or not at all. Nothing is
    removed; where ``limit`` is reached nothing more is kept, which serves epochs better than replacing entries that
    the next one needs. Empty the folder when settings or files have changed for good.

    Args:
        folder: on a disk faster than decoding, or in /dev/shm to keep samples in memory.
        limit: bytes that the entries take at most, whoever writes them.

    Raises:
        InputError: a folder that cannot be written.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = SampleCache(folder, limit=1000)
    ...     cache.put("a.png", "1", {"x": torch.arange(3)})
    ...     cache.get("a.png", "1"), cache.get("a.png", "2")
    ({'x': tensor([0, 1, 2])}, None)
    """

    def __init__(self, folder: str | os.PathLike[str], *, limit: int = 64 << 30):
        check_whole("limit", limit, minimum=1)
        self.folder, self.limit = Path(folder), limit
        self._counted: int | None = None  # the process that has counted what is there
        self._full = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / _LOCK, "ab"):
                pass
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def get(self, key: str, stamp: str) -> dict[str, Tensor] | None:
        """The tensors kept under a key, mapped and not to be written to; None where there are none of this stamp.

        Args:
            key: says what they are of.
            stamp: says of which state of the files.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path(key), framework="pt") as entry:
                if entry.metadata() != {"key": key, "stamp": stamp}:
                    return None
                return {name: entry.get_tensor(name) for name in entry.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return None  # not there, or damaged: it is read and written again

    def put(self, key: str, stamp: str, tensors: Mapping[str, Tensor]) -> None:
        """Keep tensors, in place of what the key had; nothing where that would exceed the limit.

        Args:
            key, stamp: as for `get`.
            tensors: contiguous.

        Raises:
            InputError: a folder that cannot be written any more.
        """
        if self._full:
            return
        from safetensors.torch import save

        path, data = self._path(key), save(dict(tensors), {"key": key, "stamp": stamp})
        try:
            with self._alone() as total:
                used = self._used(total)
                with suppress(FileNotFoundError):
                    used -= path.stat().st_size
                if used + len(data) > self.limit:
                    self._full = True
                else:
                    _write(path, data)
                    _store(total, used + len(data))
        except OSError as error:
            raise unwritable(path, error) from error
        if self._full:
            warnings.warn(
                f"{self.folder} holds {used} of {self.limit} bytes: further samples are decoded each time; raise "
                "the limit, or empty the folder if it holds samples of other settings",
                stacklevel=2,
            )

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        return self.folder / name[:2] / (name + _SUFFIX)

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """The opened file of the total, while no other thread or process writes."""
        with _THREADS, open(self.folder / _LOCK, "r+b", buffering=0) as file:
            with suppress(
                OSError, ImportError
            ):  # Windows and some network filesystems: the limit is not exact
                import fcntl

                fcntl.lockf(file, fcntl.LOCK_EX)
            yield file.fileno()

    def _used(self, total: int) -> int:
        """Bytes of all entries: as written down, or counted by every process once, should anybody have died."""
        written = os.pread(total, 20, 0)
        if self._counted == os.getpid() and written.isdigit():
            return int(written)
        self._counted, used = os.getpid(), 0
        for path in self.folder.glob("*/*"):
            if path.name.startswith("."):
                path.unlink(missing_ok=True)  # whoever wrote it has died: we are alone
            elif path.suffix == _SUFFIX:
                used += path.stat().st_size
        return used


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(partial, "xb") as file:
            file.write(data)
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _store(total: int, used: int) -> None:
    os.ftruncate(total, 0)
    os.pwrite(total, str(used).encode(), 0)


# Record locks are a process's. A child may be forked while another thread has this one.
_THREADS = threading.Lock()


def _renew() -> None:
    global _THREADS
    _THREADS = threading.Lock()


os.register_at_fork(after_in_child=_renew)
