"""The relativistic paired game: each fake is judged against one real sample."""

from torch import Tensor, nn
from torch.nn import functional

from gancomponents.losses._scores import Scores, final_scores, mean_over_scales


def _mean_softplus(higher: Scores, lower: Scores) -> Tensor:
    """Mean softplus(lower - higher): small where every score of ``higher`` is above its partner."""
    highs, lows = final_scores(higher), final_scores(lower)
    if [high.shape for high in highs] != [low.shape for low in lows]:
        raise ValueError(
            f"real_scores and fake_scores must have the same shapes, got {[tuple(s.shape) for s in highs]} and "
            f"{[tuple(s.shape) for s in lows]}: score as many reals as fakes, of one size"
        )
    return mean_over_scales(
        [functional.softplus(low - high).mean() for high, low in zip(highs, lows, strict=True)]
    )


def relativistic_generator_loss(fake_scores: Scores, real_scores: Scores) -> Tensor:
    """mean softplus(r - f): each fake shall score above its real partner.

    Jolicoeur-Martineau 2018, section 4.1 (relativistic standard GAN), which Huang et al. 2024 (R3GAN),
    section 2, call RpGAN with the logistic function.

    Shape:
        fake_scores, real_scores: the same shape, or lists of features, scores last; returns a scalar.

    Raises:
        ValueError: the shapes differ.

    >>> import torch
    >>> round(float(relativistic_generator_loss(torch.ones(2, 1), torch.ones(2, 1))), 4)
    0.6931
    """
    return _mean_softplus(fake_scores, real_scores)


def relativistic_discriminator_loss(real_scores: Scores, fake_scores: Scores) -> Tensor:
    """mean softplus(f - r): each real sample shall score above its fake partner.

    Jolicoeur-Martineau 2018, section 4.1; Huang et al. 2024 (R3GAN), section 2. R3GAN adds ``r1_penalty``
    and ``r2_penalty``.

    Shape:
        real_scores, fake_scores: the same shape, or lists of features, scores last; returns a scalar.

    Raises:
        ValueError: the shapes differ.

    >>> import torch
    >>> round(float(relativistic_discriminator_loss(torch.zeros(2, 1), torch.zeros(2, 1))), 4)
    0.6931
    """
    return _mean_softplus(real_scores, fake_scores)


class RelativisticLoss(nn.Module):
    """The relativistic paired GAN loss, Jolicoeur-Martineau 2018; Huang et al. 2024 (R3GAN), section 2.

    The only loss of its family whose generator needs the real scores.

    Shape:
        scores: the same shape for real and fake, or lists of features, scores last; both methods return a
            scalar.

    Raises:
        ValueError: the shapes differ, or the generator gets no real scores.

    >>> import torch
    >>> real, fake = torch.zeros(2, 1), torch.ones(2, 1)
    >>> loss = RelativisticLoss()
    >>> round(float(loss.generator(fake, real)), 4), round(float(loss.discriminator(real, fake)), 4)
    (0.3133, 1.3133)
    """

    def generator(self, fake_scores: Scores, real_scores: Scores | None = None) -> Tensor:
        """How far each fake is from scoring above its real partner."""
        if real_scores is None:
            raise ValueError(
                "real_scores must be given to the generator of a relativistic loss, got None: call "
                "generator(fake_scores, real_scores) with the scores of as many real samples"
            )
        return relativistic_generator_loss(fake_scores, real_scores)

    def discriminator(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        """How far each real sample is from scoring above its fake partner."""
        return relativistic_discriminator_loss(real_scores, fake_scores)
