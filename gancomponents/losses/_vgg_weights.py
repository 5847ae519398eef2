"""Weights of VGG19: random, fetched, or from a file."""

from pathlib import Path

import torch
from torch import Tensor

from gancomponents.losses._pretrained import say_once, short_timeout, state_from_file

# (index in torchvision's vgg19().features, input width, output width), widths in units of the first one
CONVS = (
    (0, 0, 1),
    (2, 1, 1),
    (5, 1, 2),
    (7, 2, 2),
    (10, 2, 4),
    (12, 4, 4),
    (14, 4, 4),
    (16, 4, 4),
    (19, 4, 8),
    (21, 8, 8),
    (23, 8, 8),
    (25, 8, 8),
    (28, 8, 8),
)


def random_state(width: int, seed: int) -> dict[str, Tensor]:
    """He et al. 2015, Eq. (10), from a seed of its own, by torchvision's keys.

    >>> tuple(random_state(2, seed=0)["features.2.weight"].shape)
    (2, 2, 3, 3)
    """
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for index, before, after in CONVS:
        inputs, outputs = before * width or 3, after * width
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator)
        state[f"features.{index}.weight"] = weight * (2 / (9 * inputs)) ** 0.5  # He et al. 2015, Eq. (10)
        state[f"features.{index}.bias"] = torch.zeros(outputs)
    return state


def imagenet_state() -> dict[str, Tensor] | None:
    """Torchvision's weights, or None and a line in the log where they cannot be had."""
    from torchvision.models import VGG19_Weights

    try:
        with short_timeout():
            return dict(VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:
        say_once(
            "The perceptual loss uses random VGG19 features: the ImageNet weights could not be had "
            f"({error}). Pass a file with them as weights=PATH."
        )
        return None


def file_state(path: Path) -> dict[str, Tensor]:
    """Torchvision's weights from a file.

    Raises:
        InputError: the file is missing or holds other weights.
    """
    shapes = {key: value.shape for key, value in random_state(64, 0).items()}
    return state_from_file(path, "vgg19", shapes)
