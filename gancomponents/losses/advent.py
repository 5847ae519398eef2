"""The AdvEnt game on entropy maps."""

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional

from gancomponents.layers.precision import full_precision
from gancomponents.losses._scores import Scores, final_scores, mean_over_scales
from gancomponents.losses.entropy import entropy_map

AdvEntKind = Literal["bce", "linear"]


def advent_input(probabilities: Tensor, depth: Tensor | None = None) -> Tensor:
    """What an AdvEnt discriminator sees: the entropy map, times the depth where one is given.

    Vu et al. 2019, section 3.3; the depth weighting is that of Vu et al. 2019 (DADA), section 3.2.

    Args:
        probabilities: in [0, 1], summing to 1 over the classes.
        depth: raw predicted (inverse) depth, detached if its decoder shall not be trained through this.

    Shape:
        probabilities: (B, C, H, W); depth: (B, 1, H, W); returns (B, C, H, W).

    Raises:
        ValueError: the depth does not fit.

    >>> import torch
    >>> advent_input(torch.full((1, 2, 1, 1), 0.5), torch.full((1, 1, 1, 1), 4.0)).flatten().tolist()
    [2.0, 2.0]
    """
    entropy = entropy_map(probabilities)
    if depth is None:
        return entropy
    expected = (entropy.shape[0], 1, *entropy.shape[2:])
    if depth.shape != expected:
        raise ValueError(
            f"depth must be {expected}, got {tuple(depth.shape)}: resize it to the probabilities"
        )
    return entropy * full_precision(depth)


def advent_loss(scores: Scores, label: int, kind: AdvEntKind = "bce") -> Tensor:
    """The loss of one domain's scores against one domain label.

    Vu et al. 2019, Eqs. (6) and (7). "bce" is cross-entropy, "linear" the Wasserstein form
    -mean(y o + (1 - y)(1 - o)) for scores o and label y.

    Args:
        scores: logits.
        label: 0 for the source (simulated) domain, 1 for the target (real) one.
        kind: "bce" or "linear".

    Shape:
        scores: any, or lists of features, scores last; returns a scalar.

    Raises:
        ValueError: an unknown kind or label.

    >>> import torch
    >>> float(advent_loss(torch.ones(1, 1, 2, 2), 1, "linear"))
    -1.0
    """
    if kind not in get_args(AdvEntKind):
        raise ValueError(
            f"kind must be one of {get_args(AdvEntKind)}, got {kind!r}: choose 'bce' or 'linear'"
        )
    if label not in (0, 1):
        raise ValueError(f"label must be 0 (source) or 1 (target), got {label}: pass a domain label")
    terms = []
    for score in final_scores(scores):
        if kind == "bce":
            terms.append((functional.softplus(score) - label * score).mean())
        else:
            terms.append(-score.mean() if label == 1 else (score - 1).mean())
    return mean_over_scales(terms)


class AdvEntLoss(nn.Module):
    """The adversarial game on entropy maps: target predictions shall look as confident as source ones.

    Vu et al. 2019, Eqs. (6) and (7); source label 0, target label 1. Its calls are those of every adversarial
    loss, with the source as real and the target as fake. Both players use the same kind. Upstream
    always trains the discriminator with cross-entropy: ``AdvEntLoss("linear",
    discriminator_kind="bce")``.

    Args:
        kind: "bce" (cross-entropy) or "linear" (Wasserstein form; wants a constrained discriminator).
        discriminator_kind: another kind for the discriminator.

    Shape:
        scores: logits of any shape, or lists of features, scores last; both methods return a scalar.

    Raises:
        ValueError: an unknown kind.

    >>> import torch
    >>> loss = AdvEntLoss("linear")
    >>> source, target = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    >>> float(loss.generator(target)), float(loss.discriminator(source, target))
    (0.0, -2.0)
    """

    def __init__(self, kind: AdvEntKind = "bce", *, discriminator_kind: AdvEntKind | None = None) -> None:
        super().__init__()
        self.kind: AdvEntKind = kind
        self.discriminator_kind: AdvEntKind = kind if discriminator_kind is None else discriminator_kind
        for name in ("kind", "discriminator_kind"):
            if getattr(self, name) not in get_args(AdvEntKind):
                raise ValueError(
                    f"{name} must be one of {get_args(AdvEntKind)}, got {getattr(self, name)!r}: "
                    "choose 'bce' or 'linear'"
                )

    def generator(self, scores: Scores, source_scores: Scores | None = None, *, label: int = 0) -> Tensor:
        """Loss of the target domain's scores against the label it should be taken for; the source plays no part."""
        return advent_loss(scores, label, self.kind)

    def discriminator(self, source_scores: Scores, target_scores: Scores) -> Tensor:
        """Loss of both domains' scores against their true labels."""
        source = advent_loss(source_scores, 0, self.discriminator_kind)
        return source + advent_loss(target_scores, 1, self.discriminator_kind)

    def extra_repr(self) -> str:
        return f"kind={self.kind!r}, discriminator_kind={self.discriminator_kind!r}"
