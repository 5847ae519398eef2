"""Checkpoints: a nested state as safetensors and JSON, written atomically, never unpickled.

A checkpoint is a folder ``step_00000600/`` of two files:

- ``training.safetensors``: every tensor of the state, its path in the nested dicts as its name.
- ``state.json``: everything else in the same shape, with the digest of every file, itself included; written last,
  so a folder without it, or where a digest differs, is no checkpoint.

Beside them lie sets of weights to infer with (never look-ahead ones), a file each: ``model.safetensors``, and
whatever else `save` is given, such as ``averaged.safetensors`` and ``critics.safetensors``.

While a checkpoint is saved over one of the same step, the old one is ``step_00000600.replaced/``. A checkpoint may
come from anybody: nothing in it is run, and no file outside its folder is opened.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gancomponents._tensors import read_safetensors
from gancomponents.errors import InputError, check_whole, unwritable
from gancomponents.training._folders import REPLACED, appearing, drop
from gancomponents.training._nested import flatten, unflatten

_STATE, _TRAINING = "state.json", "training"
_SUFFIX = ".safetensors"
_FORMAT = 1
_LARGEST = 2**63 - 1
_NAME = re.compile(rf"step_[0-9]+({re.escape(REPLACED)})?")
#: What reading a file that may hold anything raises.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


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

    Whatever happens meanwhile, the checkpoints that were there before are left whole.

    Args:
        folder: the run's checkpoint folder.
        step: the number of finished steps; names the checkpoint.
        state: nested dicts and lists of tensors and JSON values.
        weights: sets of weights for inference, by name: "model", and others such as "critics".
        keep: how many checkpoints to leave there, this one included.
        stays: which steps' checkpoints stay for good; they are not counted by ``keep``.

    Returns:
        The checkpoint's folder.

    Raises:
        InputError: where it cannot be written, such as on a full disk; it names the last whole checkpoint.

    >>> import tempfile, torch
    >>> home = Path(tempfile.mkdtemp())
    >>> path = save(home, 3, {"rate": 0.1, "w": torch.ones(2)}, {"model": {"w": torch.ones(2)}}, keep=1)
    >>> path.name, newest(home) == path, load(path)["w"], weights_in(path)
    ('step_00000003', True, tensor([1., 1.]), ['model'])
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    target = writing = folder / f"step_{step:08d}"
    tensors: dict[str, Tensor] = {}
    plain = flatten(state, "", tensors)
    try:
        with appearing(target) as partial:
            for name, values in {_TRAINING: tensors, **weights}.items():
                writing = target / f"{name}{_SUFFIX}"
                whole = {key: value.detach().cpu().contiguous() for key, value in values.items()}
                save_file(whole, partial / writing.name)
            writing = target / _STATE
            digests = {path.name: _digest(path) for path in sorted(partial.iterdir())}
            record = {"format": _FORMAT, "step": step, "digests": digests, "state": plain}
            (partial / _STATE).write_text(json.dumps({**record, "digest": _digest_of(record)}))
    except (OSError, SafetensorError) as error:
        found, last = unwritable(writing, error), newest(folder)
        fix = f"{found.fix}; " + ("no checkpoint is there yet" if last is None else f"{last} is whole")
        raise InputError(found.what, expected=found.expected, got=found.got, fix=fix) from error
    _drop_old(folder, target, keep, stays)
    return target


def _drop_old(folder: Path, target: Path, keep: int, stays: Callable[[int], bool]) -> None:
    """Drop what is older than the newest ``keep``: what is damaged is not counted, but goes with the others."""
    seen = {_step_in(target)}
    left = keep if stays(_step_in(target)) else keep - 1
    for path in (path for path in _candidates(folder) if path != target):
        step = _step_in(path)
        if step not in seen and stays(step):
            seen.add(step)
        elif step in seen or left == 0:
            drop(path)
        elif _looks_whole(path):
            left -= 1
            seen.add(step)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint's state.

    Raises:
        InputError: when it is no checkpoint, or damaged.
    """
    return unflatten(_record(path)["state"], _tensors(path, _TRAINING))


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
    known = weights_in(path)
    if name not in known:
        fix = f"choose among {', '.join(known)}"
        raise InputError(str(path), expected=f"a checkpoint with {name} weights", got="none", fix=fix)
    return _tensors(path, name)


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
    """What is named as a checkpoint, newest first, and of two of one step the one that was replaced last."""
    named = [path for path in folder.glob("step_*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(named, key=lambda path: (-_step_in(path), path.name))


def _step_in(path: Path) -> int:
    return int(path.name.removeprefix("step_").removesuffix(REPLACED))


def _looks_whole(path: Path) -> bool:
    """Whether all files are there, their contents not looked at: cheap enough for every save."""
    try:
        _parsed(path)
    except _DAMAGE:
        return False
    return True


def _tensors(path: Path, name: str) -> dict[str, Tensor]:
    try:
        return read_safetensors(path / f"{name}{_SUFFIX}")
    except (ValueError, OSError):  # of the right digest, which anybody may write
        raise _damaged(path) from None


def _damaged(path: Path) -> InputError:
    fix = "use an earlier checkpoint, or --resume auto, which takes the newest whole one"
    return InputError(str(path), expected="a whole checkpoint", got="a damaged one", fix=fix)


def _record(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    fix = "pass a folder such as RUN/checkpoints/step_00000600"
    if not (path / _STATE).is_file():
        raise InputError(str(path), expected="a checkpoint folder", got=f"no {_STATE} in it", fix=fix)
    try:
        record = _parsed(path)
        whole = all(_digest(path / name) == value for name, value in record["digests"].items())
        with safe_open(path / f"{_TRAINING}{_SUFFIX}", "pt") as tensors:
            state = unflatten(record["state"], dict.fromkeys(tensors.keys()))
        whole = whole and isinstance(state, dict)
    except (*_DAMAGE, SafetensorError):
        whole = False
    if not whole:
        raise _damaged(path)
    return record


def _parsed(path: Path) -> dict[str, Any]:
    """What ``state.json`` says; as it may be anything, an error of `_DAMAGE` where it is not right."""
    _check_inside(path, _STATE)
    record = json.loads((path / _STATE).read_text())
    digests, own = record["digests"], record.pop("digest", None)  # early checkpoints have none of their own
    if own is not None and own != _digest_of(record):
        raise ValueError("not what was written")
    if record["format"] != _FORMAT or "state" not in record or f"{_TRAINING}{_SUFFIX}" not in digests:
        raise ValueError("not of this format")
    check_whole("step", record["step"], minimum=0, maximum=_LARGEST)
    for name in digests:
        if not name.endswith(_SUFFIX):
            raise ValueError("not a file of tensors")
        _check_inside(path, name)
    return record


def _check_inside(folder: Path, name: str) -> None:
    """Raise a ValueError unless a name is that of a file in this folder itself, links followed."""
    file = folder / name
    if Path(name).name != name or not file.is_file() or file.resolve().parent != folder.resolve():
        raise ValueError("not a file in this folder")


def _digest_of(record: Mapping[str, Any]) -> str:
    """Of what is read, too: JSON comes back as it was written."""
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
