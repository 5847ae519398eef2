"""How well a ClimateGAN does on held-out frames, beside what knowing only the training set's averages gives."""

from collections.abc import Callable

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
from recipes.climategan.model import ClimateGAN
from recipes.data import Data

Scores = dict[str, float]
Predict = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
Paint = Callable[[Tensor, Tensor], Tensor]

_BATCH = 8
_PRIOR_FRAMES = 256


def evaluate(model: ClimateGAN, data: Data, runtime: Runtime) -> Scores:
    """Score the model on the held-out frames of s, r and rf.

    Returns:
        By ``<domain>/<metric>``: ``mask_iou`` and ``seg_miou`` in [0, 1], higher is better; ``depth_abs_rel``,
        lower is better, after aligning scale and shift; for rf ``l1_in_mask`` (black to white is 1, lower is
        better) and ``ssim_in_mask`` (higher is better) of painted against truly flooded streets.
    """

    def predict(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = model(x)
        return seen.depth.float(), seen.segmentation.float(), seen.mask.float().sigmoid()

    was_training = model.training
    model.eval()
    with torch.no_grad(), runtime.autocast():
        scores = _score(predict, model.paint, data, runtime)
    model.train(was_training)
    return scores


def evaluate_baseline(data: Data, runtime: Runtime) -> Scores:
    """Score the trivial answer: at every pixel the training frames' mean mask, depth and commonest class of
    domain s; for every drop of water the mean water colour of domain rf."""
    frames = data.training_frames("s")
    counts = torch.zeros(len(LABELS), data.size, data.size)
    depth, mask = torch.zeros(1, data.size, data.size), torch.zeros(1, data.size, data.size)
    indices = range(min(len(frames), _PRIOR_FRAMES))
    for index in indices:
        sample = frames.sample(index)
        counts += F.one_hot(sample["s"], len(LABELS)).permute(2, 0, 1)
        depth += sample["d"] / len(indices)
        mask += sample["m"] / len(indices)
    colour = _water_colour(data)
    prior = [t[None].to(runtime.device) for t in (depth, counts, mask)]

    def predict(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        depth_prior, class_prior, mask_prior = (t.expand(x.shape[0], -1, -1, -1) for t in prior)
        return depth_prior, class_prior, mask_prior

    def paint(x: Tensor, m: Tensor) -> Tensor:
        return x * (1 - m) + colour.to(x.device) * m

    with torch.no_grad():
        return _score(predict, paint, data, runtime)


def _water_colour(data: Data) -> Tensor:
    frames = data.training_frames("rf")
    total, count = torch.zeros(3), torch.zeros(())
    for index in range(min(len(frames), _PRIOR_FRAMES)):
        sample = frames.sample(index)
        total += (sample["x"] * sample["m"]).sum((1, 2))
        count += sample["m"].sum()
    return (total / count.clamp(min=1))[None, :, None, None]


def _score(predict: Predict, paint: Paint, data: Data, runtime: Runtime) -> Scores:
    scores: Scores = {}
    for domain in ("s", "r"):
        if domain in data.val_lists:
            scores |= {
                f"{domain}/{k}": v for k, v in _score_masker(predict, data.held_out(domain), runtime).items()
            }
    if "rf" in data.val_lists:
        scores |= {f"rf/{key}": value for key, value in _score_painter(paint, data, runtime).items()}
    return scores


def _score_masker(predict: Predict, frames: DomainDataset, runtime: Runtime) -> Scores:
    confusion = torch.zeros(len(LABELS), len(LABELS), dtype=torch.long)
    masks, true_masks, depths, true_depths = [], [], [], []
    for batch in _batches(frames):
        depth, segmentation, mask = (t.cpu() for t in predict(runtime.to_device(batch)["x"]))
        size = batch["x"].shape[-2:]
        labels = F.interpolate(segmentation, size, mode="bilinear", align_corners=False).argmax(1)
        confusion += confusion_matrix(labels, batch["s"], len(LABELS))
        depths.append(F.interpolate(depth, size, mode="bilinear", align_corners=False))
        true_depths.append(batch["d"])
        masks.append(mask)
        true_masks.append(batch["m"])
    return {
        "mask_iou": float(mask_iou(torch.cat(masks), torch.cat(true_masks))),
        "seg_miou": float(mean_iou(confusion)),
        "depth_abs_rel": float(aligned_abs_rel(torch.cat(depths), torch.cat(true_depths))),
    }


def _score_painter(paint: Paint, data: Data, runtime: Runtime) -> Scores:
    painted, flooded, masks = [], [], []
    pairs = zip(_batches(data.held_out("rf")), _batches(data.flooded()), strict=True)
    for dry, wet in pairs:
        moved = runtime.to_device(dry)
        painted.append(paint(moved["x"], moved["m"]).float().cpu())
        flooded.append(wet["x"])
        masks.append(dry["m"])
    fake, real, mask = torch.cat(painted), torch.cat(flooded), torch.cat(masks)
    return {
        "l1_in_mask": float(l1_in_mask(fake, real, mask)),
        "ssim_in_mask": float(ssim_in_mask(fake, real, mask)),
    }


def _batches(frames: DomainDataset) -> list[dict[str, Tensor]]:
    samples = [frames.sample(index) for index in range(len(frames))]
    groups = [samples[start : start + _BATCH] for start in range(0, len(samples), _BATCH)]
    return [{k: torch.stack([s[k] for s in g]) for k in g[0] if isinstance(g[0][k], Tensor)} for g in groups]
