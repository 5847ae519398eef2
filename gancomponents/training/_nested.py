"""A nested state as JSON, its tensors aside."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_TENSOR, _ITEMS = "__tensor__", "__items__"


def flatten(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """A nested value without its tensors, which go into ``tensors`` by their paths."""
    if isinstance(value, Tensor):
        # A copy of its own: safetensors refuses tensors that share memory.
        tensors[path] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {_TENSOR: path}
    if isinstance(value, Mapping):
        items = [
            [key, flatten(item, f"{path}/{key}" if path else str(key), tensors)]
            for key, item in value.items()
        ]
        # Optimisers key their state by integers, which JSON objects cannot: pairs keep the keys as they are.
        return {_ITEMS: items}
    if isinstance(value, (list, tuple)):
        return [flatten(item, f"{path}/{i}" if path else str(i), tensors) for i, item in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint holds tensors and JSON values, got {type(value).__name__} at {path!r}")


def unflatten(value: Any, tensors: Mapping[str, Any]) -> Any:
    """What `flatten` was given. Of anything else come all errors that wrong keys and types raise."""
    if isinstance(value, list):
        return [unflatten(item, tensors) for item in value]
    if isinstance(value, dict) and _TENSOR in value:
        return tensors[value[_TENSOR]]
    if isinstance(value, dict):
        return {key: unflatten(item, tensors) for key, item in value[_ITEMS]}
    return value
