"""Penalties on the critic's slope, all called ``penalty(critic, real, fake)``."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision, without_autocast
from gancomponents.losses._scores import Scores, final_scores

Critic = Callable[[Tensor], Scores]


class Penalty(Protocol):
    """What every penalty is: a scalar from a critic and the samples it has judged.

    >>> from gancomponents.losses import r1_penalty
    >>> penalty: Penalty = r1_penalty
    """

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, /) -> Tensor: ...


def _score_per_sample(scores: Scores) -> Tensor:
    """The mean of each sample's own map of scores, averaged over scales; (B,)."""
    return torch.stack([score.flatten(1).mean(1) for score in map(_batched, final_scores(scores))]).mean(0)


def _batched(score: Tensor) -> Tensor:
    if score.dim() == 0:
        raise ValueError("critic must give each sample a score, (B, ...), got one scalar: leave the mean out")
    return score[:, None] if score.dim() == 1 else score


def _slopes(critic: Critic, x: Tensor) -> Tensor:
    """The gradient of each sample's own score with respect to that sample, one row each; (B, D)."""
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad(), without_autocast(x):
        x = full_precision(x).detach().requires_grad_()
        # Samples do not meet inside a critic, so that the gradient of the sum holds each sample's own. The
        # last term lends a gradient, of zero, to scores that do not depend on the sample.
        total = _score_per_sample(critic(x)).sum() + (0 * x).sum()
        (gradient,) = torch.autograd.grad(total, x, create_graph=differentiable)
    return gradient.flatten(1)


def _check_samples(real: Tensor, fake: Tensor) -> None:
    if real.dim() < 2 or real.shape != fake.shape:
        raise ValueError(
            f"real and fake must be batches of one shape (B, ...), got {tuple(real.shape)} and "
            f"{tuple(fake.shape)}: pass as many fakes as reals, of one size"
        )


def _check_batch(name: str, x: Tensor) -> None:
    if x.dim() < 2:
        raise ValueError(f"{name} must be a batch (B, ...), got {tuple(x.shape)}: add the batch axis")


def gradient_penalty(
    critic: Critic, real: Tensor, fake: Tensor, *, target: float = 1.0, one_sided: bool = False
) -> Tensor:
    """mean ``(|gradient| - target)^2`` on random points between real and fake samples (WGAN-GP).

    Gulrajani et al. 2017, Eq. (3), without its weight (10 in the paper). Each sample has its own point and
    its own norm. The score of a sample is the mean of its map, averaged over scales.

    Runs in at least fp32 whatever autocast says. The samples are constants: only the critic gets a gradient.
    A critic that mixes samples (batch norm in training mode) has no slope of each; give it another norm.

    Args:
        critic: from samples to scores, or to lists of features, scores last.
        real: real samples.
        fake: generated samples.
        target: the wanted norm.
        one_sided: do not penalise norms below the target (section 4 of the paper).

    Shape:
        real, fake: the same (B, ...); returns a scalar, ``target ** 2`` for a constant critic.

    Raises:
        ValueError: the shapes differ.

    >>> import torch
    >>> real, fake = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    >>> float(gradient_penalty(lambda x: x.new_ones(2, 1), real, fake))
    1.0
    """
    _check_samples(real, fake)
    real, fake = full_precision(real.detach()), full_precision(fake.detach())
    t = torch.rand((real.shape[0], *[1] * (real.dim() - 1)), device=real.device, dtype=real.dtype)
    slopes = _slopes(critic, real + t * (fake - real))
    excess = torch.linalg.vector_norm(slopes, dim=1) - target
    return (excess.clamp_min(0) if one_sided else excess).square().mean()


def r1_penalty(critic: Critic, real: Tensor, fake: Tensor | None = None) -> Tensor:
    """Half the mean squared norm of the critic's gradient on real samples.

    Mescheder et al. 2018, Eq. (9), with its factor 1/2 and without gamma. The score of a sample is the mean
    of its map, averaged over scales. Runs in at least fp32 whatever autocast says; the samples are constants.

    Args:
        critic: from samples to scores, or to lists of features, scores last; see ``gradient_penalty``.
        real: real samples.
        fake: plays no part; there so that penalties swap.

    Shape:
        real: (B, ...); returns a scalar, 0 for a constant critic.

    Raises:
        ValueError: ``real`` has no batch axis.

    >>> import torch
    >>> float(r1_penalty(lambda x: 2 * x.sum((1, 2, 3)), torch.rand(5, 1, 2, 2)))  # |(2, 2, 2, 2)|^2 / 2
    8.0
    """
    _check_batch("real", real)
    return 0.5 * _slopes(critic, real).square().sum(1).mean()


