"""Reading upstream's checkpoint files: tensors and numbers only, nothing in them is ever run."""

import reprlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gancomponents._tensors import read_torch_file
from gancomponents.errors import InputError
from recipes.upstream.entries import Shape

_LATEST = Path("checkpoints") / "latest_ckpt.pth"
_FIX = "pass a checkpoint that ClimateGAN's trainer wrote, such as OUTPUT/checkpoints/latest_ckpt.pth"

State = dict[str, Tensor]


@dataclass(frozen=True)
class Upstream:
    """What one or two checkpoint files of upstream's hold.

    Attributes:
        paths: the files.
        step: finished steps.
        epoch: the epoch they were written in.
        generator: G, entries by key.
        discriminator: D; empty where there is none.
        ignored: what else the files hold, such as "g_opt".
        replaced: keys of the first file that those of the second replace.
    """

    paths: tuple[Path, ...]
    step: int
    epoch: int
    generator: State
    discriminator: State
    ignored: tuple[str, ...]
    replaced: tuple[str, ...] = ()

    def shapes(self) -> tuple[dict[str, Shape], dict[str, Shape]]:
        """Shapes of G's and D's entries by key."""
        generator, discriminator = (
            {key: tuple(value.shape) for key, value in state.items()}
            for state in (self.generator, self.discriminator)
        )
        return generator, discriminator


def read(paths: Sequence[Path]) -> Upstream:
    """Read a checkpoint, or a masker's and a painter's together.

    Args:
        paths: one or two files, or folders with ``checkpoints/latest_ckpt.pth`` in them. What both have is taken
            from the second, whole parts at a time.

    Raises:
        InputError: for a file that is missing, broken, no checkpoint of upstream's, or holds anything but
            tensors and plain values.
    """
    first, *others = [_read(_located(path)) for path in paths]
    for other in others:
        first = _merged(first, other)
    return first


def _located(path: Path) -> Path:
    if path.suffix == ".safetensors":
        got, fix = (
            "a .safetensors file, as this project writes",
            "use it as it is: recipes.run --resume PATH",
        )
        raise InputError(str(path), expected="a checkpoint of upstream's", got=got, fix=fix)
    found = path / _LATEST if path.is_dir() else path
    if not found.is_file():
        raise InputError(str(found), expected="a checkpoint file", got="no such file", fix="check the path")
    return found


def _read(path: Path) -> Upstream:
    content = _load(path)
    if not isinstance(content, Mapping) or "G" not in content:
        got = f"a {type(content).__name__}"
        if isinstance(content, Mapping):
            got = f"keys {reprlib.repr(list(content))}" if content else "no keys"
        raise InputError(str(path), expected="a dict with G, epoch and step", got=got, fix=_FIX)
    return Upstream(
        (path,),
        _number(path, content, "step"),
        _number(path, content, "epoch"),
        _state(path, content, "G"),
        _state(path, content, "D"),
        tuple(str(key) for key in content if key not in ("G", "D", "step", "epoch")),
    )


def _load(path: Path) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickle protocols: what counts is said below
            return read_torch_file(path)
    except (OSError, ValueError) as error:
        expected = "tensors and plain values"
        raise InputError(str(path), expected=expected, got=str(error), fix=_FIX) from error


def _number(path: Path, content: Mapping[str, Any], name: str) -> int:
    value = content.get(name, 0)
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if not isinstance(value, int | float) or not 0 <= value < 2**53 or value != int(value):
        got = reprlib.repr(value)
        raise InputError(f"{path}: {name}", expected="a whole number >= 0", got=got, fix=_FIX)
    return int(value)


def _state(path: Path, content: Mapping[str, Any], name: str) -> State:
    state = content.get(name)
    state = {} if state is None else state
    if not isinstance(state, Mapping):
        got = f"a {type(state).__name__}"
        raise InputError(f"{path}: {name}", expected="a dict of tensors", got=got, fix=_FIX)
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor) or value.layout != torch.strided:
            got = f"a {type(value).__name__} at {reprlib.repr(key)}"
            raise InputError(f"{path}: {name}", expected="a dict of tensors", got=got, fix=_FIX)
    return dict(state)


def _merged(masker: Upstream, painter: Upstream) -> Upstream:
    generator, replaced = _merge(masker.generator, painter.generator)
    discriminator, replaced_too = _merge(masker.discriminator, painter.discriminator)
    return Upstream(
        masker.paths + painter.paths,
        painter.step,
        painter.epoch,
        generator,
        discriminator,
        tuple(dict.fromkeys(masker.ignored + painter.ignored)),
        replaced + replaced_too,
    )


def _merge(first: State, second: State) -> tuple[State, tuple[str, ...]]:
    # By part, not by key: keys of two painters of different depth would make a third that nobody trained.
    taken = {_part(key) for key in second}
    replaced = tuple(key for key in first if _part(key) in taken)
    kept = {key: value for key, value in first.items() if _part(key) not in taken}
    return {**kept, **second}, replaced


def _part(key: str) -> str:
    """The part of G or D that a key is of: decoders and entropy critics are parts of their own."""
    first, *rest = key.split(".")
    return f"{first}.{rest[0]}" if first == "decoders" and rest else first
