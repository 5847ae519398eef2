"""Where a recipe's lists and images come from."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gancomponents.errors import InputError


class Source(Protocol):
    """Something that knows a folder of lists and images, and makes it when it is asked for; its text names it."""

    def locate(self) -> Path:
        """The folder; whatever takes long (rendering, say) happens here, not before."""

    def training_rows(self, domain: str) -> int | None:
        """How many training frames a domain has, where that is known before the folder is looked at."""


class Folder:
    """A folder of the user's own.

    Args:
        path: the folder that holds the lists; environment variables and ``~`` are expanded.
    """

    def __init__(self, path: str):
        if not isinstance(path, str):
            raise ValueError(f"path must be a folder's name, got {path!r}: quote it")
        self.path = Path(os.path.expandvars(path)).expanduser()

    def __str__(self) -> str:
        return str(self.path)

    def training_rows(self, domain: str) -> int | None:
        return None

    def locate(self) -> Path:
        if not self.path.is_dir():
            fix = "bind data.Folder.path to the folder of your lists"
            raise InputError("data.Folder.path", expected="a folder", got=str(self.path), fix=fix)
        return self.path


class Town:
    """The embedded Town, rendered once into the user's cache folder.

    Args:
        size: height and width of its square frames, pixels.
        count: training frames of each domain, one number or one by domain.
        val_count: held-out frames of each domain.
        seed: of the streets.
    """

    def __init__(
        self, *, size: int = 128, count: int | Mapping[str, int] = 200, val_count: int = 32, seed: int = 0
    ):
        from gancomponents.data.town import check_parameters

        check_parameters(size=size, count=count, val_count=val_count, seed=seed)
        self.size, self.count, self.val_count, self.seed = size, count, val_count, seed

    def __str__(self) -> str:
        return "the Town, rendered once into the user's cache folder"

    def training_rows(self, domain: str) -> int | None:
        if domain not in ("s", "r", "rf"):
            return None  # a list of another place
        return self.count.get(domain, 0) if isinstance(self.count, Mapping) else self.count

    def locate(self) -> Path:
        from gancomponents.data.town import cached_town

        return cached_town(size=self.size, count=self.count, val_count=self.val_count, seed=self.seed)
