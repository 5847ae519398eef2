"""Has ClimateGAN collapsed? Signals on a few held-out frames: the same water always, one class, all wet or dry."""

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from gancomponents.metrics import HEALTHY_RANGES, HealthRange, discriminator_auc, sample_diversity
from gancomponents.training import Runtime
from recipes.climategan.critics import Critics
from recipes.climategan.inference import evaluating
from recipes.climategan.model import ClimateGAN
from recipes.data import Data

_RANGES = {
    # Of eight frames: good runs on the Town reach 1.35, so "scattered" begins later than for larger samples.
    "sample_diversity": replace(HEALTHY_RANGES["sample_diversity"], high=2.0),
    "critic_auc": HealthRange(0.25, 0.995, "critic mistaken", "critic certain"),
    "mask_coverage": HealthRange(0.02, 0.95, "all dry", "all wet"),
    "mask_spread": HealthRange(0.02, math.inf, "mask flat", ""),
    "seg_classes": HealthRange(2, math.inf, "one class", ""),
    "depth_spread": HealthRange(0.01, math.inf, "depth flat", ""),
}

#: The healthy values of what `health` measures.
RANGES: Mapping[str, HealthRange] = MappingProxyType({f"health/{k}": v for k, v in _RANGES.items()})

_SMALLEST_SHARE = 1e-3  # of the pixels, for a class to count


@torch.no_grad()
def health(
    model: ClimateGAN, critics: Critics, data: Data, runtime: Runtime, *, count: int = 8
) -> dict[str, float]:
    """Signals of collapse on the first held-out frames, with the ranges of `RANGES`.

    Weights, modes and random generators are left as they are. A signal that the model or the data cannot give is
    left out: of a part that is absent, of a list that is not there.

    Args:
        model, critics: what is judged.
        data: the held-out frames.
        runtime: where to compute.
        count: frames of each domain.

    Returns:
        By ``health/<name>``: ``mask_coverage``, mean water probability on r, and ``mask_spread``, its standard
        deviation within a frame; ``seg_classes``, classes with more than a thousandth of the pixels of r;
        ``depth_spread`` in [0, 1), 0 for a flat depth of r, whatever its scale; ``sample_diversity``, how much
        painted water differs between frames of rf, relative to real water; ``critic_auc``, how well the painter's
        critic tells painted from real frames of rf, whatever its loss and label noise.
    """
    found: dict[str, float] = {}
    with evaluating(model), evaluating(critics), runtime.autocast():
        if model.masker is not None and "r" in data.val_lists:
            frames = data.held_out("r")
            x = torch.stack([frames.sample(index)["x"] for index in range(min(count, len(frames)))])
            found |= _masker(model, x.to(runtime.device))
        if model.painter is not None and "rf" in data.val_lists:
            found |= _painter(model, critics, data, runtime, count)
    return {f"health/{name}": value for name, value in found.items() if not math.isnan(value)}


def _masker(model: ClimateGAN, x: Tensor) -> dict[str, float]:
    seen = model(x)
    found: dict[str, float] = {}
    if seen.mask is not None:
        water = seen.mask.float().sigmoid().flatten(1)
        found |= {"mask_coverage": float(water.mean()), "mask_spread": float(water.std(1).mean())}
    if seen.segmentation is not None:
        classes = seen.segmentation.argmax(1).flatten()
        found["seg_classes"] = float((classes.bincount() > _SMALLEST_SHARE * len(classes)).sum())
    if seen.depth is not None:
        depth = seen.inverse_depth.float().flatten(1)
        spread = depth.std(1)
        # Depth is known up to scale and shift: only beside its own size a spread says anything.
        found["depth_spread"] = float((spread / (spread + depth.mean(1).abs()).clamp(min=1e-12)).mean())
    return found


def _painter(
    model: ClimateGAN, critics: Critics, data: Data, runtime: Runtime, count: int
) -> dict[str, float]:
    frames, floods = data.held_out("rf"), data.flooded()
    listed = [frames.sample(index) for index in range(min(count, len(frames)))]
    dry, mask = (torch.stack([frame[key] for frame in listed]).to(runtime.device) for key in ("x", "m"))
    # Where the dry street is not known, it is the flooded one, and the painter does not see its water.
    wet = torch.stack([floods.sample(index)["x"] for index in range(len(listed))]).to(runtime.device)
    fake = model.paint(dry, mask).float()
    found = {"sample_diversity": float(sample_diversity(_water(fake, mask), _water(wet, mask)))}
    if critics.painter is not None:
        verdicts = critics.judge_painting(wet, fake, mask).values()
        found["critic_auc"] = sum(float(discriminator_auc(*pair)) for pair in verdicts) / len(verdicts)
    return found


def _water(x: Tensor, mask: Tensor) -> Tensor:
    """The picture with the water's mean colour outside of it, so that only the water differs between frames."""
    mean = (x * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True).clamp(min=1.0)
    return x * mask + mean * (1 - mask)
