"""The least-squares game."""

from torch import Tensor, nn

from gancomponents.losses._scores import Scores
from gancomponents.losses.adversarial._labels import against_label


def _squared_error(scores: Tensor, target: Tensor | float) -> Tensor:
    return (scores - target).square().mean()


def least_squares_loss(
    scores: Scores,
    is_real: bool,
    *,
    label_smoothing: float = 0.0,
    flip_probability: float = 0.0,
    alternating_flips: bool = False,
) -> Tensor:
    """Squared distance of scores from one label, smoothed and now and then flipped as in ``bce_loss``.

    Mao et al. 2017, Eq. (9), without its factor 1/2.

    Args:
        scores: no logits, the label is approached from both sides.
        is_real: the label before noise.
        label_smoothing: the largest distance of a target from its label.
        flip_probability: chance that this call swaps real and fake, one decision for all scales.
        alternating_flips: as upstream: a flipped call swaps the labels of scales 0, 2, 4, ... only.

    Shape:
        scores: any, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> float(least_squares_loss(torch.zeros(2, 1, 4, 4), True))
    1.0
    """
    return against_label(
        scores,
        is_real,
        _squared_error,
        label_smoothing=label_smoothing,
        flip_probability=flip_probability,
        alternating_flips=alternating_flips,
    )


def least_squares_generator_loss(fake_scores: Scores) -> Tensor:
    """mean (s - 1)^2 over the scores of fakes: Mao et al. 2017, Eq. (9), without its factor 1/2.

    Shape:
        fake_scores: any shape, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> float(least_squares_generator_loss(torch.zeros(2, 1)))
    1.0
    """
    return least_squares_loss(fake_scores, True)


def least_squares_discriminator_loss(real_scores: Scores, fake_scores: Scores) -> Tensor:
    """mean (r - 1)^2 + mean f^2: Mao et al. 2017, Eq. (9), without its factor 1/2.

    Shape:
        real_scores, fake_scores: any shape, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> float(least_squares_discriminator_loss(torch.ones(2, 1), torch.ones(2, 1)))
    1.0
    """
    return least_squares_loss(real_scores, True) + least_squares_loss(fake_scores, False)


class LeastSquaresGANLoss(nn.Module):
    """The least-squares GAN loss, Mao et al. 2017, Eq. (9), without its factors 1/2.

    Shape:
        scores: any shape, or lists of features, scores last; both methods return a scalar.

    >>> import torch
    >>> float(LeastSquaresGANLoss().generator(torch.zeros(2, 1, 4, 4)))
    1.0
    """

    def generator(self, fake_scores: Scores, real_scores: Scores | None = None) -> Tensor:
        """How far the fakes are from passing for real; real scores play no part."""
        return least_squares_generator_loss(fake_scores)

    def discriminator(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        """How far the discriminator is from telling real from fake."""
        return least_squares_discriminator_loss(real_scores, fake_scores)
