"""The hinge game."""

from torch import Tensor, nn
from torch.nn import functional

from gancomponents.losses._scores import Scores, final_scores, mean_over_scales


def hinge_generator_loss(fake_scores: Scores) -> Tensor:
    """-mean of the scores of fakes: Lim & Ye 2017, Eq. (13); Miyato et al. 2018, Eq. (17).

    Shape:
        fake_scores: any shape, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> float(hinge_generator_loss(torch.ones(2, 1)))
    -1.0
    """
    return mean_over_scales([-score.mean() for score in final_scores(fake_scores)])


def hinge_discriminator_loss(real_scores: Scores, fake_scores: Scores) -> Tensor:
    """mean max(0, 1 - r) + mean max(0, 1 + f): Miyato et al. 2018, Eq. (16).

    Shape:
        real_scores, fake_scores: any shape, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> float(hinge_discriminator_loss(torch.ones(2, 1), -torch.ones(2, 1)))
    0.0
    """
    real = mean_over_scales([functional.relu(1 - score).mean() for score in final_scores(real_scores)])
    return real + mean_over_scales([functional.relu(1 + score).mean() for score in final_scores(fake_scores)])


class HingeLoss(nn.Module):
    """The hinge GAN loss, Lim & Ye 2017; Miyato et al. 2018, Eqs. (16) and (17).

    Shape:
        scores: any shape, or lists of features, scores last; both methods return a scalar.

    >>> import torch
    >>> float(HingeLoss().discriminator(torch.zeros(2, 1), torch.zeros(2, 1)))
    2.0
    """

    def generator(self, fake_scores: Scores, real_scores: Scores | None = None) -> Tensor:
        """How far the fakes are from passing for real; real scores play no part."""
        return hinge_generator_loss(fake_scores)

    def discriminator(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        """How far the discriminator is from telling real from fake."""
        return hinge_discriminator_loss(real_scores, fake_scores)
