"""What ClimateGAN's generator and critics are trained on (ClimateGAN, Schmidt et al. 2022, section 3)."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.losses import (
    AdvEntLoss,
    AdversarialLoss,
    BCEGANLoss,
    FeatureMatchingLoss,
    GroundIntersectionLoss,
    MinEntropyLoss,
    SIGMLoss,
    TotalVariationLoss,
    VGGLoss,
    advent_input,
)
from gancomponents.training import Batch, Losses
from recipes.climategan.critics import Critics
from recipes.climategan.model import ClimateGAN, Prediction
from recipes.climategan.terms import Terms

# The published weights, by term. The names are those of the log, without part and domain.
MASKER_WEIGHTS = {
    "d/sigm": 1.0,
    "s/cross_entropy": 1.0,
    "s/min_entropy": 0.001,
    "s/advent": 0.001,
    "m/bce": 1.0,
    "m/tv": 1.0,
    "m/ground_intersection": 0.05,
    "m/min_entropy": 0.5,
    "m/advent": 1.0,
}
PAINTER_WEIGHTS = {"p/gan": 1.0, "p/vgg": 10.0, "p/feature_matching": 10.0}
CRITIC_WEIGHTS = {"s/advent": 1.0, "m/advent": 1.0, "p/gan": 1.0}

MASKER_DOMAINS = ("s", "r")


class MaskerLosses(nn.Module):
    """The terms of the masker: supervised on domain s, unsupervised on r, smooth on both.

    Args:
        weights: those of `MASKER_WEIGHTS` that differ.
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

    def forward(self, seen: "Seen", data: Mapping[str, Any], domain: str, critics: Critics) -> Losses:
        """The terms of one domain, for what the masker saw in it."""
        losses: Losses = {}
        if domain == "s":
            self._supervised(losses, seen, data, domain)
        self.terms.add(losses, "m/tv", domain, lambda: self.total_variation(seen.water[:, :1]))
        if domain == "r":
            self._unsupervised(losses, seen, data, domain, critics)
        return losses

    def _supervised(self, losses: Losses, seen: "Seen", data: Mapping[str, Any], domain: str) -> None:
        add = self.terms.add
        if "d" in data:
            add(losses, "d/sigm", domain, lambda: self.depth(seen.depth, data["d"]))
        if "s" in data:
            add(losses, "s/cross_entropy", domain, lambda: F.cross_entropy(seen.class_logits, data["s"]))
        if "m" in data:
            bce = F.binary_cross_entropy_with_logits
            add(losses, "m/bce", domain, lambda: bce(seen.water_logits, data["m"]))

    def _unsupervised(
        self, losses: Losses, seen: "Seen", data: Mapping[str, Any], domain: str, critics: Critics
    ) -> None:
        add, advent = self.terms.add, self.advent
        add(losses, "s/min_entropy", domain, lambda: self.segmentation_entropy(seen.classes))
        add(losses, "s/advent", domain, lambda: advent.generator(critics.segmentation(seen.class_entropy())))
        if "m" in data:
            add(losses, "m/ground_intersection", domain, lambda: self.ground(seen.water[:, :1], data["m"]))
        add(losses, "m/min_entropy", domain, lambda: self.mask_entropy(seen.water))
        add(losses, "m/advent", domain, lambda: advent.generator(critics.mask(seen.water_entropy())))


class Seen:
    """A prediction with what the losses derive from it, in fp32.

    Attributes:
        depth: inverse depth (B, 1, h, w).
        classes: class probabilities (B, 11, h, w), from ``class_logits``.
        water: probabilities of [water, dry] (B, 2, H, W), from ``water_logits``.
    """

    def __init__(self, prediction: Prediction, *, weigh_classes: bool, weigh_water: bool):
        self.depth, self.class_logits, self.water_logits = (t.float() for t in prediction)
        self.classes = self.class_logits.softmax(1)
        water = self.water_logits.sigmoid()
        self.water = torch.cat([water, 1 - water], 1)
        self._weigh_classes, self._weigh_water = weigh_classes, weigh_water

    def class_entropy(self) -> Tensor:
        """The input of the segmentation's critic: entropy maps, weighted by depth where that is fused (DADA)."""
        return advent_input(self.classes, self.depth.detach() if self._weigh_classes else None)

    def water_entropy(self) -> Tensor:
        """The input of the mask's critic."""
        if not self._weigh_water:
            return advent_input(self.water)
        return advent_input(
            self.water, F.interpolate(self.depth.detach(), self.water.shape[-2:], mode="nearest")
        )


