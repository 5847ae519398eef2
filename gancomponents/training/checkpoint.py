"""Checkpoints: a nested state as safetensors and JSON, written atomically, never unpickled.

A checkpoint is a folder ``step_00000600/`` of two files:

- ``training.safetensors``: every tensor of the state, its path in the nested dicts as its name.
- ``state.json``: everything else in the same shape, with the digest of the tensors; written last, so a folder
  without it, or whose digest differs, is no checkpoint.

Beside them lie sets of weights to infer with (never look-ahead ones), a file each: ``model.safetensors``, and
whatever else `save` is given, such as ``averaged.safetensors`` and ``critics.safetensors``.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gancomponents.errors import InputError

_TENSOR, _ITEMS = "__tensor__", "__items__"
_STATE, _TRAINING = "state.json", "training"
_SUFFIX = ".safetensors"
_FORMAT = 1


def save(
    folder: Path,
    step: int,
    state: Mapping[str, Any],
    weights: Mapping[str, Mapping[str, Tensor]],
    keep: int,
    *,
    stays: Callable[[int], bool] = lambda step: False,
) -> Path:
    """Write a checkpoint under ``folder`` atomically and drop all but the newest ``keep``, and those that stay.

    Args:
        folder: the run's checkpoint folder.
        step: the number of finished steps; names the checkpoint.
        state: nested dicts and lists of tensors and JSON values.
        weights: sets of weights for inference, by name: "model", and others such as "critics".
        keep: how many checkpoints to leave there, this one included.
        stays: which steps' checkpoints stay for good; they are not counted by ``keep``.

    Returns:
        The checkpoint's folder.

    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> path = save(home, 3, {"rate": 0.1, "w": torch.ones(2)}, {"model": {"w": torch.ones(2)}}, keep=1)
    >>> path.name, newest(home) == path, load(path)["w"], weights_in(path)
    ('step_00000003', True, tensor([1., 1.]), ['model'])
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step_{step:08d}"
    partial = folder / f".{target.name}.{os.getpid()}.partial"
    for leftover in folder.glob(".step_*.partial"):  # of saves that were killed
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    tensors: dict[str, Tensor] = {}
    plain = _flatten(state, "", tensors)
    for name, values in {_TRAINING: tensors, **weights}.items():
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in values.items()},
            partial / f"{name}{_SUFFIX}",
        )
    digests = {path.name: _digest(path) for path in sorted(partial.iterdir())}
    record = {"format": _FORMAT, "step": step, "digests": digests, "state": plain}
    (partial / _STATE).write_text(json.dumps(record))
    _sync(partial)
    if target.exists():
        shutil.rmtree(target)
    os.replace(partial, target)
    _sync_folder(folder)
    others = [path for path in _candidates(folder) if path != target and not stays(_step_in(path))]
    for old in others[keep if stays(step) else keep - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint's state.

    Raises:
        InputError: when it is no checkpoint, or damaged.
    """
    from safetensors.torch import load_file

    record = _record(path)
    return _unflatten(record["state"], load_file(path / f"{_TRAINING}{_SUFFIX}"))


def weights_in(path: Path) -> list[str]:
    """The names of the sets of weights in a checkpoint.

    Raises:
        InputError: when it is no checkpoint, or damaged.
    """
    files = (Path(name) for name in _record(path)["digests"])
    return sorted(file.stem for file in files if file.stem != _TRAINING)


def load_weights(path: Path, name: str = "model") -> dict[str, Tensor]:
    """Read a set of weights of a checkpoint.

    Raises:
        InputError: when it is no checkpoint, or damaged, or has no such weights.
    """
    from safetensors.torch import load_file

    known = weights_in(path)
    if name not in known:
        fix = f"choose among {', '.join(known)}"
        raise InputError(str(path), expected=f"a checkpoint with {name} weights", got="none", fix=fix)
    return load_file(path / f"{name}{_SUFFIX}")


def step_of(path: Path) -> int:
    """The number of finished steps of a checkpoint.

    Raises:
        InputError: when it is no checkpoint, or damaged.
    """
    return int(_record(path)["step"])


def newest(folder: Path) -> Path | None:
    """The newest checkpoint under ``folder`` that is whole, or None. Leftovers of a killed save are passed over."""
    return next((path for path in _candidates(folder) if is_whole(path)), None)


def later_than(folder: Path, step: int) -> list[Path]:
    """The checkpoints under ``folder``, whole or not, of steps after ``step``: not those of a run resumed there.

    >>> later_than(Path("nowhere"), 3)
    []
    """
    return [path for path in _candidates(folder) if _step_in(path) > step]


def is_whole(path: Path) -> bool:
    """Whether ``path`` is a checkpoint, complete and undamaged."""
    try:
        _record(path)
    except InputError:
        return False
    return True


def _candidates(folder: Path) -> list[Path]:
    named = (p for p in folder.glob("step_*") if p.name.removeprefix("step_").isdecimal() and p.is_dir())
    return sorted(named, key=_step_in, reverse=True)


def _step_in(path: Path) -> int:
    return int(path.name.removeprefix("step_"))


def _record(path: Path) -> dict[str, Any]:
    fix = "pass a folder such as RUN/checkpoints/step_00000600"
    if not (path / _STATE).is_file():
        raise InputError(str(path), expected="a checkpoint folder", got=f"no {_STATE} in it", fix=fix)
    try:
        record = json.loads((path / _STATE).read_text())
        whole = record["format"] == _FORMAT and "state" in record and "step" in record
        whole = whole and all(_digest(path / name) == value for name, value in record["digests"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        fix = "use an earlier checkpoint, or --resume auto, which takes the newest whole one"
        raise InputError(str(path), expected="a whole checkpoint", got="a damaged one", fix=fix)
    return record


def _flatten(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        # A copy of its own: safetensors refuses tensors that share memory.
        tensors[path] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {_TENSOR: path}
    if isinstance(value, Mapping):
        items = [
            [key, _flatten(item, f"{path}/{key}" if path else str(key), tensors)]
            for key, item in value.items()
        ]
        # Optimisers key their state by integers, which JSON objects cannot: pairs keep the keys as they are.
        return {_ITEMS: items}
    if isinstance(value, (list, tuple)):
        return [_flatten(item, f"{path}/{i}" if path else str(i), tensors) for i, item in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint holds tensors and JSON values, got {type(value).__name__} at {path!r}")


def _unflatten(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unflatten(item, tensors) for item in value]
    if isinstance(value, dict) and _TENSOR in value:
        return tensors[value[_TENSOR]]
    if isinstance(value, dict):
        return {key: _unflatten(item, tensors) for key, item in value[_ITEMS]}
    return value


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
