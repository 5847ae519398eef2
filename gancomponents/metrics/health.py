"""Signals that tell how an adversarial game is going, and what to make of them."""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision
from gancomponents.losses._scores import Scores, final_scores, mean_over_scales


def discriminator_overlap(real: Scores, fake: Scores) -> Tensor:
    """Share of the real scores that lie below the median fake one, averaged over scales.

    0 where the critic tells all apart, 0.5 where it cannot tell at all, above where it is mistaken. Every entry
    of a score map counts.

    Args:
        real, fake: what a discriminator returned, higher meaning more real.

    Shape:
        scores of any shape, or lists of them by scale; returns a scalar.

    Raises:
        ValueError: real and fake have different numbers of scales.

    >>> import torch
    >>> float(discriminator_overlap(torch.tensor([0.0, 2.0, 3.0, 4.0]), torch.tensor([-1.0, 1.0, 2.0])))
    0.25
    """
    return mean_over_scales([(r < _median(f)).to(r.dtype).mean() for r, f in _pairs(real, fake)])


def discriminator_auc(real: Scores, fake: Scores) -> Tensor:
    """Probability that a real score exceeds a fake one, ties counting half, averaged over scales.

    The area under the ROC curve (Hanley & McNeil 1982): 1 where the critic tells all apart, 0.5 where it cannot.

    Args:
        real, fake: what a discriminator returned, higher meaning more real.

    Shape:
        scores of any shape, or lists of them by scale; returns a scalar.

    Raises:
        ValueError: real and fake have different numbers of scales.

    >>> import torch
    >>> float(discriminator_auc(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 2.0])))
    0.75
    """
    areas = []
    for r, f in _pairs(real, fake):
        ordered = f.sort().values
        below = torch.searchsorted(ordered, r, right=False).to(r.dtype)
        up_to = torch.searchsorted(ordered, r, right=True).to(r.dtype)
        areas.append((below + up_to).mean() / (2 * f.numel()))
    return mean_over_scales(areas)


def gradient_norm_ratio(generator: Iterable[nn.Parameter], critic: Iterable[nn.Parameter]) -> Tensor:
    """Norm of the generator's gradient over that of the critic's; call it after both backward passes.

    Args:
        generator, critic: parameters; those without a gradient count as zeros.

    Returns:
        A scalar, NaN where neither side has a gradient, infinite where only the critic has none.

    >>> import torch
    >>> a, b = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    >>> a.grad, b.grad = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 2.0])
    >>> float(gradient_norm_ratio([a], [b]))
    2.5
    """
    return _gradient_norm(generator) / _gradient_norm(critic)


def sample_diversity(fake: Tensor, real: Tensor) -> Tensor:
    """Mean distance between two fakes of a batch over that between two real samples.

    A batch-sized relative of the diversity of Zhu et al. 2017 ("BicycleGAN"), with the mean
    absolute difference as distance, which needs no network: 1 where fakes differ as much as real samples, 0
    where all are the same.

    Args:
        fake, real: samples or their features, in the same range.

    Shape:
        both (B, ...), of the same size but for B; returns a scalar, NaN where either B is 1 or all real
            samples are the same.

    Raises:
        ValueError: samples of different shapes.

    >>> import torch
    >>> real = torch.tensor([[0.0], [1.0], [2.0]])
    >>> float(sample_diversity(real / 2, real)), float(sample_diversity(torch.ones(3, 1), real))
    (0.5, 0.0)
    """
    if fake.dim() < 2 or fake.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"fake must be (B, ...) with samples of the shape of real, got {tuple(fake.shape)} and "
            f"{tuple(real.shape)}: resize one"
        )
    return _mean_distance(full_precision(fake)) / _mean_distance(full_precision(real))


