"""Pretrained weights from a file on disk."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from gancomponents._tensors import read_safetensors, read_torch_file

Module = TypeVar("Module", bound=nn.Module)
_NESTS = ("state_dict", "model", "model_state_dict")


def load_weights(
    module: Module,
    path: str | Path,
    *,
    rename: Callable[[str], str | None] | None = None,
    keep: Collection[str] = (),
) -> Module:
    """Fill ``module`` from a ``.safetensors`` or torch file; returns it.

    A file with the module's own keys is loaded as it is. Otherwise its keys are renamed, by ``rename`` or as
    the module's own ``published_key`` says: the encoders of this package know the files that they are
    published in, a whole segmentation network with the encoder behind a prefix. Torch files are read as
    weights only, so nothing in them is run. Everything the module has must be in the file, with its shape;
    upstream leaves what it does not find as it was drawn, without a word. Nor may anything be left over,
    counters of batch norm apart, unless renaming leaves it out.

    Args:
        module: the network to fill, in place.
        path: of the file; a mapping of tensors, or one inside "state_dict" or "model".
        rename: the module's key from the file's, or None to leave an entry out.
        keep: beginnings of keys that may be missing from the file and then stay as they are.

    Raises:
        FileNotFoundError: no file there.
        ValueError: the file holds no tensors by name, or the module has an entry that is not in it, or of
            another shape, or the file more than the module.

    >>> import os, tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = os.path.join(folder, "linear.pth")
    ...     torch.save({"backbone.weight": torch.ones(1, 2), "head.bias": torch.ones(3)}, file)
    ...     named = lambda key: key.removeprefix("backbone.") if key.startswith("backbone.") else None
    ...     load_weights(nn.Linear(2, 1, bias=False), file, rename=named).weight.tolist()
    [[1.0, 1.0]]
    """
    found = _read(Path(path))
    expected = module.state_dict()
    if rename is None and not _learned(expected) <= set(found):
        rename = getattr(module, "published_key", None)
    if rename is not None:
        named = ((rename(key), value) for key, value in found.items())
        found = {key: value for key, value in named if key is not None}
    missing = sorted(key for key in _learned(expected) - set(found) if not key.startswith(tuple(keep)))
    if missing:
        raise ValueError(
            f"path must hold every entry of {type(module).__name__}, got a file without {missing[:3]} "
            f"({len(missing)} of {len(expected)}): pass rename to map its keys, or keep for what may be missing"
        )
    left = sorted(_learned(found) - set(expected))
    if left:
        raise ValueError(
            f"path must hold nothing else than {type(module).__name__}, got {left[:3]} too ({len(left)} entries): "
            "build the module of the file's sizes, or pass rename and give None for what to leave out"
        )
    found = {key: value for key, value in found.items() if key in expected}
    for key, value in found.items():
        if value.shape != expected[key].shape:
            raise ValueError(
                f"path must hold {key} of shape {tuple(expected[key].shape)}, got {tuple(value.shape)}: "
                "build the module with the sizes of the file"
            )
    module.load_state_dict(found, strict=False)
    return module


def _learned(state: Mapping[str, Tensor]) -> set[str]:
    """All keys but the counters of batch norm, which older files lack and nothing reads."""
    return {key for key in state if not key.endswith("num_batches_tracked")}


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"path must be a file of weights, got {str(path)!r}: download it first")
    value: Any = read_safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)
    for name in _NESTS:
        if isinstance(value, Mapping) and isinstance(value.get(name), Mapping):
            value = value[name]
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) and isinstance(entry, Tensor) for key, entry in value.items()
    ):
        raise ValueError(
            f"path must hold tensors by name, got {type(value).__name__} in {path.name}: save a state dict"
        )
    return dict(value)
