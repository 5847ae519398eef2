"""Adversarial losses: one pair of functions and one Module with ``generator`` and ``discriminator`` each."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from gancomponents.losses._scores import Scores, final_scores, mean_over_scales


def _cross_entropy(scores: Tensor, target: Tensor | float) -> Tensor:
    # -(t log sigmoid(s) + (1 - t) log(1 - sigmoid(s))) = softplus(s) - t s; the target may be a scalar
    # tensor.
    return (functional.softplus(scores) - target * scores).mean()


def bce_loss(
    scores: Scores,
    is_real: bool,
    *,
    label_smoothing: float = 0.0,
    flip_probability: float = 0.0,
    alternating_flips: bool = False,
) -> Tensor:
    """Binary cross-entropy of scores against one label, smoothed and now and then flipped.

    Goodfellow et al. 2014, Eq. (1), with the noisy labels of Salimans et al. 2016, section 3.4. The target is
    1 - e (real) or e (fake), with e uniform in [0, ``label_smoothing``] drawn once per scale.

    Args:
        scores: logits.
        is_real: the label before noise.
        label_smoothing: the largest distance of a target from its label.
        flip_probability: chance that this call swaps real and fake, one decision for all scales.
        alternating_flips: as upstream: a flipped call swaps the labels of scales 0, 2, 4, ... only.

    Shape:
        scores: any, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> round(float(bce_loss(torch.zeros(2, 1, 4, 4), True)), 4)
    0.6931
    """
    maps = final_scores(scores)
    label = 1.0 if is_real else 0.0
    if label_smoothing == 0 and flip_probability == 0:
        return mean_over_scales([_cross_entropy(score, label) for score in maps])
    draws = torch.rand(len(maps) + 1, device=maps[0].device, dtype=maps[0].dtype)
    flip = (draws[-1] < flip_probability).to(draws.dtype)
    terms = []
    for scale, score in enumerate(maps):
        swapped = flip if not alternating_flips or scale % 2 == 0 else torch.zeros_like(flip)
        real = label + (1 - 2 * label) * swapped  # the label, or 1 - label when flipped
        target = real + (1 - 2 * real) * label_smoothing * draws[scale]  # 1 - e or e
        terms.append(_cross_entropy(score, target))
    return mean_over_scales(terms)


def bce_generator_loss(fake_scores: Scores) -> Tensor:
    """The non-saturating generator loss, -log sigmoid(scores of fakes), Goodfellow et al. 2014, section 3.

    Shape:
        fake_scores: logits of any shape, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> round(float(bce_generator_loss(torch.zeros(2, 1))), 4)
    0.6931
    """
    return bce_loss(fake_scores, True)


def bce_discriminator_loss(
    real_scores: Scores, fake_scores: Scores, *, label_smoothing: float = 0.0, flip_probability: float = 0.0
) -> Tensor:
    """Cross-entropy of real scores against 1 (with label noise) plus that of fake scores against 0.

    Goodfellow et al. 2014, Eq. (1); one-sided label noise as in Salimans et al. 2016, section 3.4.

    Shape:
        real_scores, fake_scores: logits of any shape, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> round(float(bce_discriminator_loss(torch.zeros(2, 1), torch.zeros(2, 1))), 4)
    1.3863
    """
    real = bce_loss(real_scores, True, label_smoothing=label_smoothing, flip_probability=flip_probability)
    return real + bce_loss(fake_scores, False)


class BCEGANLoss(nn.Module):
    """The cross-entropy GAN loss with noisy labels, the painter's default.

    Goodfellow et al. 2014, Eq. (1); one-sided smoothing and flips of the labels as in Salimans et al. 2016,
    section 3.4. Noise touches only the real targets of the discriminator and only in training mode; it is
    drawn on the device, one flip decision per call. Upstream has noise everywhere and flips every
    second scale: ``noisy_generator=True, noisy_fake=True, alternating_flips=True``.

    Args:
        label_smoothing: real targets are uniform in [1 - label_smoothing, 1], one draw per scale.
        flip_probability: chance that a call swaps the labels.
        noisy_generator: the generator's targets are noisy too.
        noisy_fake: the discriminator's fake targets are noisy too.
        alternating_flips: a flip reaches only every second scale.

    Shape:
        scores: logits of any shape, or lists of features, scores last; both methods return a scalar.

    Raises:
        ValueError: a probability or a smoothing outside [0, 1].

    >>> import torch
    >>> loss = BCEGANLoss(label_smoothing=0.0, flip_probability=0.0)
    >>> round(float(loss.generator(torch.zeros(2, 1, 4, 4))), 4)
    0.6931
    >>> round(float(loss.discriminator(torch.zeros(2, 1), torch.zeros(2, 1))), 4)
    1.3863
    """

    def __init__(
        self,
        label_smoothing: float = 0.2,
        flip_probability: float = 0.05,
        noisy_generator: bool = False,
        *,
        noisy_fake: bool = False,
        alternating_flips: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (("label_smoothing", label_smoothing), ("flip_probability", flip_probability)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {value}: 0 switches it off")
        self.label_smoothing = label_smoothing
        self.flip_probability = flip_probability
        self.noisy_generator = noisy_generator
        self.noisy_fake = noisy_fake
        self.alternating_flips = alternating_flips

    def generator(self, fake_scores: Scores) -> Tensor:
        """How far the fakes are from passing for real."""
        return self._loss(fake_scores, True, noisy=self.noisy_generator)

    def discriminator(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        """How far the discriminator is from telling real from fake."""
        real = self._loss(real_scores, True, noisy=True)
        return real + self._loss(fake_scores, False, noisy=self.noisy_fake)

    def _loss(self, scores: Scores, is_real: bool, *, noisy: bool) -> Tensor:
        noisy = noisy and self.training
        return bce_loss(
            scores,
            is_real,
            label_smoothing=self.label_smoothing if noisy else 0.0,
            flip_probability=self.flip_probability if noisy else 0.0,
            alternating_flips=self.alternating_flips,
        )

    def extra_repr(self) -> str:
        return f"label_smoothing={self.label_smoothing}, flip_probability={self.flip_probability}"


def least_squares_generator_loss(fake_scores: Scores) -> Tensor:
    """mean (s - 1)^2 over the scores of fakes: Mao et al. 2017, Eq. (9), without its factor 1/2.

    Shape:
        fake_scores: any shape, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> float(least_squares_generator_loss(torch.zeros(2, 1)))
    1.0
    """
    return mean_over_scales([(score - 1).square().mean() for score in final_scores(fake_scores)])


def least_squares_discriminator_loss(real_scores: Scores, fake_scores: Scores) -> Tensor:
    """mean (r - 1)^2 + mean f^2: Mao et al. 2017, Eq. (9), without its factor 1/2.

    Shape:
        real_scores, fake_scores: any shape, or lists of features, scores last; returns a scalar.

    >>> import torch
    >>> float(least_squares_discriminator_loss(torch.ones(2, 1), torch.ones(2, 1)))
    1.0
    """
    real = mean_over_scales([(score - 1).square().mean() for score in final_scores(real_scores)])
    return real + mean_over_scales([score.square().mean() for score in final_scores(fake_scores)])


class LeastSquaresGANLoss(nn.Module):
    """The least-squares GAN loss, Mao et al. 2017, Eq. (9), without its factors 1/2.

    Shape:
        scores: any shape, or lists of features, scores last; both methods return a scalar.

    >>> import torch
    >>> float(LeastSquaresGANLoss().generator(torch.zeros(2, 1, 4, 4)))
    1.0
    """

    def generator(self, fake_scores: Scores) -> Tensor:
        """How far the fakes are from passing for real."""
        return least_squares_generator_loss(fake_scores)

    def discriminator(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        """How far the discriminator is from telling real from fake."""
        return least_squares_discriminator_loss(real_scores, fake_scores)


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

    def generator(self, fake_scores: Scores) -> Tensor:
        """How far the fakes are from passing for real."""
        return hinge_generator_loss(fake_scores)

    def discriminator(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        """How far the discriminator is from telling real from fake."""
        return hinge_discriminator_loss(real_scores, fake_scores)
