"""Sheets of held-out frames, one for each domain and task: what goes in, what comes out, what is true."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gancomponents.training import Runtime
from recipes import pictures
from recipes.climategan.events import Events, Options, imagine
from recipes.climategan.inference import evaluating
from recipes.climategan.model import ClimateGAN
from recipes.data import Data

Frame = dict[str, Tensor]
Row = list[pictures.Picture | None]

#: The columns of each task's sheet.
COLUMNS = {
    "s": ("input", "wildfire", "true classes", "predicted classes"),
    "d": ("input", "smog", "true depth", "predicted depth"),
    "m": ("input", "dry, soft mask", "dry, mask > 0.1", "dry, mask > 0.5", "dry, true mask", "mask"),
    "p": ("masked", "painted", "flooded", "painted water"),
    "flood": ("input", "dry, soft", "flood, soft", "dry, > 0.5", "flood, > 0.5"),
}


def validation_sheets(
    model: ClimateGAN, data: Data, runtime: Runtime, domains: Sequence[str], count: int
) -> dict[str, pictures.Picture]:
    """Labelled grids of the first ``count`` held-out frames, by ``<domain>_<task>``; ``r_flood``: whole floods."""
    sheets = {}
    with torch.no_grad(), evaluating(model):
        for domain in domains:
            frames = data.held_out(domain)
            shown = range(min(count, len(frames)))
            for task, rows in _rows(model, data, runtime, domain, shown).items():
                if rows:
                    names = [f"{domain} {index}" for index in shown]
                    sheets[f"{domain}_{task}"] = pictures.grid(rows, COLUMNS[task], names)
    return sheets


def _rows(model: ClimateGAN, data: Data, runtime: Runtime, domain: str, shown: range) -> dict[str, list[Row]]:
    frames = data.held_out(domain)
    rows: dict[str, list[Row]] = {task: [] for task in COLUMNS}
    for index in shown:
        frame = frames.sample(index)
        x = frame["x"][None].to(runtime.device)
        if domain == "rf":
            mask = frame["m"][None].to(x)
            with runtime.autocast():
                painted = model.paint(x, mask).float()
            flooded = data.flooded().sample(index)["x"] if data.knows_floods else None
            water = painted * mask - (1 - mask)
            true = None if flooded is None else pictures.of_image(flooded)
            dry, wet, cut = (pictures.of_image(t[0]) for t in (x * (1 - mask), painted, water))
            rows["p"].append([dry, wet, true, cut])
            continue
        with runtime.autocast():
            seen = imagine(model, x, x, Options(threshold=None, events=("wildfire", "smog")))
        for task, row in _masker_rows(frame, x, seen).items():
            rows[task].append(row)
        if domain == "r" and model.painter is not None and seen.mask is not None:
            rows["flood"].append(_flood_row(model.paint, x, seen.mask, runtime))
    return rows


def _masker_rows(frame: Frame, x: Tensor, seen: Events[Tensor]) -> dict[str, Row]:
    photo, rows = pictures.of_image(x[0]), {}
    if seen.segmentation is not None and seen.wildfire is not None:
        true = pictures.of_labels(frame["s"]) if "s" in frame else None
        predicted = pictures.of_labels(seen.segmentation[0].argmax(0))
        rows["s"] = [photo, pictures.of_image(seen.wildfire[0]), true, predicted]
    if seen.depth is not None and seen.smog is not None:
        true = pictures.of_depth(frame["d"]) if "d" in frame else None
        rows["d"] = [photo, pictures.of_image(seen.smog[0]), true, pictures.of_depth(seen.depth[0])]
    if (water := seen.mask) is not None:
        masks = [water, (water > 0.1).float(), (water > 0.5).float()]
        dry: Row = [pictures.of_image((x * (1 - mask))[0]) for mask in masks]
        dry.append(pictures.of_image((x * (1 - frame["m"][None].to(x)))[0]) if "m" in frame else None)
        rows["m"] = [photo, *dry, pictures.of_mask(water[0])]
    return rows


def _flood_row(paint: Callable[[Tensor, Tensor], Tensor], x: Tensor, water: Tensor, runtime: Runtime) -> Row:
    row: Row = [pictures.of_image(x[0])]
    for mask in (water, (water > 0.5).float()):
        with runtime.autocast():
            painted = paint(x, mask).float()
        row += [pictures.of_image((x * (1 - mask))[0]), pictures.of_image(painted[0])]
    return row
