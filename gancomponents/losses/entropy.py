"""Entropy of predictions and its minimisation."""

import math

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision


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
