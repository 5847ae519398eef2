"""Geometry that image, labels, depth and mask share, and the image's colours."""

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["JointTransform"]


class JointTransform:
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
        self.size, self.crop, self.train, self.flip = size, crop, train, flip
        self.target_sizes, self.colour_jitter = target_sizes, colour_jitter

    def __call__(
        self, fields: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Transform the fields of one sample.

        Args:
            fields: as described above.
            generator: where random decisions come from; torch's global generator where None.
        """
        sizes = {name: tuple(field.shape[-2:]) for name, field in fields.items()}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"fields must share one height and width, got {sizes}: resize them first")
        height, width = next(iter(sizes.values()))
        # Always as many draws: what is switched on does not change the others.
        draws = torch.rand(6, generator=generator).tolist() if self.train else None
        flipped = draws is not None and draws[0] < self.flip

        # Shorter side to `size`, the other in proportion, rounded down.
        height, width = (
            (self.size, self.size * width // height)
            if height <= width
            else (self.size * height // width, self.size)
        )
        spare = height - self.crop, width - self.crop
        if draws is None:
            top, left = spare[0] // 2, spare[1] // 2
        else:
            top, left = (min(int(u * (room + 1)), room) for u, room in zip(draws[1:3], spare, strict=True))

        out: dict[str, Tensor] = {}
        for name, field in fields.items():
            if flipped:
                field = field.flip(-1)
            smooth = name == "x"
            field = _resize(field, height, width, smooth)
            field = field[..., top : top + self.crop, left : left + self.crop]
            side = self.target_sizes.get(name, self.size)
            out[name] = _resize(field, side, side, smooth)
        if draws is not None and self.colour_jitter and "x" in out:
            out["x"] = self._jitter(out["x"], draws[3:])
        return out

    def _jitter(self, image: Tensor, draws: list[float]) -> Tensor:
        from torchvision.transforms.v2 import functional

        brightness, saturation, contrast = (1 + self.colour_jitter * (2 * u - 1) for u in draws)
        image = functional.adjust_brightness(image, brightness)
        image = functional.adjust_saturation(image, saturation)
        return functional.adjust_contrast(image, contrast)


def _resize(field: Tensor, height: int, width: int, smooth: bool) -> Tensor:
    if tuple(field.shape[-2:]) == (height, width):
        return field
    from torchvision import tv_tensors
    from torchvision.transforms.v2 import functional

    # As an image: bilinear, antialiased. As a mask: the nearest value, whatever it means.
    wrapped = tv_tensors.Image(field) if smooth else tv_tensors.Mask(field)
    return functional.resize(wrapped, [height, width], antialias=smooth).as_subclass(Tensor)
