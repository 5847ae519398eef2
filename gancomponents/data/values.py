"""Changing what fields hold: the image's colours and range, depth as classes.

Each transform is called on the fields of one sample, {field: (C, H, W)}, and a generator of random numbers
(torch's global one where None), and returns new fields; inputs are left untouched. "x" is the image.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["BucketiseDepth", "ColourJitter", "Normalise"]

Fields = Mapping[str, Tensor]


class ColourJitter:
    """The image alone, in another brightness, saturation and contrast.

    Each is multiplied by a factor from 1 - a to 1 + a (0.5 to 1.5 in ClimateGAN), in that order, by
    torchvision's functions. Upstream then overwrites the first and the last pixel with 1 and 0; not done here.

    Args:
        brightness, saturation, contrast: a of each.

    Shape: {field: (C, H, W)}, "x" uint8 or floating in [0, 1], (3, H, W) (without it nothing changes);
        returns the same.

    Raises:
        ValueError: a strength outside 0..1.

    >>> image = torch.full((3, 2, 2), 100, dtype=torch.uint8)
    >>> torch.equal(ColourJitter(brightness=0, saturation=0, contrast=0)({"x": image})["x"], image)
    True
    """

    def __init__(self, *, brightness: float = 0.5, saturation: float = 0.5, contrast: float = 0.5):
        for name, value in (("brightness", brightness), ("saturation", saturation), ("contrast", contrast)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be in 0..1, got {value}: 0.5 multiplies by 0.5 to 1.5")
        self.brightness, self.saturation, self.contrast = brightness, saturation, contrast

    def __call__(self, fields: Fields, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        # Always as many draws: what is switched on does not change what comes after.
        draws = torch.rand(3, generator=generator).tolist()
        if "x" not in fields:
            return dict(fields)
        from torchvision.transforms.v2 import functional as joint

        image = fields["x"]
        for adjust, strength, u in zip(
            (joint.adjust_brightness, joint.adjust_saturation, joint.adjust_contrast),
            (self.brightness, self.saturation, self.contrast),
            draws,
            strict=True,
        ):
            if strength:
                image = adjust(image, 1 + strength * (2 * u - 1))
        return {**fields, "x": image}

    def __repr__(self) -> str:
        return f"ColourJitter({self.brightness}, {self.saturation}, {self.contrast})"


class Normalise:
    """The image alone, as (x - mean) / std of each channel; by default from [0, 1] to [-1, 1].

    `DomainDataset` brings images to [-1, 1] by itself; this is for loaders that don't.

    Args:
        mean, std: one number per channel, or one for all; `Normalise.imagenet()` has those of ImageNet, which
            pretrained HRNet and most other encoders expect.

    Shape: {field: (C, H, W)}, "x" uint8 in 0..255 or floating in [0, 1]; returns the same, "x" floating.

    Raises:
        ValueError: a standard deviation that is not positive, another number of channels.

    >>> Normalise()({"x": torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 2)})["x"].tolist()
    [[[-1.0, 1.0]]]
    """

    def __init__(self, mean: float | Sequence[float] = 0.5, std: float | Sequence[float] = 0.5):
        self.mean = [float(m) for m in ([mean] if isinstance(mean, (int, float)) else mean)]
        self.std = [float(s) for s in ([std] if isinstance(std, (int, float)) else std)]
        if not self.std or min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {std}: 0.5 takes [0, 1] to [-1, 1]")

    @classmethod
    def imagenet(cls) -> "Normalise":
        """With mean and standard deviation of ImageNet's channels.

        >>> Normalise.imagenet().mean
        [0.485, 0.456, 0.406]
        """
        return cls((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

    def __call__(self, fields: Fields, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        if "x" not in fields:
            return dict(fields)
        image = fields["x"]
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, image.shape[0]):
                raise ValueError(
                    f"{name} must have a number for each of {image.shape[0]} channels, got {values}: give one "
                    "per channel, or one for all"
                )
        image = image if image.is_floating_point() else image.float() / 255
        mean, std = (image.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return {**fields, "x": (image - mean) / std}

    def __repr__(self) -> str:
        return f"Normalise({self.mean}, {self.std})"


class BucketiseDepth:
    """Depth as classes: the index of the bucket that each value falls into.

    The first bucket holds everything below ``low``, the last everything from ``high`` on; between them lie
    ``buckets`` - 2 of equal width. The defaults are ClimateGAN's, for the logarithm of depth in metres
    (`DepthTarget` with ``log``).

    Args:
        low, high: ends of the range.
        buckets: number of classes, at least 3.
        field: what holds the depth.

    Shape: {field: (C, H, W)}, depth floating; returns the same, depth as int64 in 0..buckets-1 (without depth
        nothing changes).

    Raises:
        ValueError: an empty range, or fewer than 3 buckets.

    >>> depth = torch.tensor([-1.0, 0.0, 0.5, 1.0]).view(1, 1, 4)
    >>> BucketiseDepth(0.0, 1.0, buckets=4)({"d": depth})["d"].tolist()
    [[[0, 1, 2, 3]]]
    """

    def __init__(self, low: float = 0.35, high: float = 6.95, *, buckets: int = 256, field: str = "d"):
        if not low < high:
            raise ValueError(f"low must be below high, got {low} and {high}: give the ends of the range")
        if buckets < 3:
            raise ValueError(f"buckets must be >= 3, got {buckets}: 256 is the published value")
        self.low, self.high, self.buckets, self.field = low, high, buckets, field

    def __call__(self, fields: Fields, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        if self.field not in fields:
            return dict(fields)
        depth = fields[self.field]
        edges = torch.linspace(self.low, self.high, self.buckets - 1, dtype=depth.dtype, device=depth.device)
        return {**fields, self.field: torch.bucketize(depth, edges, right=True)}

    def __repr__(self) -> str:
        return f"BucketiseDepth({self.low}, {self.high}, buckets={self.buckets})"
