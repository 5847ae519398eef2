"""Everything that may happen to a street: flood, wildfire and smog of anybody's photos, from one pass of the masker."""

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.events import cloudy as with_clouds
from gancomponents.events import sky_mask, smog, wildfire
from recipes.climategan import kinds
from recipes.climategan.painting import Resolution, painted, pasted, resized

if TYPE_CHECKING:
    from recipes.climategan.model import ClimateGAN

EVENTS = ("flood", "wildfire", "smog")

T = TypeVar("T")

_STEP = 32
_LONGEST = 8  # times the shorter side, as the networks see it: a longer strip would take their memory
#: The published glow of a wildfire has a standard deviation of 140.5 pixels where the shorter side has 640.
_GLOW = 140.5 / 640
_CLOUD_CELLS = 8


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


@overload
def infer_all(model: "ClimateGAN", x: Tensor, **options: Any) -> Events[Tensor]: ...
@overload
def infer_all(model: "ClimateGAN", x: kinds.Array, **options: Any) -> Events[kinds.Array]: ...
@torch.no_grad()
def infer_all(
    model: "ClimateGAN",
    x: Tensor | kinds.Array,
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
) -> Events[Any]:
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
        timings: is told the duration of the stages predict, paint, wildfire and smog.

    Raises:
        ValueError: photos of another kind, an option out of range, or photos that are too small.

    >>> from gancomponents.generators import SPADEPainter
    >>> from recipes.climategan import ClimateGAN
    >>> model = ClimateGAN(painter=SPADEPainter(8, upsamplings=2, hidden_channels=4))
    >>> events = infer_all(model, torch.zeros(3, 64, 64))  # without a masker nothing can be seen
    >>> events.flood is None and events.mask is None
    True
    """
    batch, kind = kinds.read(x, layout)
    own = _like(model)
    photo = _at_least_single(batch.to(own.device))
    seen = photo if model.masker is None else _as_seen(photo, _side(model, size)).to(own.dtype)
    if cloudy and angles is None:
        angles = _draw_angles(len(photo), generator)
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
    with evaluating(model):
        found = imagine(model, photo, seen, options)

    def image(picture: Tensor | None) -> Any:
        return None if picture is None else kind.image(picture, stretch=stretch)

    return Events(
        flood=image(found.flood),
        wildfire=None if found.wildfire is None else kind.image(found.wildfire),  # black and white already
        smog=image(found.smog),
        mask=None if found.mask is None else kind.mask(found.mask),
        depth=None if found.depth is None else kind.depth(found.depth),
        segmentation=None if found.segmentation is None else kind.segmentation(found.segmentation),
    )


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
    with options.stage("predict"), options.networks(seen):
        prediction = model(seen)
    depth = None if prediction.depth is None else prediction.inverse_depth
    logits = None if prediction.segmentation is None else _at_least_single(prediction.segmentation)
    flood = mask = fire = haze = None
    if prediction.mask is not None:
        water = _at_least_single(prediction.mask).sigmoid()
        mask = _decided(resized(water, size), options.threshold)
        if "flood" in options.events and model.painter is not None:
            small = mask if seen.shape[-2:] == size else _decided(water, options.threshold)
            with options.stage("paint"):
                flood = _flood(model, photo, seen, small, mask, logits, options)
    if "wildfire" in options.events and logits is not None:
        with options.stage("wildfire"):
            glow = {"kernel_size": 2 * int(_GLOW * min(size)) + 1, "sigma": max(_GLOW * min(size), 1e-3)}
            fire = wildfire(photo, logits, **{"stretch": options.stretch, **glow, **(options.fire or {})})
    if "smog" in options.events and depth is not None:
        with options.stage("smog"):
            haze = smog(
                photo, _at_least_single(depth), **{"stretch": options.stretch, **(options.haze or {})}
            )
    return Events(flood, fire, haze, mask, depth, logits)


def _flood(
    model: "ClimateGAN",
    photo: Tensor,
    seen: Tensor,
    small: Tensor,
    mask: Tensor,
    logits: Tensor | None,
    options: Options,
) -> Tensor:
    """Water painted into what the networks see, and laid over the photo; masks of either size."""
    shown = seen
    if options.cloudy:
        if logits is None:
            raise ValueError("segmentation must be predicted for clouds, got a model without: bind it")
        sky = sky_mask(logits, seen.shape[-2:], growth=0.0, crop_bottom=False, smooth=True)
        shown = with_clouds(seen, sky, angles=None if options.angles is None else options.angles.to(seen))
    with options.networks(seen):
        picture = painted(model, shown, small.to(seen), resolution=options.resolution)
    picture = _at_least_single(picture)
    if model.paste_original or options.cloudy:  # clouds are for the painter alone to see
        return pasted(picture, photo, mask, resolution=options.resolution)
    kept = options.resolution in ("approx", "basic")
    return picture if kept else resized(picture, (photo.shape[-2], photo.shape[-1]))


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


def _decided(probability: Tensor, threshold: float | None) -> Tensor:
    return probability if threshold is None else (probability > threshold).to(probability.dtype)


def _at_least_single(x: Tensor) -> Tensor:
    return x if x.dtype is torch.float64 else x.float()


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
