"""Resizing, cropping and mirroring all fields of a sample alike.

Each transform is called on the fields of one sample, {field: (C, H, W)}, and a generator of random numbers
(torch's global one where None), and returns new fields; inputs are left untouched. "x" is the image.
"""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from gancomponents.data._places import Places, nearest

__all__ = ["CentreCrop", "Mirror", "RandomCrop", "RandomHorizontalFlip", "Resize", "shared_size"]

Fields = Mapping[str, Tensor]
Size = int | Sequence[int]


class Resize:
    """All fields to another size, smooth ones bilinearly, the others to the nearest value.

    Bilinear is antialiased and lines up the edges of both grids. Upstream lines up the centres of their corner
    pixels instead and does not antialias (``align_corners``). The nearest value is that of the pixel at
    floor(i old / new), as upstream and torch's "nearest" have it, which is up to half a new pixel above and left
    of where the smooth value lies; ``nearest_exact`` takes the middle one.

    Args:
        size: side of a square; (height, width); or either for each field by name, with "default" for the
            others (without it they keep their size).
        keep_aspect_ratio: ``size`` is the shorter side, the other follows in proportion, rounded down, from
            the image's size, or the first field's where there is no "x".
        smooth: fields that are interpolated; every other one takes the nearest value, whatever it means.
        align_corners: interpolate from corner to corner without antialiasing, as upstream.
        nearest_exact: take nearest values at floor((i + 1/2) old / new).

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
        nearest_exact: bool = False,
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
        self.keep_aspect_ratio, self.smooth = keep_aspect_ratio, smooth
        self.align_corners, self.nearest_exact = align_corners, nearest_exact

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
        if isinstance(field, Places):
            return field.resized(size, exact=self.nearest_exact)
        if smooth and self.align_corners:
            values = field if field.is_floating_point() else field.float()
            values = functional.interpolate(values[None], size, mode="bilinear", align_corners=True)[0]
            return (values if field.is_floating_point() else values.round()).to(field.dtype)
        if not smooth and self.nearest_exact:
            rows, columns = (
                torch.tensor(nearest(old, new, exact=True), device=field.device)
                for new, old in zip(size, field.shape[-2:], strict=True)
            )
            return field[..., rows[:, None], columns]
        from torchvision import tv_tensors
        from torchvision.transforms.v2 import functional as joint

        # As an image: bilinear, antialiased. As a mask: the nearest value.
        wrapped = tv_tensors.Image(field) if smooth else tv_tensors.Mask(field)
        return joint.resize(wrapped, list(size), antialias=smooth).as_subclass(Tensor)

    def __repr__(self) -> str:
        options = ("keep_aspect_ratio", "align_corners", "nearest_exact")
        told = ", ".join(f"{name}={getattr(self, name)}" for name in options)
        return f"Resize({self.sizes}, smooth={sorted(self.smooth)}, {told})"


class _Crop:
    """What the crops share: a window of one size, somewhere inside all fields."""

    def __init__(self, size: Size):
        self.window = _pair(size, "size")

    def __call__(self, fields: Fields, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        out: dict[str, Tensor] = {}
        height, width = shared_size(fields)
        spare = height - self.window[0], width - self.window[1]
        if min(spare) < 0:
            raise ValueError(
                f"fields must be at least {self.window} to be cropped, got {(height, width)}: resize them first"
            )
        top, left = self._corner(spare, generator)
        for name, field in fields.items():
            out[name] = field[..., top : top + self.window[0], left : left + self.window[1]]
        return out

    def _corner(self, spare: tuple[int, int], generator: torch.Generator | None) -> tuple[int, int]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.window})"


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
        return Mirror()(fields) if self.decide(generator) else dict(fields)

    def decide(self, generator: torch.Generator | None = None) -> bool:
        """Whether to mirror, drawn anew."""
        return torch.rand(1, generator=generator).item() < self.p

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip({self.p})"


class Mirror:
    """All fields mirrored left to right, as `RandomHorizontalFlip` has decided."""

    def __call__(self, fields: Fields, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        return {name: field.flip(-1) for name, field in fields.items()}

    def __repr__(self) -> str:
        return "Mirror()"


def _pair(size: Size, name: str) -> tuple[int, int]:
    """(height, width) of what was given as one or two sides."""
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(
            f"{name} must be one side or (height, width), each >= 1, got {size}: give sides in pixels"
        )
    return pair[0], pair[1]


def shared_size(fields: Fields) -> tuple[int, int]:
    """Height and width of all fields.

    Raises:
        ValueError: fields of unequal size, or none.

    >>> shared_size({"d": torch.zeros(1, 4, 5)})
    (4, 5)
    """
    sizes = {name: tuple(field.shape[-2:]) for name, field in fields.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"fields must share one height and width, got {sizes}: resize them first")
    height, width = next(iter(sizes.values()))
    return height, width
