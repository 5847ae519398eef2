"""Geometry that image, labels, depth and mask share, and the image's colours.

Each transform is called on the fields of one sample, {field: (C, H, W)}, and a generator of random numbers
(torch's global one where None), and returns new fields; inputs are left untouched. "x" is the image.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "BucketiseDepth",
    "ByMode",
    "CentreCrop",
    "ColourJitter",
    "Compose",
    "JointTransform",
    "Normalise",
    "RandomCrop",
    "RandomHorizontalFlip",
    "Resize",
]

Fields = Mapping[str, Tensor]
Transform = Callable[[Fields, torch.Generator | None], dict[str, Tensor]]
Size = int | Sequence[int]


class ByMode:
    """Two transforms of which `Compose` takes one: one to train, another to evaluate.

    Args:
        train: in training; None for nothing.
        evaluation: otherwise; None for nothing.

    >>> steps = [ByMode(train=RandomCrop(2), evaluation=CentreCrop(2)), ByMode(train=RandomHorizontalFlip())]
    >>> Compose(steps, train=False).steps
    [CentreCrop(size=(2, 2))]
    """

    def __init__(self, *, train: Transform | None = None, evaluation: Transform | None = None):
        self.train, self.evaluation = train, evaluation

    def __repr__(self) -> str:
        return f"ByMode(train={self.train}, evaluation={self.evaluation})"


class Compose:
    """Transforms one after the other.

    Args:
        steps: transforms, and `ByMode` pairs of which one is taken.
        train: whether pairs give what they have for training.

    Shape: as its steps.

    >>> crop = Compose([Resize(8, keep_aspect_ratio=True), CentreCrop(6), Resize({"default": 4, "d": 2})])
    >>> sample = {"x": torch.zeros(3, 9, 12), "d": torch.ones(1, 9, 12)}
    >>> {name: tuple(field.shape) for name, field in crop(sample).items()}
    {'x': (3, 4, 4), 'd': (1, 2, 2)}
    """

    def __init__(self, steps: Iterable[Transform | ByMode], *, train: bool = True):
        chosen = [
            (step.train if train else step.evaluation) if isinstance(step, ByMode) else step for step in steps
        ]
        self.steps: list[Transform] = [step for step in chosen if step is not None]
        self.train = train

    def __call__(self, fields: Fields, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        out = dict(fields)
        for step in self.steps:
            out = step(out, generator)
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.steps})"


class Resize:
    """All fields to another size, smooth ones bilinearly, the others to the nearest value.

    Bilinear is antialiased and aligned as everywhere in torchvision and OpenCV. Upstream interpolates from
    corner to corner without antialiasing (``align_corners``), which aliases and moves images against their
    labels by up to half a pixel.

    Args:
        size: side of a square; (height, width); or either for each field by name, with "default" for the
            others (without it they keep their size).
        keep_aspect_ratio: ``size`` is the shorter side, the other follows in proportion, rounded down, from
            the image's size, or the first field's where there is no "x".
        smooth: fields that are interpolated; every other one takes the nearest value, whatever it means.
        align_corners: interpolate from corner to corner without antialiasing, as upstream.

    Shape: {field: (C, H, W)} of any type; returns the same types as (C, new H, new W).

    Raises:
        ValueError: a size below one, or ``keep_aspect_ratio`` with more than one side.

    >>> {name: tuple(f.shape) for name, f in Resize((2, 3))({"x": torch.zeros(3, 4, 4)}).items()}
    {'x': (3, 2, 3)}
    """

    def __init__(
        self,
        size: Size | Mapping[str, Size],
        *,
        keep_aspect_ratio: bool = False,
        smooth: Collection[str] = ("x",),
        align_corners: bool = False,
    ):
        if keep_aspect_ratio and not isinstance(size, int):
            raise ValueError(
                f"size must be one side with keep_aspect_ratio, got {size}: give the shorter side"
            )
        self.sizes = (
            {name: _pair(value, f"size[{name!r}]") for name, value in size.items()}
            if isinstance(size, Mapping)
            else {"default": _pair(size, "size")}
        )
        self.keep_aspect_ratio, self.smooth, self.align_corners = keep_aspect_ratio, smooth, align_corners

    def __call__(self, fields: Fields, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        sizes = self.sizes
        if self.keep_aspect_ratio and fields:
            height, width = (fields["x"] if "x" in fields else next(iter(fields.values()))).shape[-2:]
            side = sizes["default"][0]
            # Whole numbers, so that a ratio is never rounded twice.
            scaled = (side, side * width // height) if height <= width else (side * height // width, side)
            sizes = {"default": scaled}
        out = {}
        for name, field in fields.items():
            target = sizes.get(name, sizes.get("default"))
            out[name] = field if target is None else self._resize(field, target, name in self.smooth)
        return out

    def _resize(self, field: Tensor, size: tuple[int, int], smooth: bool) -> Tensor:
        if tuple(field.shape[-2:]) == size:
            return field
        if smooth and self.align_corners:
            values = field if field.is_floating_point() else field.float()
            values = functional.interpolate(values[None], size, mode="bilinear", align_corners=True)[0]
            return (values if field.is_floating_point() else values.round()).to(field.dtype)
        from torchvision import tv_tensors
        from torchvision.transforms.v2 import functional as joint

        # As an image: bilinear, antialiased. As a mask: the nearest value.
        wrapped = tv_tensors.Image(field) if smooth else tv_tensors.Mask(field)
        return joint.resize(wrapped, list(size), antialias=smooth).as_subclass(Tensor)

    def __repr__(self) -> str:
        return f"Resize({self.sizes}, keep_aspect_ratio={self.keep_aspect_ratio})"


class _Crop:
    """What the crops share: a window of one size, somewhere inside all fields."""

    def __init__(self, size: Size):
        self.size = _pair(size, "size")

    def __call__(self, fields: Fields, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        out: dict[str, Tensor] = {}
        height, width = _shared_size(fields)
        spare = height - self.size[0], width - self.size[1]
        if min(spare) < 0:
            raise ValueError(
                f"fields must be at least {self.size} to be cropped, got {(height, width)}: resize them first"
            )
        top, left = self._corner(spare, generator)
        for name, field in fields.items():
            out[name] = field[..., top : top + self.size[0], left : left + self.size[1]]
        return out

    def _corner(self, spare: tuple[int, int], generator: torch.Generator | None) -> tuple[int, int]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class CentreCrop(_Crop):
    """The middle of all fields; of an odd remainder the smaller half is cut from top and left.

    Args:
        size: side of a square, or (height, width).

    Shape: {field: (C, H, W)} of one H and W; returns (C, height, width).

    Raises:
        ValueError: a size below one; called with smaller fields, or fields of unequal size.

    >>> CentreCrop(1)({"d": torch.arange(4).view(1, 1, 4)})["d"].tolist()
    [[[1]]]
    """

    def _corner(self, spare: tuple[int, int], generator: torch.Generator | None) -> tuple[int, int]:
        return spare[0] // 2, spare[1] // 2


class RandomCrop(_Crop):
    """A window anywhere in the fields, the same for all; each position is as likely as any other.

    Upstream never takes the last position, and fails where there is only one.

    Args:
        size: side of a square, or (height, width).

    Shape: {field: (C, H, W)} of one H and W; returns (C, height, width).

    Raises:
        ValueError: a size below one; called with smaller fields, or fields of unequal size.

    >>> RandomCrop((1, 2))({"d": torch.arange(4).view(1, 2, 2)})["d"].shape
    torch.Size([1, 1, 2])
    """

    def _corner(self, spare: tuple[int, int], generator: torch.Generator | None) -> tuple[int, int]:
        row, column = torch.rand(2, generator=generator).tolist()
        return (
            min(int(row * (spare[0] + 1)), spare[0]),
            min(int(column * (spare[1] + 1)), spare[1]),
        )


class RandomHorizontalFlip:
    """All fields mirrored left to right, or none.

    Args:
        p: probability.

    Shape: {field: (C, H, W)}; returns the same.

    Raises:
        ValueError: a probability outside 0..1.

    >>> RandomHorizontalFlip(1.0)({"d": torch.arange(3).view(1, 1, 3)})["d"].tolist()
    [[[2, 1, 0]]]
    """

    def __init__(self, p: float = 0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"p must be in 0..1, got {p}: give a probability")
        self.p = p

    def __call__(self, fields: Fields, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        flipped = torch.rand(1, generator=generator).item() < self.p
        return {name: field.flip(-1) if flipped else field for name, field in fields.items()}

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip({self.p})"


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


class JointTransform(Compose):
    """Flip, resize, crop and resize all fields of a sample alike.

    The default pipeline of ClimateGAN (https://arxiv.org/abs/2110.02871): horizontal flip, shorter side to
    ``size``, square crop (anywhere in training, the centre otherwise), then ``size`` for image and mask and a
    quarter of it for labels and depth; the published 640 is cropped to 600. Images are resized bilinearly
    with antialiasing, everything else to the nearest value. Upstream resizes without antialiasing, never
    takes the last crop offset, and writes two anchor pixels into jittered images; none of that is done here.

    Args:
        size: side of image and mask, pixels.
        crop: side of the crop taken at that scale; 600/640 of ``size`` where None.
        train: whether to flip, crop at random and jitter.
        flip: probability of the flip.
        target_sizes: side of further fields; ``{"d": size // 4, "s": size // 4}`` where None.
        colour_jitter: brightness, saturation and contrast are each multiplied by up to 1 +- this (image
            only); the published masker uses 0.5.
        align_corners: resize from corner to corner without antialiasing, as upstream; see `Resize`.

    Shape: called with {field: (C, H, W)} of one H and W, "x" uint8 (3, H, W) or floating in [0, 1]; returns
        the same fields and types as (C, size, size) or (C, target size, target size).

    Raises:
        ValueError: sizes below one, a crop larger than ``size``, a probability outside 0..1; fields of
            unequal size.

    >>> transform = JointTransform(64)
    >>> sample = {"x": torch.zeros(3, 90, 120, dtype=torch.uint8), "d": torch.ones(1, 90, 120)}
    >>> {name: tuple(field.shape) for name, field in transform(sample).items()}
    {'x': (3, 64, 64), 'd': (1, 16, 16)}
    """

    def __init__(
        self,
        size: int,
        *,
        crop: int | None = None,
        train: bool = True,
        flip: float = 0.5,
        target_sizes: Mapping[str, int] | None = None,
        colour_jitter: float = 0.0,
        align_corners: bool = False,
    ):
        if size < 1:
            raise ValueError(f"size must be >= 1, got {size}: give a side in pixels")
        crop = max(1, round(size * 600 / 640)) if crop is None else crop
        if not 1 <= crop <= size:
            raise ValueError(f"crop must be in 1..{size} (size), got {crop}: crop at most what was resized")
        if not 0 <= flip <= 1:
            raise ValueError(f"flip must be in 0..1, got {flip}: give a probability")
        if not 0 <= colour_jitter <= 1:
            raise ValueError(
                f"colour_jitter must be in 0..1, got {colour_jitter}: 0.5 multiplies by 0.5 to 1.5"
            )
        quarter = max(1, size // 4)
        target_sizes = {"d": quarter, "s": quarter} if target_sizes is None else dict(target_sizes)
        for field, target in target_sizes.items():
            if target < 1:
                raise ValueError(f"target_sizes[{field!r}] must be >= 1, got {target}: give a side in pixels")
        self.size, self.crop, self.flip = size, crop, flip
        self.target_sizes, self.colour_jitter = target_sizes, colour_jitter
        jitter = ColourJitter(brightness=colour_jitter, saturation=colour_jitter, contrast=colour_jitter)
        super().__init__(
            [
                ByMode(train=RandomHorizontalFlip(flip)),
                Resize(size, keep_aspect_ratio=True, align_corners=align_corners),
                ByMode(train=RandomCrop(crop), evaluation=CentreCrop(crop)),
                Resize({"default": size, **target_sizes}, align_corners=align_corners),
                ByMode(train=jitter),
            ],
            train=train,
        )

    def __call__(self, fields: Fields, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Transform the fields of one sample.

        Args:
            fields: as described above.
            generator: where random decisions come from; torch's global generator where None.
        """
        _shared_size(fields)
        return super().__call__(fields, generator)


def _pair(size: Size, name: str) -> tuple[int, int]:
    """(height, width) of what was given as one or two sides."""
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(
            f"{name} must be one side or (height, width), each >= 1, got {size}: give sides in pixels"
        )
    return pair[0], pair[1]


def _shared_size(fields: Fields) -> tuple[int, int]:
    sizes = {name: tuple(field.shape[-2:]) for name, field in fields.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"fields must share one height and width, got {sizes}: resize them first")
    height, width = next(iter(sizes.values()))
    return height, width
