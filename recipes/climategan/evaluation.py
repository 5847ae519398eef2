"""How well a ClimateGAN does on held-out frames, beside what knowing only the training set's averages gives."""

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gancomponents.data import DomainDataset
from gancomponents.data.labels import LABELS
from gancomponents.metrics import (
    aligned_abs_rel,
    confusion_matrix,
    l1_in_mask,
    mask_iou,
    mean_iou,
    ssim_in_mask,
)
from gancomponents.training import Runtime
from recipes.climategan.distances import PaintedDistances
from recipes.climategan.inference import evaluating
from recipes.climategan.model import ClimateGAN, Prediction
from recipes.data import Data, batches

Scores = dict[str, float]
Predict = Callable[[Tensor], Prediction]
Paint = Callable[[Tensor, Tensor], Tensor]

_BATCH = 8
_PRIOR_FRAMES = 256


def evaluate(
    model: ClimateGAN, data: Data, runtime: Runtime, *, distances: PaintedDistances | None = None
) -> Scores:
    """Score the model on the held-out frames of s, r and rf: whatever it predicts and the lists tell the truth of.

    Args:
        model: the model, whose mode is left as it was.
        data: the held-out frames.
        runtime: where to compute.
        distances: also compare the painted floods as a set.

    Returns:
        By ``<domain>/<metric>``: ``mask_iou`` and ``seg_miou`` in [0, 1], higher is better; ``depth_abs_rel``,
        lower is better, after aligning scale and shift; for rf ``l1_in_mask`` (black to white is 1, lower is
        better) and ``ssim_in_mask`` (higher is better) of painted against truly flooded streets; with
        ``distances`` also ``fid`` and ``kid``, lower is better, where their network can be had.
    """

    def predict(x: Tensor) -> Prediction:
        seen = model(x)
        depth = None if seen.depth is None else seen.inverse_depth.float()
        segmentation = None if seen.segmentation is None else seen.segmentation.float()
        return Prediction(depth, segmentation, None if seen.mask is None else seen.mask.float().sigmoid())

    with evaluating(model), torch.no_grad(), runtime.autocast():
        return _score(
            None if model.masker is None else predict,
            None if model.painter is None else model.paint,
            data,
            runtime,
            distances,
        )


def evaluate_baseline(model: ClimateGAN, data: Data, runtime: Runtime) -> Scores:
    """Score the trivial answer to what ``model`` answers: at every pixel the training frames' mean mask, depth and
    commonest class of domain s; for every drop of water the mean water colour of domain rf."""
    with torch.no_grad():
        return _score(
            None if model.masker is None or "s" not in data.train_lists else _prior(data, runtime),
            None if model.painter is None else _mean_water(data),
            data,
            runtime,
        )


def _prior(data: Data, runtime: Runtime) -> Predict:
    frames = data.training_frames("s")
    counts = torch.zeros(len(LABELS), data.size, data.size)
    depth, mask = torch.zeros(1, data.size, data.size), torch.zeros(1, data.size, data.size)
    told = dict.fromkeys("sdm", 0)
    for index in range(min(len(frames), _PRIOR_FRAMES)):
        sample = frames.sample(index)
        for task in (task for task in told if task in sample):
            told[task] += 1
        if "s" in sample:
            counts += F.one_hot(sample["s"], len(LABELS)).permute(2, 0, 1)
        if "d" in sample:
            depth += sample["d"]
        if "m" in sample:
            mask += sample["m"]
    prior = {
        task: (value / told[task])[None].to(runtime.device)
        for task, value in {"d": depth, "s": counts, "m": mask}.items()
        if told[task]
    }

    def predict(x: Tensor) -> Prediction:
        return Prediction(*(prior[t].expand(len(x), -1, -1, -1) if t in prior else None for t in "dsm"))

    return predict


def _mean_water(data: Data) -> Paint:
    colour = _water_colour(data)

    def paint(x: Tensor, m: Tensor) -> Tensor:
        return x * (1 - m) + colour.to(x.device) * m

    return paint


