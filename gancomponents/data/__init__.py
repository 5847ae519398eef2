"""Data: lists of files in, batches of several domains out.

Names are imported when first used, so that ``labels`` and ``depth`` cost neither torch nor OpenCV.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gancomponents.data.augment import DiffAugment
    from gancomponents.data.cache import SampleCache
    from gancomponents.data.dataset import DOMAINS, DomainDataset
    from gancomponents.data.depth import (
        DepthTarget,
        decode_kitti_depth,
        decode_simulator_depth,
        encode_simulator_depth,
        inverse_depth,
        log_depth,
        log_to_inverse_depth,
        min_max,
    )
    from gancomponents.data.geometry import CentreCrop, RandomCrop, RandomHorizontalFlip, Resize
    from gancomponents.data.images import image_size, read_array, read_image, read_mask, to_uint8, write_image
    from gancomponents.data.kitti import read_kitti
    from gancomponents.data.labels import (
        CITYSCAPES_COLOURS,
        COLOURS,
        FLOOD_COLOURS,
        FLOOD_LABELS,
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
    from gancomponents.data.transforms import ByMode, Compose, JointTransform
    from gancomponents.data.values import BucketiseDepth, ColourJitter, Normalise

_HOMES = {
    "augment": ("DiffAugment",),
    "cache": ("SampleCache",),
    "dataset": (
        "DOMAINS",
        "DomainDataset",
    ),
    "depth": (
        "DepthTarget",
        "decode_kitti_depth",
        "decode_simulator_depth",
        "encode_simulator_depth",
        "inverse_depth",
        "log_depth",
        "log_to_inverse_depth",
        "min_max",
    ),
    "geometry": (
        "CentreCrop",
        "RandomCrop",
        "RandomHorizontalFlip",
        "Resize",
    ),
    "images": (
        "image_size",
        "read_array",
        "read_image",
        "read_mask",
        "to_uint8",
        "write_image",
    ),
    "kitti": ("read_kitti",),
    "labels": (
        "CITYSCAPES_COLOURS",
        "COLOURS",
        "FLOOD_COLOURS",
        "FLOOD_LABELS",
        "KITTI_COLOURS",
        "KITTI_TO_COMMON",
        "LABELS",
        "decode_labels",
        "encode_colours",
    ),
    "lists": (
        "FileList",
        "read_list",
    ),
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
    "sampler": (
        "DomainSampler",
        "Draw",
    ),
    "transforms": (
        "ByMode",
        "Compose",
        "JointTransform",
    ),
    "values": (
        "BucketiseDepth",
        "ColourJitter",
        "Normalise",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CITYSCAPES_COLOURS",
    "COLOURS",
    "DOMAINS",
    "FLOOD_COLOURS",
    "FLOOD_LABELS",
    "KITTI_COLOURS",
    "KITTI_TO_COMMON",
    "LABELS",
    "BucketiseDepth",
    "ByMode",
    "CentreCrop",
    "ColourJitter",
    "Compose",
    "CycleToLongest",
    "DepthTarget",
    "DiffAugment",
    "DomainDataset",
    "DomainLoader",
    "DomainSampler",
    "DomainSize",
    "Draw",
    "FileList",
    "JointTransform",
    "Mixing",
    "Normalise",
    "Permutation",
    "RandomCrop",
    "RandomHorizontalFlip",
    "Resize",
    "SampleCache",
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
    "log_depth",
    "log_to_inverse_depth",
    "min_max",
    "read_array",
    "read_image",
    "read_kitti",
    "read_list",
    "read_mask",
    "to_uint8",
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
