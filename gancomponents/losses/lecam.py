"""LeCam regularisation: scores shall stay near moving averages of the other side's scores."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from gancomponents.losses._scores import Scores, final_scores


def lecam_loss(
    real_scores: Scores,
    fake_scores: Scores,
    real_anchor: Tensor,
    fake_anchor: Tensor,
    *,
    one_sided: bool = False,
) -> Tensor:
    """mean (r - fake_anchor)^2 + mean (f - real_anchor)^2, averaged over scales.

    Tseng et al. 2021, section 3: the anchors are moving averages of the discriminator's scores.

    Args:
        real_scores: scores of real samples.
        fake_scores: scores of generated samples.
        real_anchor: moving average of real scores.
        fake_anchor: moving average of fake scores.
        one_sided: as the paper's code: only reals above the fake anchor and fakes below the real anchor
            count.

    Shape:
        scores: any shape, or lists of features, scores last; anchors: () or one entry per scale; returns a
            scalar.

    >>> import torch
    >>> real, fake, anchor = torch.ones(2, 1), torch.zeros(2, 1), torch.tensor(0.5)
    >>> float(lecam_loss(real, fake, anchor, anchor))
    0.5
    """
    reals, fakes = final_scores(real_scores, "real_scores"), final_scores(fake_scores, "fake_scores")
    _check_scales(len(reals), len(fakes), (real_anchor.numel(), fake_anchor.numel()))
    keep = functional.relu if one_sided else _identity
    terms = []
    for scale, (real, fake) in enumerate(zip(reals, fakes, strict=True)):
        above = real - _entry(fake_anchor, scale)
        below = _entry(real_anchor, scale) - fake
        terms.append(keep(above).square().mean() + keep(below).square().mean())
    return torch.stack(terms).mean()


def _identity(x: Tensor) -> Tensor:
    return x


def _entry(anchor: Tensor, scale: int) -> Tensor:
    flat = anchor.flatten()
    return flat[scale if flat.numel() > 1 else 0]


def _check_scales(reals: int, fakes: int, anchors: tuple[int, ...]) -> None:
    if reals != fakes or any(count not in (1, reals) for count in anchors):
        raise ValueError(
            f"real_scores, fake_scores and the anchors must have as many scales, got {reals}, {fakes} and "
            f"{anchors}: use one discriminator, and one anchor or one per scale"
        )


class LeCamLoss(nn.Module):
    """LeCam regularisation with its moving averages, Tseng et al. 2021, section 3, without its weight.

    The averages are buffers that only ``update`` moves; computing the loss leaves them alone. Call ``update``
    once per step of the discriminator, after the loss. They start unbiased: after one update they are the
    means of that step. Before the first the loss is 0. Each process keeps averages of its own scores.

    Args:
        decay: of the moving averages, 0.99 in the paper.
        scales: number of scales of the discriminator.
        one_sided: as the paper's code, see ``lecam_loss``.

    Shape:
        scores: any shape, or lists of features, scores last; returns a scalar.

    Raises:
        ValueError: a decay outside [0, 1), or another number of scales.

    >>> import torch
    >>> loss, real, fake = LeCamLoss(), torch.ones(2, 1), torch.zeros(2, 1)
    >>> before = float(loss(real, fake))
    >>> loss.update(real, fake)
    >>> before, float(loss(real, fake)), float(loss(fake, real))
    (0.0, 2.0, 0.0)
    """

    real_mean: Tensor
    fake_mean: Tensor
    mass: Tensor

    def __init__(self, *, decay: float = 0.99, scales: int = 1, one_sided: bool = False) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}: 0.99 is the published value")
        if scales < 1:
            raise ValueError(f"scales must be at least 1, got {scales}: count the discriminator's scales")
        self.decay = decay
        self.scales = scales
        self.one_sided = one_sided
        # Running sums and the sum of their weights, whose quotient is the average (Kingma & Ba 2015, section 3).
        self.register_buffer("real_mean", torch.zeros(scales))
        self.register_buffer("fake_mean", torch.zeros(scales))
        self.register_buffer("mass", torch.zeros(()))

    def forward(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        reals, fakes = self._maps(real_scores, fake_scores)
        mass = self.mass.clamp_min(1e-12)
        anchors = self.real_mean / mass, self.fake_mean / mass
        loss = lecam_loss([[r] for r in reals], [[f] for f in fakes], *anchors, one_sided=self.one_sided)
        return loss * (self.mass > 0)

    @torch.no_grad()
    def update(self, real_scores: Scores, fake_scores: Scores) -> None:
        """Move the averages towards these scores."""
        reals, fakes = self._maps(real_scores, fake_scores)
        for average, scores in ((self.real_mean, reals), (self.fake_mean, fakes)):
            average.lerp_(torch.stack([s.mean() for s in scores]).to(average.dtype), 1 - self.decay)
        self.mass.lerp_(torch.ones_like(self.mass), 1 - self.decay)

    def _maps(self, real_scores: Scores, fake_scores: Scores) -> tuple[list[Tensor], list[Tensor]]:
        real, fake = final_scores(real_scores, "real_scores"), final_scores(fake_scores, "fake_scores")
        if len(real) != self.scales or len(fake) != self.scales:
            raise ValueError(
                f"real_scores and fake_scores must have {self.scales} scales, got {len(real)} and {len(fake)}: "
                f"make the loss with scales={len(real)}"
            )
        return real, fake

    def extra_repr(self) -> str:
        return f"decay={self.decay}, scales={self.scales}, one_sided={self.one_sided}"
