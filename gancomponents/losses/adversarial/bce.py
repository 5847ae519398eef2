"""The cross-entropy game: the non-saturating loss, and the same with noisy labels."""

from torch import Tensor, nn
from torch.nn import functional

from gancomponents.losses._scores import Scores
from gancomponents.losses.adversarial._labels import against_label, check_noise


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
    return against_label(
        scores,
        is_real,
        _cross_entropy,
        label_smoothing=label_smoothing,
        flip_probability=flip_probability,
        alternating_flips=alternating_flips,
    )


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


class NonSaturatingLoss(nn.Module):
    """The original GAN loss with the non-saturating generator, Goodfellow et al. 2014, Eq. (1) and section 3.

    ``bce_generator_loss`` and ``bce_discriminator_loss`` without label noise; ``BCEGANLoss`` has the noise.

    Shape:
        scores: logits of any shape, or lists of features, scores last; both methods return a scalar.

    >>> import torch
    >>> round(float(NonSaturatingLoss().discriminator(torch.zeros(2, 1), torch.zeros(2, 1))), 4)
    1.3863
    """

    def generator(self, fake_scores: Scores, real_scores: Scores | None = None) -> Tensor:
        """How far the fakes are from passing for real; real scores play no part."""
        return bce_generator_loss(fake_scores)

    def discriminator(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        """How far the discriminator is from telling real from fake."""
        return bce_discriminator_loss(real_scores, fake_scores)


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
        check_noise(label_smoothing, flip_probability)
        self.label_smoothing = label_smoothing
        self.flip_probability = flip_probability
        self.noisy_generator = noisy_generator
        self.noisy_fake = noisy_fake
        self.alternating_flips = alternating_flips

    def generator(self, fake_scores: Scores, real_scores: Scores | None = None) -> Tensor:
        """How far the fakes are from passing for real; real scores play no part."""
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
