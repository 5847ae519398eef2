"""All events of photos, from arrays to arrays, and what each stage takes."""

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.climategan.cases import Case, count
from benchmarks.climategan.settings import Settings
from benchmarks.plain.events import plain_infer_all
from benchmarks.plain.networks import plain_copy
from benchmarks.timing import Work
from recipes.climategan.model import ClimateGAN
from recipes.recipe import Recipe
from recipes.timing import Stopwatch


def photos(settings: Settings) -> np.ndarray:
    """Random photos of the size and batch."""
    shape = (settings.batch, settings.size, settings.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def cases(recipe: Recipe, settings: Settings) -> Iterator[Case]:
    """Inference of all events, ours and plain."""
    model, pictures = recipe.system.model, photos(settings)
    plain = plain_copy(model).eval()
    stages: dict[str, list[dict[str, float]]] = {"stages": [], "plain_stages": []}
    device, kind = recipe.runtime.device, recipe.runtime.autocast_dtype

    def ours() -> None:
        watch = Stopwatch(device)
        model.infer_all(pictures, size="full", autocast=kind, timings=watch)
        stages["stages"].append(watch.seconds)

    def plainly() -> None:
        watch = Stopwatch(device)
        plain_infer_all(plain, pictures, watch.stage)
        stages["plain_stages"].append(watch.seconds)

    yield Case("inference", ours, plainly, count(_networks(plain, settings)), stages=stages)


def _networks(model: ClimateGAN, settings: Settings) -> Work:
    x = torch.zeros(settings.batch, 3, settings.size, settings.size, device=next(model.parameters()).device)

    @torch.no_grad()
    def run() -> None:
        model(x)
        model.paint(x, torch.ones_like(x[:, :1]))

    return run
