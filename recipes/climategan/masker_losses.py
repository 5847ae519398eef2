"""The terms of the masker's loss (ClimateGAN, Schmidt et al. 2022, section 3.1)."""

from collections.abc import Collection, Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.losses import (
    AdvEntLoss,
    GroundIntersectionLoss,
    MinEntropyLoss,
    SIGMLoss,
    TotalVariationLoss,
)
from gancomponents.training import Losses
from recipes.climategan.critics import Critics
from recipes.climategan.seen import Seen
from recipes.climategan.terms import Terms

# The published weights, by term. The names are those of the log, without part and domain.
MASKER_WEIGHTS = {
    "d/depth": 1.0,
    "s/cross_entropy": 1.0,
    "s/pseudo_cross_entropy": 0.001,
    "s/min_entropy": 0.001,
    "s/advent": 0.001,
    "m/bce": 1.0,
    "m/tv": 1.0,
    "m/ground_intersection": 0.05,
    "m/min_entropy": 0.5,
    "m/advent": 1.0,
    "m/painter": 1.0,
}

#: Simulated, real, and Virtual KITTI 2, which teaches depth and classes as s does.
MASKER_DOMAINS = ("s", "r", "kitti")


class MaskerLosses(nn.Module):
    """The terms of the masker: supervised on domains s and kitti, unsupervised on r, smooth on s and r.

    Args:
        weights: those of `MASKER_WEIGHTS` that differ. ``s/pseudo_cross_entropy`` and, on r, ``d/depth`` count
            while the phases ``pseudo/s`` and ``pseudo/d`` are on; ``m/painter`` while ``painter_for_masker`` is.
        depth: compares predicted with true inverse depth.
        segmentation_entropy: of the class probabilities, on r.
        mask_entropy: of [water, dry], on r; it also penalises the variance of the entropy.
        advent: the generator's side of both AdvEnt objectives.
        ground: compares the mask with the (pseudo) ground, on r.
    """

    def __init__(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        depth: nn.Module | None = None,
        segmentation_entropy: nn.Module | None = None,
        mask_entropy: nn.Module | None = None,
        advent: AdvEntLoss | None = None,
        ground: nn.Module | None = None,
    ):
        super().__init__()
        self.terms = Terms("masker", MASKER_WEIGHTS, weights or {})
        self.depth = depth or SIGMLoss()
        self.segmentation_entropy = segmentation_entropy or MinEntropyLoss()
        self.mask_entropy = mask_entropy or MinEntropyLoss(variance_weight=0.1)
        self.advent = advent or AdvEntLoss()
        self.ground = ground or GroundIntersectionLoss()
        self.total_variation = TotalVariationLoss()

    def forward(
        self,
        seen: Seen,
        data: Mapping[str, Any],
        domain: str,
        critics: Critics,
        on: Collection[str] = (),
    ) -> Losses:
        """The terms of one domain, for what the masker saw in it, with these phases on."""
        losses: Losses = {}
        self._labelled(losses, seen, data, domain, on)
        if domain != "kitti" and seen.water is not None:
            self.terms.add(losses, "m/tv", domain, lambda: self.total_variation(seen.mask))
        if domain == "r":
            self._unsupervised(losses, seen, data, critics)
        return losses

    def _labelled(
        self, losses: Losses, seen: Seen, data: Mapping[str, Any], domain: str, on: Collection[str]
    ) -> None:
        add, real = self.terms.add, domain == "r"
        depth, logits, water = seen.depth, seen.class_logits, seen.water_logits
        if depth is not None and "d" in data and (not real or "pseudo/d" in on):
            add(losses, "d/depth", domain, lambda: self.depth(_told(depth, data, "d"), data["d"]))
        if logits is not None and "s" in data and (not real or "pseudo/s" in on):
            name = "s/pseudo_cross_entropy" if real else "s/cross_entropy"
            add(losses, name, domain, lambda: F.cross_entropy(_told(logits, data, "s"), data["s"]))
        if water is not None and "m" in data and not real:
            bce = F.binary_cross_entropy_with_logits
            add(losses, "m/bce", domain, lambda: bce(_told(water, data, "m"), data["m"].to(water.dtype)))

    def _unsupervised(self, losses: Losses, seen: Seen, data: Mapping[str, Any], critics: Critics) -> None:
        add, advent, entropies = self.terms.add, self.advent, seen.entropies
        classes, water = seen.classes, seen.water
        if classes is not None:
            add(losses, "s/min_entropy", "r", lambda: self.segmentation_entropy(classes))
            if (segmentation := critics.segmentation) is not None:
                add(losses, "s/advent", "r", lambda: advent.generator(segmentation(entropies["s"])))
        if water is not None:
            if "m" in data:
                ground = lambda: self.ground(_told(seen.mask, data, "m"), data["m"])  # noqa: E731
                add(losses, "m/ground_intersection", "r", ground)
            add(losses, "m/min_entropy", "r", lambda: self.mask_entropy(water))
            if (mask := critics.mask) is not None:
                add(losses, "m/advent", "r", lambda: advent.generator(mask(entropies["m"])))


def _told(prediction: Tensor, data: Mapping[str, Any], task: str) -> Tensor:
    """What was predicted for the samples whose list tells this task (`gancomponents.data.loader.collate`)."""
    rows = data.get(f"{task}_rows")
    return prediction if rows is None else prediction[rows]
