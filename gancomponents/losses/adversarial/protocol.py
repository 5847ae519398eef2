"""What a training loop may expect of every adversarial loss."""

from typing import Protocol

from torch import Tensor

from gancomponents.losses._scores import Scores


class AdversarialLoss(Protocol):
    """The two sides of one game, with one signature for the whole family.

    A loop that calls ``loss.discriminator(real_scores, fake_scores)`` and
    ``loss.generator(fake_scores, real_scores)`` runs with any of them. Where computing real scores for the
    generator is too dear, ``loss.generator(fake_scores)`` does for all but relativistic losses, which say so
    in an error.

    >>> from gancomponents.losses import HingeLoss
    >>> loss: AdversarialLoss = HingeLoss()
    """

    def generator(self, fake_scores: Scores, real_scores: Scores | None = None, /) -> Tensor:
        """How far the fakes are from passing for real; a scalar."""
        ...

    def discriminator(self, real_scores: Scores, fake_scores: Scores, /) -> Tensor:
        """How far the discriminator is from telling real from fake; a scalar."""
        ...
