"""The Wasserstein game; it wants a critic held to a slope, by a penalty or by clipped weights."""

from torch import Tensor, nn

from gancomponents.losses._scores import Scores, final_scores, mean_over_scales


def wasserstein_generator_loss(fake_scores: Scores) -> Tensor:
    """-mean of the scores of fakes: Arjovsky et al. 2017, Algorithm 1, line 10.

    Shape:
        fake_scores: any shape, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> float(wasserstein_generator_loss(torch.ones(2, 1)))
    -1.0
    """
    return mean_over_scales([-score.mean() for score in final_scores(fake_scores)])


def wasserstein_discriminator_loss(real_scores: Scores, fake_scores: Scores) -> Tensor:
    """mean f - mean r, minus the estimate of the distance: Arjovsky et al. 2017, Algorithm 1, line 5.

    Shape:
        real_scores, fake_scores: any shape, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> float(wasserstein_discriminator_loss(torch.ones(2, 1), -torch.ones(2, 1)))
    -2.0
    """
    real = mean_over_scales([score.mean() for score in final_scores(real_scores)])
    return mean_over_scales([score.mean() for score in final_scores(fake_scores)]) - real


class WassersteinLoss(nn.Module):
    """The Wasserstein GAN loss, Arjovsky et al. 2017, Algorithm 1.

    The loss alone bounds nothing: call ``clip_weights`` after each step of the critic (WGAN), or add
    ``gradient_penalty`` (WGAN-GP).

    Shape:
        scores: any shape, or lists of features, scores last; both methods return a scalar.

    >>> import torch
    >>> float(WassersteinLoss().discriminator(torch.ones(2, 1), torch.zeros(2, 1)))
    -1.0
    """

    def generator(self, fake_scores: Scores, real_scores: Scores | None = None) -> Tensor:
        """How far the fakes are from passing for real; real scores play no part."""
        return wasserstein_generator_loss(fake_scores)

    def discriminator(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        """How far the critic is from telling real from fake."""
        return wasserstein_discriminator_loss(real_scores, fake_scores)
