"""Weights & Biases."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gancomponents.errors import InputError


class WandB:
    """Record a run with Weights & Biases. It never asks for anything: without an account it records offline.

    Args:
        project: the project's name.
        mode: ``"online"``, ``"offline"`` or ``"disabled"``; None: what WANDB_MODE says, else online where an
            API key is found (WANDB_API_KEY or a login) and offline where none is.
    """

    def __init__(self, project: str = "gancomponents", *, mode: str | None = None):
        if mode not in (None, "online", "offline", "disabled"):
            fix = "bind one of these"
            raise InputError("WandB.mode", expected="online, offline or disabled", got=repr(mode), fix=fix)
        self.project, self.mode = project, mode
        self._run: Any = None

    def start(self, name: str, folder: Path, config: str) -> None:
        import wandb

        mode: Any = self.mode or os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")
        self._run = wandb.init(
            project=self.project,
            name=folder.name,
            dir=str(folder),
            mode=mode,
            config={"recipe": name, "gin": config},
        )

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        self._run.log(dict(scalars), step=step)

    def image(self, step: int, name: str, path: Path) -> None:
        import wandb

        self._run.log({name: wandb.Image(str(path))}, step=step)

    def finish(self) -> None:
        if self._run is not None:
            self._run.finish()


def _has_key() -> bool:
    import netrc

    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
