"""Conformance cases of `gancomponents.data`.

Transforms work on one sample, without a batch axis, and reading files on paths and arrays: those have tests
of their own.
"""

import torch
from torch import Tensor

from gancomponents import data
from tests.case import Case, Elsewhere
from tests.data.cases_loading import LOADING


def _images_masks(batch: int) -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(batch, 3, 9, 14), torch.randn(batch, 3, 9, 14), torch.rand(batch, 1, 9, 14)


def _shapes(batch: int) -> list[tuple[int, int, int, int]]:
    return [(batch, 3, 9, 14), (batch, 3, 9, 14), (batch, 1, 9, 14)]


_AUGMENTATIONS = {
    "all": {},
    "colour": {"translation": 0.0, "cutout": 0.0},
    "translation": {"colour": False, "translation": 0.4, "cutout": 0.0},
    "cutout": {"colour": False, "translation": 0.0, "cutout": 0.3},
}

_ELSEWHERE = {
    "tests/data/test_depth.py": (
        "DepthTarget",
        "decode_kitti_depth",
        "decode_simulator_depth",
        "encode_simulator_depth",
        "inverse_depth",
        "log_depth",
        "log_to_inverse_depth",
        "min_max",
    ),
    "tests/data/test_images.py": (
        "image_size",
        "read_array",
        "read_image",
        "read_mask",
        "to_uint8",
        "write_image",
    ),
    "tests/data/test_labels.py": (
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
    "tests/data/test_geometry.py": ("CentreCrop", "RandomCrop", "RandomHorizontalFlip", "Resize"),
    "tests/data/test_transforms.py": ("ByMode", "Compose", "JointTransform"),
    "tests/data/test_values.py": ("BucketiseDepth", "ColourJitter", "Normalise"),
}

CASES: list[Case | Elsewhere] = [
    Case(
        "data.DiffAugment",
        data.DiffAugment,
        _images_masks,
        _shapes,
        call=lambda augment, real, fake, mask: augment(real, fake, masks=[mask]),
        label="drawn",
    ),
    *(
        Case(
            "data.DiffAugment",
            lambda options=options: data.DiffAugment(**options),
            lambda b: (*_images_masks(b), torch.rand(b, 7)),
            _shapes,
            call=lambda augment, real, fake, mask, draws: augment(real, fake, masks=[mask], draws=draws),
            label=label,
        )
        for label, options in _AUGMENTATIONS.items()
    ),
    *(Elsewhere(f"data.{name}", file) for file, names in _ELSEWHERE.items() for name in names),
    *LOADING,
]
