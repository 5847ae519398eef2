"""Tensors from files that anybody may have written: nothing in them runs, and none is larger than its file."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["read_safetensors", "read_torch_file"]


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file by name.

    Raises:
        ValueError: a damaged file.
        OSError: one that cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"a damaged .safetensors file ({error})") from error


def read_torch_file(source: Path | io.BytesIO) -> Any:
    """What torch.save wrote, on the CPU: tensors, plain values, and containers of them.

    Raises:
        ValueError: it asks for anything else, which could run code; content that is compressed or repeated, which
            takes more memory than the file; a damaged file.
        OSError: one that cannot be read.

    >>> file = io.BytesIO()
    >>> torch.save({"w": torch.ones(2)}, file)
    >>> read_torch_file(file)["w"]
    tensor([1., 1.])
    >>> file = io.BytesIO()
    >>> torch.save(torch.ones(1).expand(1 << 40), file)
    >>> read_torch_file(file)
    Traceback (most recent call last):
    ValueError: a tensor (1099511627776,) that is larger than its content
    """
    try:
        compressed = _is_compressed(source)
        if isinstance(source, io.BytesIO):
            source.seek(0)
        value = None if compressed else torch.load(source, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch says it in many ways, and advises to run what is in there
        asked = re.search(r"GLOBAL:? (?:GLOBAL )?([\w.]+)", " ".join(str(error).split()))
        told = f"one that asks for {asked[1]}, which could run code" if asked else "a broken or foreign file"
        raise ValueError(told) from error
    if compressed:
        raise ValueError("compressed content, which torch.save does not write")
    for tensor in _tensors(value):
        # Neither a sparse tensor nor one without memory can be asked for its bytes.
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise ValueError(
                f"a tensor on {tensor.device}, {tensor.layout}: only dense ones of a CPU are read"
            )
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError(f"a tensor {tuple(tensor.shape)} that is larger than its content")
    return value


def _is_compressed(source: Path | io.BytesIO) -> bool:
    if not zipfile.is_zipfile(source):
        return False
    with zipfile.ZipFile(source) as archive:
        return any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in a nest, once: a pickle may repeat its parts without end."""
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, (list, tuple, set)):
            waiting += value
