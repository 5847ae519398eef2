"""Data: lists of files in, batches of several domains out.

Names are imported when first used, so that ``labels`` and ``depth`` cost neither torch nor OpenCV.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gancomponents.data.dataset import DOMAINS, DomainDataset
    from gancomponents.data.depth import (
        decode_kitti_depth,
        decode_simulator_depth,
        encode_simulator_depth,
        inverse_depth,
    )
    from gancomponents.data.images import image_size, read_array, read_image, read_mask, write_image
    from gancomponents.data.kitti import read_kitti
    from gancomponents.data.labels import (
        COLOURS,
        KITTI_COLOURS,
        KITTI_TO_COMMON,
        LABELS,
        decode_labels,
        encode_colours,
    )
    from gancomponents.data.lists import FileList, read_list
    from gancomponents.data.loader import DomainLoader
    from gancomponents.data.mixing import (
        CycleToLongest,
        DomainSize,
        Mixing,
        Schedule,
        ShuffledDomains,
        StopAtShortest,
        TemperatureMixing,
        Turn,
        WeightedMixing,
    )
    from gancomponents.data.permutation import Permutation
    from gancomponents.data.sampler import DomainSampler, Draw
    from gancomponents.data.transforms import JointTransform

_HOMES = {
    "dataset": ("DOMAINS", "DomainDataset"),
    "depth": ("decode_kitti_depth", "decode_simulator_depth", "encode_simulator_depth", "inverse_depth"),
    "images": ("image_size", "read_array", "read_image", "read_mask", "write_image"),
    "kitti": ("read_kitti",),
    "labels": ("COLOURS", "KITTI_COLOURS", "KITTI_TO_COMMON", "LABELS", "decode_labels", "encode_colours"),
    "lists": ("FileList", "read_list"),
    "loader": ("DomainLoader",),
    "mixing": (
        "CycleToLongest",
        "DomainSize",
        "Mixing",
        "Schedule",
        "ShuffledDomains",
        "StopAtShortest",
        "TemperatureMixing",
        "Turn",
        "WeightedMixing",
    ),
    "permutation": ("Permutation",),
    "sampler": ("DomainSampler", "Draw"),
    "transforms": ("JointTransform",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "COLOURS",
    "DOMAINS",
    "KITTI_COLOURS",
    "KITTI_TO_COMMON",
    "LABELS",
    "CycleToLongest",
    "DomainDataset",
    "DomainLoader",
    "DomainSampler",
    "DomainSize",
    "Draw",
    "FileList",
    "JointTransform",
    "Mixing",
    "Permutation",
    "Schedule",
    "ShuffledDomains",
    "StopAtShortest",
    "TemperatureMixing",
    "Turn",
    "WeightedMixing",
    "decode_kitti_depth",
    "decode_labels",
    "decode_simulator_depth",
    "encode_colours",
    "encode_simulator_depth",
    "image_size",
    "inverse_depth",
    "read_array",
    "read_image",
    "read_kitti",
    "read_list",
    "read_mask",
    "write_image",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
