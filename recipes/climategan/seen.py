"""What the losses read from a prediction, in full precision."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gancomponents.layers.precision import full_precision
from gancomponents.losses import advent_input
from recipes.climategan.model import Masker, Prediction


class Seen:
    """A prediction with what the losses derive from it, in at least fp32; None where nothing was predicted.

    Attributes:
        depth: inverse depth (B, 1, h, w), or logits of its buckets.
        classes: class probabilities (B, 11, h, w), from ``class_logits``.
        water: probabilities of [water, dry] (B, 2, H, W), from ``water_logits``.
        entropies: the inputs of the AdvEnt critics by task, weighted by depth where that is fused (DADA).
    """

    def __init__(self, prediction: Prediction, masker: Masker):
        self.depth, self.class_logits, self.water_logits = (
            None if t is None else full_precision(t) for t in prediction
        )
        self.classes = None if self.class_logits is None else self.class_logits.softmax(1)
        self.water: Tensor | None = None
        if self.water_logits is not None:
            water = self.water_logits.sigmoid()
            self.water = torch.cat([water, 1 - water], 1)
        self.entropies: dict[str, Tensor] = {}
        if self.classes is not None:
            weight = self._weight(self.classes) if masker.fuse_segmentation else None
            self.entropies["s"] = advent_input(self.classes, weight)
        if self.water is not None:
            weight = self._weight(self.water) if masker.fuse_mask else None
            self.entropies["m"] = advent_input(self.water, weight)

    @property
    def mask(self) -> Tensor:
        """The probability of water (B, 1, H, W)."""
        assert self.water is not None, "asked of a masker without a mask decoder"
        return self.water[:, :1]

    def _weight(self, like: Tensor) -> Tensor:
        assert self.depth is not None, "fusion needs a depth decoder, which the masker checks"
        return F.interpolate(self.depth.detach(), like.shape[-2:], mode="nearest")