class PainterLosses(nn.Module):
    """The terms of the painter on real flooded streets, domain rf.

    Args:
        weights: those of `PAINTER_WEIGHTS` that differ.
        adversarial: the generator's side of the game.
        perceptual: compares painted with real water.
        matching: compares the critic's features of both pictures.
    """

    def __init__(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        adversarial: AdversarialLoss | None = None,
        perceptual: nn.Module | None = None,
        matching: nn.Module | None = None,
    ):
        super().__init__()
        self.terms = Terms("painter", PAINTER_WEIGHTS, weights or {})
        self.adversarial = adversarial or BCEGANLoss()
        self.perceptual = VGGLoss() if perceptual is None and self.terms.wants("p/vgg") else perceptual
        self.matching = matching or FeatureMatchingLoss()

    def forward(self, fake: Tensor, x: Tensor, mask: Tensor, critics: Critics) -> Losses:
        """The terms for ``fake`` painted into ``x`` (B, 3, H, W) under ``mask`` (B, 1, H, W)."""
        losses: Losses = {}
        add, perceptual = self.terms.add, self.perceptual
        if perceptual is not None:
            add(losses, "p/vgg", "rf", lambda: perceptual(fake * mask, x * mask))
        if self.terms.wants("p/gan") or self.terms.wants("p/feature_matching"):
            real, judged = critics.painter.compare(torch.cat([mask, x], 1), torch.cat([mask, fake], 1))
            add(losses, "p/gan", "rf", lambda: self.adversarial.generator(judged, real))
            add(losses, "p/feature_matching", "rf", lambda: self.matching(real, judged))
        return losses


class GeneratorObjective(nn.Module):
    """The generator's objective: it owns the model, and borrows the critics that judge it.

    Args:
        model: the networks to train.
        critics: the networks to convince; they are not trained here.
        masker: the masker's terms.
        painter: the painter's terms.
    """

    def __init__(
        self,
        model: ClimateGAN,
        critics: Critics,
        *,
        masker: MaskerLosses | None = None,
        painter: PainterLosses | None = None,
    ):
        super().__init__()
        self.model = model
        self.masker = masker or MaskerLosses()
        self.painter = painter or PainterLosses()
        self._borrowed = (critics,)  # in a tuple, so that they do not become parameters of this objective

    def forward(self, batch: Batch, shared: Mapping[str, Any]) -> tuple[Losses, dict[str, Any]]:
        """Losses by name, and for the critics: what was seen in each masker domain, what was painted in rf."""
        (critics,) = self._borrowed
        losses: Losses = {}
        outputs: dict[str, Any] = {}
        for domain in MASKER_DOMAINS:
            if domain in batch:
                seen = self._see(batch[domain]["x"])
                losses |= self.masker(seen, batch[domain], domain, critics)
                entropies = {"s": seen.class_entropy().detach(), "m": seen.water_entropy().detach()}
                outputs[domain] = entropies
        if "rf" in batch:
            x, mask = batch["rf"]["x"], batch["rf"]["m"]
            fake = self.model.paint(x, mask)
            losses |= self.painter(fake, x, mask, critics)
            outputs["rf"] = fake.detach()
        return losses, outputs

    def _see(self, x: Tensor) -> Seen:
        masker = self.model.masker
        return Seen(masker(x), weigh_classes=masker.fuse_segmentation, weigh_water=masker.fuse_mask)


class CriticObjective(nn.Module):
    """The critics' objective: tell simulated from real entropy maps, and painted from real water.

    Args:
        critics: the networks to train.
        weights: those of `CRITIC_WEIGHTS` that differ.
        advent: the critics' side of both AdvEnt objectives; source s is 0, target r is 1.
        adversarial: the critic's side of the painter's game, with its label noise.
    """

    def __init__(
        self,
        critics: Critics,
        *,
        weights: Mapping[str, float] | None = None,
        advent: AdvEntLoss | None = None,
        adversarial: AdversarialLoss | None = None,
    ):
        super().__init__()
        self.critics = critics
        self.terms = Terms("critic", CRITIC_WEIGHTS, weights or {})
        self.advent = advent or AdvEntLoss()
        self.adversarial = adversarial or BCEGANLoss()

    def forward(self, batch: Batch, shared: Mapping[str, Any]) -> tuple[Losses, dict[str, Any]]:
        """Losses by name, from what `GeneratorObjective` shared; nothing is handed back."""
        losses: Losses = {}
        if all(domain in shared for domain in MASKER_DOMAINS):
            for task in ("s", "m"):
                self.terms.add(losses, f"{task}/advent", "s+r", partial(self._adapt, task, shared))
        if "rf" in shared:
            self.terms.add(losses, "p/gan", "rf", lambda: self._judge(batch["rf"], shared["rf"]))
        return losses, {}

    def _adapt(self, task: str, shared: Mapping[str, Any]) -> Tensor:
        critic = self.critics.segmentation if task == "s" else self.critics.mask
        source, target = (critic(shared[domain][task]) for domain in MASKER_DOMAINS)
        return self.advent.discriminator(source, target)

    def _judge(self, data: Mapping[str, Any], fake: Tensor) -> Tensor:
        x, mask = data["x"], data["m"]
        real_pair, fake_pair = torch.cat([mask, x], 1), torch.cat([mask, fake.to(x.dtype)], 1)
        return self.adversarial.discriminator(*self.critics.painter.compare(real_pair, fake_pair))
