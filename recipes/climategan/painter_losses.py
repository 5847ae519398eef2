"""The terms of the painter's loss (ClimateGAN, Schmidt et al. 2022, section 3.2)."""

from collections.abc import Mapping

from torch import Tensor, nn

from gancomponents.data.augment import DiffAugment
from gancomponents.losses import (
    AdversarialLoss,
    BCEGANLoss,
    ContextLoss,
    FeatureMatchingLoss,
    ReconstructionLoss,
    TotalVariationLoss,
    VGGLoss,
)
from gancomponents.training import Losses
from recipes.climategan.critics import Critics, Verdict
from recipes.climategan.terms import Terms

# The published weights, by term.
PAINTER_WEIGHTS = {
    "p/gan": 1.0,
    "p/vgg": 10.0,
    "p/feature_matching": 10.0,
    "p/tv": 0.0,
    "p/context": 0.0,
    "p/reconstruction": 0.0,
}


class PainterLosses(nn.Module):
    """The terms of the painter on real flooded streets, domain rf.

    Args:
        weights: those of `PAINTER_WEIGHTS` that differ.
        adversarial: the generator's side of the game.
        perceptual: compares painted with real water.
        matching: compares the critic's features of both pictures; of a local and global pair, the global one's.
        context, reconstruction: compare the pictures outside and inside the mask.
        augment: augments what the critic sees, real and painted alike; give the critics' objective one too.
    """

    def __init__(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        adversarial: AdversarialLoss | None = None,
        perceptual: nn.Module | None = None,
        matching: nn.Module | None = None,
        context: nn.Module | None = None,
        reconstruction: nn.Module | None = None,
        augment: DiffAugment | None = None,
    ):
        super().__init__()
        self.terms = Terms("painter", PAINTER_WEIGHTS, weights or {})
        self.adversarial = adversarial or BCEGANLoss()
        self.perceptual = VGGLoss() if perceptual is None and self.terms.wants("p/vgg") else perceptual
        self.matching = matching or FeatureMatchingLoss()
        self.context = context or ContextLoss()
        self.reconstruction = reconstruction or ReconstructionLoss()
        self.total_variation = TotalVariationLoss()
        self.augment = augment

    def forward(self, fake: Tensor, x: Tensor, mask: Tensor, critics: Critics) -> Losses:
        """The terms for ``fake`` painted into ``x`` (B, 3, H, W) under ``mask`` (B, 1, H, W)."""
        losses: Losses = {}
        add, perceptual = self.terms.add, self.perceptual
        if perceptual is not None:
            add(losses, "p/vgg", "rf", lambda: perceptual(fake * mask, x * mask))
        add(losses, "p/tv", "rf", lambda: self.total_variation(fake * mask))
        add(losses, "p/context", "rf", lambda: self.context(fake, x, mask))
        add(losses, "p/reconstruction", "rf", lambda: self.reconstruction(fake, x, mask))
        if self.terms.wants("p/gan") or self.terms.wants("p/feature_matching"):
            verdicts = judge(critics, x, fake, mask, self.augment)
            add(losses, "p/gan", "rf", lambda: self.convince(verdicts))
            add(losses, "p/feature_matching", "rf", lambda: self.matching(*next(iter(verdicts.values()))))
        return losses

    def convince(self, verdicts: Mapping[str, Verdict]) -> Tensor:
        """The generator's side of the game, summed over the critics of a pair."""
        terms = [self.adversarial.generator(painted, real) for real, painted in verdicts.values()]
        return sum(terms[1:], terms[0])


def judge(
    critics: Critics, x: Tensor, fake: Tensor, mask: Tensor, augment: DiffAugment | None
) -> dict[str, Verdict]:
    """The critics' verdicts, on augmented pictures where there is an augmentation."""
    if augment is not None:
        x, fake, mask = augment(x, fake, masks=[mask])
    return critics.judge_painting(x, fake, mask)
