"""The events of photos that are tensors already: one pass of the masker, and what follows from it."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from gancomponents.events import cloudy as with_clouds
from gancomponents.events import sky_mask, smog, wildfire
from gancomponents.layers import resize
from gancomponents.layers.precision import full_precision
from recipes.climategan.painting import Resolution, painted, pasted

if TYPE_CHECKING:
    from recipes.climategan.model import ClimateGAN

EVENTS = ("flood", "wildfire", "smog")

T = TypeVar("T")

#: The published glow of a wildfire has a standard deviation of 140.5 pixels where the shorter side has 640.
_GLOW = 140.5 / 640


@dataclass(frozen=True, eq=False)
class Events(Generic[T]):
    """What may happen to photos, and why; None for what was not asked for or what the model cannot make.

    Images, and the mask, have the size of the photos. See `infer_all` for the kinds.

    Attributes:
        flood: water where the mask is.
        wildfire: a red sky over a darkened street.
        smog: distance drowned in yellow haze.
        mask: where water is: 0 or 1, or its probability without a threshold.
        depth: inverse depth up to scale and shift, at the masker's own size.
        segmentation: the classes, at the masker's own size.
    """

    flood: T | None = None
    wildfire: T | None = None
    smog: T | None = None
    mask: T | None = None
    depth: T | None = None
    segmentation: T | None = None


class Timings(Protocol):
    """What `infer_all` tells the duration of its stages; `recipes.timing.Stopwatch` is one."""

    def stage(self, name: str) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Options:
    """How events are made; `infer_all` names and explains them."""

    threshold: float | None = 0.5
    cloudy: bool = False
    angles: Tensor | None = None
    events: Collection[str] = EVENTS
    resolution: Resolution = "full"
    stretch: bool = False
    autocast: torch.dtype | None = None
    fire: Mapping[str, Any] | None = None
    haze: Mapping[str, Any] | None = None
    timings: Timings | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.events if name not in EVENTS]
        if isinstance(self.events, str) or unknown:
            raise ValueError(f"events must be some of {EVENTS}, got {self.events!r}: pass a tuple of these")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(
                f"threshold must be in 0..1 or None, got {self.threshold}: None keeps the mask soft"
            )

    def stage(self, name: str) -> AbstractContextManager[None]:
        return nullcontext() if self.timings is None else self.timings.stage(name)

    def networks(self, x: Tensor) -> AbstractContextManager[Any]:
        """The arithmetic of the networks: autocast where asked for, otherwise whatever is around."""
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(x.device.type, self.autocast)


def possible(model: "ClimateGAN") -> list[str]:
    """The events for which the model has the networks."""
    masker = model.masker
    if masker is None:
        return []
    able = {
        "flood": masker.mask is not None and model.painter is not None,
        "wildfire": masker.segmentation is not None,
        "smog": masker.depth is not None,
    }
    return [name for name in EVENTS if able[name]]


def imagine(
    model: "ClimateGAN", photo: Tensor, seen: Tensor, options: Options | None = None
) -> Events[Tensor]:
    """The events of photos of which the networks see a small copy; what `infer_all` does between the conversions.

    Args:
        model: in evaluation mode.
        photo: photos (B, 3, H, W) in [-1, 1], on the model's device.
        seen: the same photos (B, 3, h, w), of the model's precision; may be ``photo``.
        options: see `infer_all`.
    """
    options = options or Options()
    if model.masker is None:
        return Events()
    size = (photo.shape[-2], photo.shape[-1])
    levels = _extremes(photo) if model.trained_stretch else None
    if levels is not None:
        low, high = (level.to(seen) for level in levels)
        seen = (2 * (seen - low) / (high - low) - 1).clamp(-1, 1)
    with options.stage("predict"), options.networks(seen):
        prediction = model(seen)
    depth = None if prediction.depth is None else prediction.inverse_depth
    logits = None if prediction.segmentation is None else full_precision(prediction.segmentation)
    flood = mask = fire = haze = None
    if prediction.mask is not None:
        water = full_precision(prediction.mask).sigmoid()
        mask = _decided(resize(water, size), options.threshold)
        if "flood" in options.events and model.painter is not None:
            small = mask if seen.shape[-2:] == size else _decided(water, options.threshold)
            with options.stage("paint"):
                flood = _flood(model, photo, seen, small, mask, logits, options, levels)
    if "wildfire" in options.events and logits is not None:
        with options.stage("wildfire"):
            glow = {"kernel_size": 2 * int(_GLOW * min(size)) + 1, "sigma": max(_GLOW * min(size), 1e-3)}
            fire = wildfire(photo, logits, **{"stretch": options.stretch, **glow, **(options.fire or {})})
    if "smog" in options.events and depth is not None:
        with options.stage("smog"):
            haze = smog(photo, full_precision(depth), **{"stretch": options.stretch, **(options.haze or {})})
    return Events(flood, fire, haze, mask, depth, logits)


def _flood(
    model: "ClimateGAN",
    photo: Tensor,
    seen: Tensor,
    small: Tensor,
    mask: Tensor,
    logits: Tensor | None,
    options: Options,
    levels: tuple[Tensor, Tensor] | None,
) -> Tensor:
    """Water painted into what the networks see, and laid over the photo; masks of either size.

    Where they see photos stretched, the water comes back to the photo's own ``levels``, darkest and brightest.
    """
    shown = seen
    if options.cloudy:
        if logits is None:
            raise ValueError("segmentation must be predicted for clouds, got a model without: bind it")
        sky = sky_mask(logits, seen.shape[-2:], growth=0.0, crop_bottom=False, smooth=True)
        shown = with_clouds(seen, sky, angles=None if options.angles is None else options.angles.to(seen))
    with options.networks(seen):
        picture = painted(model, shown, small.to(seen), resolution=options.resolution)
    picture = full_precision(picture)
    if levels is not None:
        low, high = levels
        picture = low + (picture + 1) / 2 * (high - low)
    if model.paste_original or options.cloudy:  # clouds are for the painter alone to see
        return pasted(picture, photo, mask, resolution=options.resolution)
    kept = options.resolution in ("approx", "basic")
    return picture if kept else resize(picture, (photo.shape[-2], photo.shape[-1]))


def _extremes(photo: Tensor) -> tuple[Tensor, Tensor]:
    """Darkest and brightest value of each photo, (B, 1, 1, 1) each; of an even photo those of black and white."""
    low, high = (f(photo, dim=(1, 2, 3), keepdim=True) for f in (torch.amin, torch.amax))
    even = high <= low
    return torch.where(even, -torch.ones_like(low), low), torch.where(even, torch.ones_like(high), high)


def _decided(probability: Tensor, threshold: float | None) -> Tensor:
    return probability if threshold is None else (probability > threshold).to(probability.dtype)