def _water_colour(data: Data) -> Tensor:
    frames = data.training_frames("rf")
    total, count = torch.zeros(3), torch.zeros(())
    for index in range(min(len(frames), _PRIOR_FRAMES)):
        sample = frames.sample(index)
        total += (sample["x"] * sample["m"]).sum((1, 2))
        count += sample["m"].sum()
    return (total / count.clamp(min=1))[None, :, None, None]


def _score(
    predict: Predict | None,
    paint: Paint | None,
    data: Data,
    runtime: Runtime,
    distances: PaintedDistances | None = None,
) -> Scores:
    scores: Scores = {}
    for domain in ("s", "r", "kitti"):
        if predict is not None and domain in data.val_lists:
            found = _score_masker(predict, data.held_out(domain), runtime)
            scores |= {f"{domain}/{key}": value for key, value in found.items()}
    if paint is not None and "rf" in data.val_lists:
        found = _score_painter(paint, data, runtime) if data.knows_floods else {}
        if distances is not None:
            found |= distances(paint, _dry(data), _real_floods(data), runtime)
        scores |= {f"rf/{key}": value for key, value in found.items()}
    return scores


def _score_masker(predict: Predict, frames: DomainDataset, runtime: Runtime) -> Scores:
    confusion = torch.zeros(len(LABELS), len(LABELS), dtype=torch.long)
    found: dict[str, list[tuple[Tensor, Tensor]]] = {"d": [], "m": []}
    for batch in _batches(frames):
        seen = predict(runtime.to_device(batch)["x"])
        size = batch["x"].shape[-2:]
        if seen.segmentation is not None and "s" in batch:
            logits = F.interpolate(seen.segmentation.cpu(), size, mode="bilinear", align_corners=False)
            confusion += confusion_matrix(logits.argmax(1), batch["s"], len(LABELS))
        if seen.depth is not None and "d" in batch:
            depth = F.interpolate(seen.depth.cpu(), size, mode="bilinear", align_corners=False)
            found["d"].append((depth, batch["d"]))
        if seen.mask is not None and "m" in batch:
            found["m"].append((seen.mask.cpu(), batch["m"]))
    scores: Scores = {}
    if found["m"]:
        scores["mask_iou"] = float(mask_iou(*_joined(found["m"])))
    if confusion.any():
        scores["seg_miou"] = float(mean_iou(confusion))
    if found["d"]:
        scores["depth_abs_rel"] = float(aligned_abs_rel(*_joined(found["d"])))
    return scores


def _joined(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    predicted, true = zip(*pairs, strict=True)
    return torch.cat(predicted), torch.cat(true)


def _dry(data: Data) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures to paint, and the masks to paint under, of the held-out list."""
    for batch in _batches(data.held_out("rf")):
        yield batch["x"], batch["m"]


def _real_floods(data: Data) -> Iterator[Tensor]:
    """Real floods: those held out, where they are known to be flooded, otherwise those of training."""
    frames = data.flooded() if data.knows_floods else data.training_frames("rf")
    for batch in _batches(frames):
        yield batch["x"]


def _score_painter(paint: Paint, data: Data, runtime: Runtime) -> Scores:
    painted, flooded, masks = [], [], []
    for (dry, m), wet in zip(_dry(data), _real_floods(data), strict=True):
        painted.append(paint(dry.to(runtime.device), m.to(runtime.device)).float().cpu())
        flooded.append(wet)
        masks.append(m)
    fake, real, mask = torch.cat(painted), torch.cat(flooded), torch.cat(masks)
    return {
        "l1_in_mask": float(l1_in_mask(fake, real, mask)),
        "ssim_in_mask": float(ssim_in_mask(fake, real, mask)),
    }


def _batches(frames: DomainDataset) -> Iterator[dict[str, Tensor]]:
    return batches(frames, _BATCH)
