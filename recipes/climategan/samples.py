"""What a run shows while it trains: an overview of held-out frames, and the events of real ones."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from gancomponents.data import write_image
from gancomponents.training import Runtime
from recipes import pictures
from recipes.climategan.events import EVENTS, Options, imagine
from recipes.climategan.inference import evaluating
from recipes.climategan.model import ClimateGAN, Prediction
from recipes.data import Data

COLUMNS = (
    "input",
    "depth",
    "segmentation",
    "mask",
    "masked (rf: true mask)",
    "painted (rf: true mask)",
    "true depth",
    "true classes",
    "true mask",
    "true flood",
)


@torch.no_grad()
def overview(
    model: ClimateGAN, data: Data, runtime: Runtime, domains: Sequence[str], count: int
) -> pictures.Picture | None:
    """A labelled grid of the first ``count`` held-out frames of each domain: everything predicted, and the truth.

    Columns that nothing fills are left out; None where there is no frame.
    """
    rows: list[list[pictures.Picture | None]] = []
    names: list[str] = []
    with evaluating(model):
        for domain in domains:
            frames = data.held_out(domain)
            for index in range(min(count, len(frames))):
                frame = frames.sample(index)
                if domain == "rf" and data.knows_floods:
                    frame["flooded"] = data.flooded().sample(index)["x"]
                rows.append(_row(model, frame, domain, runtime))
                names.append(f"{domain} {index}")
    if not rows:
        return None
    kept = [column for column in range(len(COLUMNS)) if any(row[column] is not None for row in rows)]
    return pictures.grid([[row[c] for c in kept] for row in rows], [COLUMNS[c] for c in kept], names)


@torch.no_grad()
def write_events(
    model: ClimateGAN, data: Data, runtime: Runtime, folder: Path, *, count: int = 4
) -> list[Path]:
    """Write flood, wildfire, smog and mask of held-out real frames, as far as the model makes them."""
    frames = data.held_out("r")
    written = []
    for index in range(min(count, len(frames))):
        x = frames.sample(index)["x"][None].to(runtime.device)
        with evaluating(model), runtime.autocast():
            found = imagine(model, x, x, Options(threshold=0.5))
        shown = {"input": x, **{name: getattr(found, name) for name in EVENTS}}
        shown["mask"] = None if found.mask is None else (found.mask.float() * 2 - 1).expand_as(x)
        for name, picture in shown.items():
            if picture is not None:
                path = folder / f"r_{index:02d}_{name}.png"
                write_image(path, pictures.of_image(picture[0]))
                written.append(path)
    return written


def _row(
    model: ClimateGAN, frame: dict[str, Tensor], domain: str, runtime: Runtime
) -> list[pictures.Picture | None]:
    x = frame["x"][None].to(runtime.device)
    seen, painted, mask, where = Prediction(None, None, None), None, None, None
    with runtime.autocast():
        if model.masker is not None:
            seen = model(x)
        if seen.mask is not None:
            mask = seen.mask.float().sigmoid()
            where = (mask > 0.5).float()
        if domain == "rf":  # tests the painter alone, so it gets the true mask
            where = frame["m"][None].to(x)
        if model.painter is not None and where is not None:
            painted = model.paint(x, where)
    return [
        pictures.of_image(x[0]),
        None if seen.depth is None else pictures.of_depth(seen.inverse_depth[0]),
        None if seen.segmentation is None else pictures.of_labels(seen.segmentation[0].argmax(0)),
        None if mask is None else pictures.of_mask(mask[0]),
        None if where is None else pictures.of_image((x * (1 - where))[0]),
        None if painted is None else pictures.of_image(painted[0]),
        pictures.of_depth(frame["d"]) if "d" in frame else None,
        pictures.of_labels(frame["s"]) if "s" in frame else None,
        pictures.of_mask(frame["m"]) if "m" in frame else None,
        pictures.of_image(frame["flooded"]) if "flooded" in frame else None,
    ]
