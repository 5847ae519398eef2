"""Transforms of a sample, one after the other, and ClimateGAN's default pipeline of them.

Each transform is called on the fields of one sample, {field: (C, H, W)}, and a generator of random numbers
(torch's global one where None), and returns new fields; inputs are left untouched. "x" is the image.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from torch import Tensor

from gancomponents.data.geometry import (
    CentreCrop,
    Mirror,
    RandomCrop,
    RandomHorizontalFlip,
    Resize,
    shared_size,
)
from gancomponents.data.values import ColourJitter

__all__ = ["ByMode", "Compose", "JointTransform", "settled", "split"]

Fields = Mapping[str, Tensor]
Transform = Callable[[Fields, torch.Generator | None], dict[str, Tensor]]
# Exactly these: what somebody derives from one may do more.
_MOVES = (CentreCrop, RandomCrop, RandomHorizontalFlip, Resize)


class ByMode:
    """Two transforms of which `Compose` takes one: one to train, another to evaluate.

    Args:
        train: in training; None for nothing.
        evaluation: otherwise; None for nothing.

    >>> steps = [ByMode(train=RandomCrop(2), evaluation=CentreCrop(2)), ByMode(train=RandomHorizontalFlip())]
    >>> Compose(steps, train=False).steps
    [CentreCrop((2, 2))]
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
        align_corners, nearest_exact: how fields are resized, see `Resize`; upstream has ``align_corners``.

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
        nearest_exact: bool = False,
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
        resize = partial(Resize, align_corners=align_corners, nearest_exact=nearest_exact)
        super().__init__(
            [
                ByMode(train=RandomHorizontalFlip(flip)),
                resize(size, keep_aspect_ratio=True),
                ByMode(train=RandomCrop(crop), evaluation=CentreCrop(crop)),
                resize({"default": size, **target_sizes}),
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
        shared_size(fields)
        return super().__call__(fields, generator)


def split(transform: object) -> tuple[list[Transform], list[Transform]]:
    """A pipeline's first steps, which only move pixels, and all others.

    Those move a map's `Places` as they would move the map. Of what is no `Compose` nothing is known.
    """
    if type(transform) not in (Compose, JointTransform):
        return [], [transform]  # type: ignore[list-item]
    moves: list[Transform] = []
    steps = list(transform.steps)  # type: ignore[attr-defined]
    while steps:
        step = steps.pop(0)
        if type(step) in (Compose, JointTransform):
            steps[:0] = step.steps
        elif type(step) in _MOVES:
            moves.append(step)
        else:
            return moves, [step, *steps]
    return moves, []


def settled(
    moves: list[Transform], generator: torch.Generator | None
) -> tuple[list[Transform], list[Transform]]:
    """Moves up to the first that draws where to crop, with mirroring decided, and the moves from there on."""
    first: list[Transform] = []
    for count, move in enumerate(moves):
        if isinstance(move, RandomCrop):
            return first, moves[count:]
        if not isinstance(move, RandomHorizontalFlip):
            first.append(move)
        elif move.decide(generator):
            first.append(Mirror())
    return first, []
