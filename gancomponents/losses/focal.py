"""Focal loss of label maps and masks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from gancomponents.layers.precision import full_precision
from gancomponents.losses.segmentation import check_class_weights, check_labels, weights_buffer


def focal_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    gamma: float = 2.0,
    ignore_index: int = -100,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Mean of -(1 - p)^gamma log p, p the probability of the true class.

    Lin et al. 2017, Eq. (5), with a softmax over several classes; ``class_weights`` are its alpha, and as in
    ``segmentation_cross_entropy`` the mean is weighted. With gamma 0 it is that cross-entropy. The loss of the
    same name in segmentation-models-pytorch agrees for one channel; for several it averages one sigmoid
    against the rest for each class, which is no cross-entropy for any gamma, so that it is not used here.

    Args:
        logits: before the softmax; a single channel is before the sigmoid, its labels 0 and 1.
        labels: class numbers, long; those equal to ``ignore_index`` do not count. Others outside 0..C-1 (0..1 for
            a single channel) give an undefined result: check them when loading, as ``DomainDataset`` does.
        gamma: how much less well classified pixels count, at least 0.
        ignore_index: the label to leave out.
        class_weights: one number for each class, at least 0; [dry, water] for a single channel.

    Shape:
        logits: (B, C, H, W); labels: (B, H, W); class_weights: (C,), or (2,) for C = 1; returns a scalar, 0
            where every label is ignored.

    Raises:
        ValueError: the sizes differ, or a negative gamma.

    >>> import torch
    >>> labels = torch.ones(1, 3, 3).long()
    >>> round(float(focal_loss(torch.zeros(1, 2, 3, 3), labels)), 4)  # log 2 / 4
    0.1733
    """
    check_labels(logits, labels)
    _check_gamma(gamma)
    logits, labels = full_precision(logits), labels.long()
    if logits.shape[1] == 1:  # sigmoid(x) is the softmax of (0, x)
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    check_class_weights(logits, class_weights)
    # nll_loss reads the true class of each pixel, without an error where the label is ignored.
    log_p = -functional.nll_loss(logits.log_softmax(1), labels, ignore_index=ignore_index, reduction="none")
    # 1 - p; the bound keeps the slope of its power finite where p is 1 and gamma below 1.
    modulation = (-torch.expm1(log_p)).clamp_min(1e-12).pow(gamma)
    weight = (labels != ignore_index).to(logits.dtype)
    if class_weights is not None:
        weight = weight * class_weights.to(logits.dtype)[labels.clamp(0, logits.shape[1] - 1)]
    mass = weight.sum()
    return (-modulation * log_p * weight).sum() / torch.where(mass > 0, mass, torch.ones_like(mass))


class FocalLoss(nn.Module):
    """``focal_loss`` as a Module, Lin et al. 2017, Eq. (5).

    Args:
        gamma: how much less well classified pixels count, at least 0.
        ignore_index: the label to leave out.
        class_weights: one number for each class, at least 0; not part of the state dict.

    Shape:
        logits: (B, C, H, W); labels: (B, H, W), long; returns a scalar.

    Raises:
        ValueError: a negative gamma; negative weights, or only zeros.

    >>> import torch
    >>> round(float(FocalLoss(gamma=0.0)(torch.zeros(1, 2, 3, 3), torch.ones(1, 3, 3).long())), 4)
    0.6931
    """

    class_weights: Tensor | None

    def __init__(
        self,
        *,
        gamma: float = 2.0,
        ignore_index: int = -100,
        class_weights: Sequence[float] | Tensor | None = None,
    ) -> None:
        super().__init__()
        _check_gamma(gamma)
        self.gamma = gamma
        self.ignore_index = ignore_index
        self.register_buffer("class_weights", weights_buffer(class_weights), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return focal_loss(
            logits,
            labels,
            gamma=self.gamma,
            ignore_index=self.ignore_index,
            class_weights=self.class_weights,
        )


def _check_gamma(gamma: float) -> None:
    if gamma < 0:
        raise ValueError(f"gamma must be at least 0, got {gamma}: 0 is cross-entropy")
