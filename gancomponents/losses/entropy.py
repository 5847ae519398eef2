"""Entropy of predictions: its minimisation, and the AdvEnt game on entropy maps."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from gancomponents.losses._scores import Scores, final_scores, full_precision, mean_over_scales

AdvEntKind = Literal["bce", "linear"]


def entropy_map(probabilities: Tensor) -> Tensor:
    """Each class's share of the normalised entropy, the weighted self-information of AdvEnt.

    Vu et al. 2019, Eq. (1) and section 3.3: -p log2(p) / log2(C); the sum over classes lies in [0, 1].

    Args:
        probabilities: in [0, 1], summing to 1 over the classes.

    Shape:
        probabilities: (B, C, ...), C at least 2; returns the same shape.

    Raises:
        ValueError: fewer than two classes.

    >>> import torch
    >>> entropy_map(torch.full((1, 2, 1, 1), 0.5)).flatten().tolist()
    [0.5, 0.5]
    """
    if probabilities.dim() < 2 or probabilities.shape[1] < 2:
        raise ValueError(
            f"probabilities must be (B, C, ...) with at least two classes, got {tuple(probabilities.shape)}: "
            "stack p and 1 - p of a binary prediction"
        )
    p = full_precision(probabilities)
    return -p * torch.log2(p + 1e-30) / math.log2(p.shape[1])


def min_entropy(probabilities: Tensor, variance_weight: float = 0.0) -> Tensor:
    """Mean normalised entropy per pixel, plus optionally its variance.

    Vu et al. 2019, Eq. (2), averaged over pixels and images. The variance term, sum over classes of (E -
    mean)^2, is upstream's addition; its mean entropy is that per pixel, not per class, as upstream has it.

    Args:
        probabilities: in [0, 1], summing to 1 over the classes.
        variance_weight: weight of the variance term, 0.1 in the published mask decoder.

    Shape:
        probabilities: (B, C, H, W), C at least 2; returns a scalar.

    >>> import torch
    >>> float(min_entropy(torch.full((1, 4, 2, 2), 0.25)))
    1.0
    """
    entropy = entropy_map(probabilities)
    pixels = entropy.numel() // entropy.shape[1]  # B H W
    mean = entropy.sum() / pixels
    if variance_weight == 0:
        return mean
    return mean + variance_weight * (entropy - mean).square().sum() / pixels


class MinEntropyLoss(nn.Module):
    """``min_entropy`` as a Module, Vu et al. 2019, Eq. (2).

    Args:
        variance_weight: weight of the variance term, at least 0.

    Shape:
        probabilities: (B, C, H, W), C at least 2, summing to 1 over C; returns a scalar.

    Raises:
        ValueError: a negative weight.

    >>> import torch
    >>> float(MinEntropyLoss(0.1)(torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)))
    0.0
    """

    def __init__(self, variance_weight: float = 0.0) -> None:
        super().__init__()
        if variance_weight < 0:
            raise ValueError(
                f"variance_weight must be at least 0, got {variance_weight}: 0 leaves the term out"
            )
        self.variance_weight = variance_weight

    def forward(self, probabilities: Tensor) -> Tensor:
        return min_entropy(probabilities, self.variance_weight)


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

    Vu et al. 2019, Eqs. (6) and (7); source label 0, target label 1. Both players use the same kind. Upstream
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

    def generator(self, scores: Scores, label: int = 0) -> Tensor:
        """Loss of the target domain's scores against the label it should be taken for."""
        return advent_loss(scores, label, self.kind)

    def discriminator(self, source_scores: Scores, target_scores: Scores) -> Tensor:
        """Loss of both domains' scores against their true labels."""
        source = advent_loss(source_scores, 0, self.discriminator_kind)
        return source + advent_loss(target_scores, 1, self.discriminator_kind)

    def extra_repr(self) -> str:
        return f"kind={self.kind!r}, discriminator_kind={self.discriminator_kind!r}"