@dataclass(frozen=True)
class HealthRange:
    """The values of a signal that give no cause for worry, and what to call those on either side.

    Args:
        low, high: the range, ends included.
        below, above: names of what lies outside.

    Raises:
        ValueError: low above high.

    >>> HealthRange(0.5, 1.5, "collapsing", "scattered").status(0.1)
    'collapsing'
    """

    low: float
    high: float
    below: str
    above: str

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low must be at most high, got {self.low} and {self.high}: swap them")

    def status(self, value: float) -> str:
        """``below``, ``above``, "healthy", or "undefined" where the value is NaN."""
        if math.isnan(value):
            return "undefined"
        return self.below if value < self.low else self.above if value > self.high else "healthy"


#: Rules of thumb, not laws:
#:
#: - "critic certain": it separates nearly all scores. A saturating loss gives the generator no gradient then;
#:   label smoothing, noise or a gradient penalty helps.
#: - "critic undecided": it tells nothing apart. That is the aim at the end; early on the critic does not learn.
#: - "generator starved", "critic starved": one side's gradient is a hundredth of the other's. Clip, or change
#:   the rates.
#: - "collapsing": fakes differ less than half as much as real samples do.
#: - "scattered": fakes differ half as much again as real samples do, often because they are noise.
HEALTHY_RANGES: Mapping[str, HealthRange] = MappingProxyType(
    {
        "discriminator_overlap": HealthRange(0.02, 0.45, "critic certain", "critic undecided"),
        "discriminator_auc": HealthRange(0.55, 0.98, "critic undecided", "critic certain"),
        "gradient_norm_ratio": HealthRange(0.01, 100.0, "generator starved", "critic starved"),
        "sample_diversity": HealthRange(0.5, 1.5, "collapsing", "scattered"),
    }
)


def health(
    signals: Mapping[str, float], ranges: Mapping[str, HealthRange] = HEALTHY_RANGES
) -> dict[str, str]:
    """What each signal says: "healthy", "undefined" (NaN), or its range's name for what lies outside.

    One bad batch means little: average the signals over some hundred steps (`Accumulator`) first.

    Args:
        signals: numbers by name, some of those of ``ranges``.
        ranges: what is healthy, and the names of the rest; see ``HEALTHY_RANGES`` for the meaning of each.

    Raises:
        ValueError: a signal without a range.

    >>> health({"discriminator_auc": 0.999, "sample_diversity": 0.9})
    {'discriminator_auc': 'critic certain', 'sample_diversity': 'healthy'}
    """
    for name in signals:
        if name not in ranges:
            near = difflib.get_close_matches(name, ranges, n=1, cutoff=0.0)
            hint = f"did you mean {near[0]!r}?" if near else "give it one"
            raise ValueError(f"signals must have a range each, got {name!r}: {hint}")
    return {name: ranges[name].status(float(value)) for name, value in signals.items()}


def _pairs(real: Scores, fake: Scores) -> list[tuple[Tensor, Tensor]]:
    reals, fakes = final_scores(real, "real"), final_scores(fake, "fake")
    if len(reals) != len(fakes):
        raise ValueError(
            f"fake must have as many scales as real, got {len(fakes)} and {len(reals)}: take both from one "
            "discriminator"
        )
    return [(r.detach().flatten(), f.detach().flatten()) for r, f in zip(reals, fakes, strict=True)]


def _median(values: Tensor) -> Tensor:
    """By sorting, the mean of the middle two: `torch.median` leaves an XLA graph."""
    ordered, n = values.sort().values, values.numel()
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2


def _gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    squares = [full_precision(p.grad.detach()).square().sum() for p in parameters if p.grad is not None]
    return torch.stack(squares).sum().sqrt() if squares else torch.zeros(())


def _mean_distance(samples: Tensor) -> Tensor:
    """Over all ordered pairs of different samples, a shift of the batch at a time."""
    batch = samples.shape[0]
    if batch == 1:
        return samples.new_full((), torch.nan)
    shifts = [(samples - samples.roll(shift, 0)).abs().mean() for shift in range(1, batch)]
    return torch.stack(shifts).mean()
