"""Folders that appear whole or not at all, whenever the process or the machine dies."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What an old folder is called while a new one takes its place.
REPLACED = ".replaced"


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """A new folder to fill, which takes ``target``'s name when the block ends well and is gone when it does not.

    Where there is a ``target``, it is called ``target.replaced`` until the new one is in place, so that at every
    instant one of them is there.
    """
    for leftover in target.parent.glob(".step_*.partial"):  # of saves that were killed
        shutil.rmtree(leftover, ignore_errors=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        for file in partial.iterdir():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        _sync(partial)
        replaced = target.with_name(target.name + REPLACED)
        if target.exists():
            drop(replaced)  # the new one was in place when its save was killed
            os.rename(target, replaced)
        os.rename(partial, target)
        _sync(target.parent)
        drop(replaced)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def drop(folder: Path) -> None:
    """Delete a folder, which is out of the way at once: a kill leaves no half of it under its name."""
    if not folder.exists():
        return
    going = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        os.rename(folder, going)
    except OSError:  # a full disk or a foreign folder: it stays
        return
    shutil.rmtree(going, ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