def r2_penalty(critic: Critic, real: Tensor | None, fake: Tensor) -> Tensor:
    """Half the mean squared norm of the critic's gradient on fake samples.

    Mescheder et al. 2018, Eq. (10), with its factor 1/2 and without gamma; otherwise as ``r1_penalty``.

    Args:
        critic: from samples to scores, or to lists of features, scores last; see ``gradient_penalty``.
        real: plays no part; there so that penalties swap.
        fake: generated samples.

    Shape:
        fake: (B, ...); returns a scalar, 0 for a constant critic.

    Raises:
        ValueError: ``fake`` has no batch axis.

    >>> import torch
    >>> float(r2_penalty(lambda x: x.sum((1, 2, 3)), None, torch.rand(5, 1, 2, 2)))
    2.0
    """
    _check_batch("fake", fake)
    return r1_penalty(critic, fake)


def dragan_penalty(
    critic: Critic,
    real: Tensor,
    fake: Tensor | None = None,
    *,
    target: float = 1.0,
    noise_scale: float = 0.5,
) -> Tensor:
    """mean ``(|gradient| - target)^2`` on real samples with noise around them (DRAGAN).

    Kodali et al. 2017, section 2, without its weight (10 in the paper). The noise is Gaussian as in the
    paper, with ``noise_scale`` times the standard deviation of each sample: the paper leaves the scale open,
    and its code takes uniform noise of half the standard deviation of the whole batch. Otherwise as
    ``gradient_penalty``.

    Args:
        critic: from samples to scores, or to lists of features, scores last.
        real: real samples.
        fake: plays no part; there so that penalties swap.
        target: the wanted norm.
        noise_scale: standard deviation of the noise over that of the sample.

    Shape:
        real: (B, ...); returns a scalar, ``target ** 2`` for a constant critic.

    Raises:
        ValueError: ``real`` has no batch axis.

    >>> import torch
    >>> float(dragan_penalty(lambda x: x.sum((1, 2, 3)), torch.rand(5, 1, 2, 2)))  # (2 - 1)^2
    1.0
    """
    _check_batch("real", real)
    real = full_precision(real.detach())
    spread = real.flatten(1).std(1, correction=0).reshape(-1, *[1] * (real.dim() - 1))
    slopes = _slopes(critic, real + noise_scale * spread * torch.randn_like(real))
    return (torch.linalg.vector_norm(slopes, dim=1) - target).square().mean()


class GradientPenalty(nn.Module):
    """``gradient_penalty`` as a Module, Gulrajani et al. 2017 (WGAN-GP), Eq. (3).

    Args:
        target: the wanted norm.
        one_sided: do not penalise norms below the target.

    Shape:
        real, fake: the same (B, ...); returns a scalar.

    >>> import torch
    >>> x = torch.rand(2, 1, 2, 2)
    >>> float(GradientPenalty()(lambda x: x.sum((1, 2, 3)), x, x))
    1.0
    """

    def __init__(self, *, target: float = 1.0, one_sided: bool = False) -> None:
        super().__init__()
        self.target = target
        self.one_sided = one_sided

    def forward(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        return gradient_penalty(critic, real, fake, target=self.target, one_sided=self.one_sided)

    def extra_repr(self) -> str:
        return f"target={self.target}, one_sided={self.one_sided}"


class R1Penalty(nn.Module):
    """``r1_penalty`` as a Module, Mescheder et al. 2018, Eq. (9).

    Shape:
        real: (B, ...); fake plays no part; returns a scalar.

    >>> import torch
    >>> float(R1Penalty()(lambda x: x.sum((1, 2, 3)), torch.rand(2, 1, 2, 2)))
    2.0
    """

    def forward(self, critic: Critic, real: Tensor, fake: Tensor | None = None) -> Tensor:
        return r1_penalty(critic, real, fake)


class R2Penalty(nn.Module):
    """``r2_penalty`` as a Module, Mescheder et al. 2018, Eq. (10).

    Shape:
        fake: (B, ...); real plays no part; returns a scalar.

    >>> import torch
    >>> float(R2Penalty()(lambda x: x.sum((1, 2, 3)), None, torch.rand(2, 1, 2, 2)))
    2.0
    """

    def forward(self, critic: Critic, real: Tensor | None, fake: Tensor) -> Tensor:
        return r2_penalty(critic, real, fake)


class DRAGANPenalty(nn.Module):
    """``dragan_penalty`` as a Module, Kodali et al. 2017, section 2.

    Args:
        target: the wanted norm.
        noise_scale: standard deviation of the noise over that of the sample.

    Shape:
        real: (B, ...); fake plays no part; returns a scalar.

    >>> import torch
    >>> float(DRAGANPenalty()(lambda x: x.sum((1, 2, 3)), torch.rand(2, 1, 2, 2)))
    1.0
    """

    def __init__(self, *, target: float = 1.0, noise_scale: float = 0.5) -> None:
        super().__init__()
        self.target = target
        self.noise_scale = noise_scale

    def forward(self, critic: Critic, real: Tensor, fake: Tensor | None = None) -> Tensor:
        return dragan_penalty(critic, real, fake, target=self.target, noise_scale=self.noise_scale)

    def extra_repr(self) -> str:
        return f"target={self.target}, noise_scale={self.noise_scale}"
