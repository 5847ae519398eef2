"""Inference in one call: flood, wildfire and smog of anybody's photos, arrays or tensors."""

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision
from recipes.climategan import kinds
from recipes.climategan.events import EVENTS, Events, Options, Timings, imagine
from recipes.climategan.painting import Resolution

if TYPE_CHECKING:
    from recipes.climategan.model import ClimateGAN

A = TypeVar("A", Tensor, kinds.Array)

_STEP = 32
_LONGEST = 8  # times the shorter side, as the networks see it: a longer strip would take their memory
_CLOUD_CELLS = 8


@torch.no_grad()
def infer_all(
    model: "ClimateGAN",
    x: A,
    *,
    size: int | Literal["trained", "full"] = "trained",
    threshold: float | None = 0.5,
    cloudy: bool = False,
    events: Collection[str] = EVENTS,
    resolution: Resolution = "full",
    stretch: bool = False,
    layout: kinds.Layout | None = None,
    angles: Tensor | None = None,
    generator: torch.Generator | None = None,
    wildfire: Mapping[str, Any] | None = None,
    smog: Mapping[str, Any] | None = None,
    autocast: torch.dtype | None = None,
    timings: Timings | None = None,
) -> Events[A]:
    """Flood, wildfire and smog of one photo or a batch.

    The networks see the photo at ``size``, in its own aspect; the events are laid over the photo itself, so that
    whatever is not painted keeps every detail. Weights, photo and the model's mode are left as they are; the
    networks run in evaluation mode, where the model is, in its precision.

    What comes back is what went in: levels or floats, arrays or tensors, (H, W, 3) or (3, H, W), one or a batch,
    on the photo's device. Of arrays, mask, depth and classes have no channel axis, and segmentation holds the
    class of each pixel; of tensors, they have one channel, and segmentation has class logits.

    Args:
        model: a ClimateGAN, or a part of one: what its missing decoders would have given is None.
        x: photos, uint8 in 0..255 or floating in [-1, 1]; arrays or tensors; (H, W, 3), (3, H, W) or batches.
        size: the shorter side that the networks see, rounded to multiples of 32; ``"trained"`` for the size of
            the model's training, where it is known (`ClimateGAN.from_run` knows), and otherwise, as ``"full"``,
            that of the photo.
        threshold: water probability above which a pixel is flooded; None keeps the mask soft, and thin water
            half transparent.
        cloudy: show the painter a clouded sky, which makes its water duller.
        events: which of flood, wildfire and smog to make.
        resolution: at which size the painter paints, see `recipes.climategan.painting.Resolution`; for ``approx``
            and ``basic`` the flood is as small as that.
        stretch: upstream's ranges: wildfire and smog stretch the photo to its full range first; levels of flood
            and smog are stretched likewise, and rounded down.
        layout: "HWC" or "CHW", where the shape of ``x`` fits both.
        angles: of the clouds' noise, see `gancomponents.events.cloudy`; drawn where None.
        generator: draws them.
        wildfire: options of `gancomponents.events.wildfire`; the glow grows with the photo unless they say its
            ``kernel_size`` and ``sigma``.
        smog: options of `gancomponents.events.smog`.
        autocast: torch.bfloat16 or torch.float16 for the networks; None for the model's own precision (see
            ``model.half()``), or that of an autocast around the call.
        timings: is told the duration of the stages convert, predict, paint, wildfire and smog.

    Raises:
        ValueError: photos of another kind, an option out of range, or photos that are too small.

    >>> from gancomponents.generators import SPADEPainter
    >>> from recipes.climategan import ClimateGAN
    >>> model = ClimateGAN(painter=SPADEPainter(8, upsamplings=2, hidden_channels=4))
    >>> events = infer_all(model, torch.zeros(3, 64, 64))  # without a masker nothing can be seen
    >>> events.flood is None and events.mask is None
    True
    """
    options = Options(
        threshold=threshold,
        cloudy=cloudy,
        angles=angles,
        events=events,
        resolution=resolution,
        stretch=stretch,
        autocast=autocast,
        fire=wildfire,
        haze=smog,
        timings=timings,
    )
    own = _like(model)
    with options.stage("convert"):
        batch, kind = kinds.read(x, layout)
        photo = full_precision(batch.to(own.device))
        seen = photo if model.masker is None else _as_seen(photo, _side(model, size)).to(own.dtype)
    if cloudy and angles is None:
        options = replace(options, angles=_draw_angles(len(photo), generator))
    with evaluating(model):
        found = imagine(model, photo, seen, options)
    with options.stage("convert"):
        return _converted(found, kind, stretch)


def _converted(found: Events[Tensor], kind: kinds.Kind, stretch: bool) -> Events[Any]:
    flood, fire, haze, mask, depth, segmentation = (getattr(found, f.name) for f in fields(found))
    return Events(
        flood=None if flood is None else kind.image(flood, stretch=stretch),
        wildfire=None if fire is None else kind.image(fire),  # upstream anchors it in black and white
        smog=None if haze is None else kind.image(haze, stretch=stretch),
        mask=None if mask is None else kind.mask(mask),
        depth=None if depth is None else kind.depth(depth),
        segmentation=None if segmentation is None else kind.segmentation(segmentation),
    )


def size_to_see(height: int, width: int, shorter: int) -> tuple[int, int]:
    """The size at which networks see a photo: its aspect, multiples of 32, the shorter side about ``shorter``.

    Narrow strips become less narrow: the longer side is at most eight times ``shorter``.

    >>> size_to_see(1080, 1920, 256)
    (256, 448)
    """
    scale = shorter / min(height, width)
    shortest = max(_STEP, shorter // _STEP * _STEP) if shorter > _STEP else 2 * _STEP
    sides = (
        min(max(_STEP * round(side * scale / _STEP), shortest), _LONGEST * shortest)
        for side in (height, width)
    )
    rows, columns = sides
    return rows, columns


def _as_seen(photo: Tensor, shorter: int | None) -> Tensor:
    size = (photo.shape[-2], photo.shape[-1])
    small = size if shorter is None else size_to_see(*size, shorter)
    if small == size:
        return photo
    return F.interpolate(photo, small, mode="bilinear", antialias=True, align_corners=False).clamp(-1, 1)


def _side(model: "ClimateGAN", size: int | Literal["trained", "full"]) -> int | None:
    if size == "trained":
        return model.trained_size
    if size == "full":
        return None
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"size must be a number of pixels, 'trained' or 'full', got {size!r}: 640 is usual")
    return size


def _draw_angles(count: int, generator: torch.Generator | None) -> Tensor:
    device = None if generator is None else generator.device
    corners = _CLOUD_CELLS + 1
    return 2 * math.pi * torch.rand(count, corners, corners, generator=generator, device=device)


def _like(module: nn.Module) -> Tensor:
    """A tensor whose device and precision are the network's."""
    return next(p for p in module.parameters() if p.is_floating_point())


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, and afterwards the mode that each module had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
