"""Losses of the overlap of predicted and true regions: Dice, and the Lovász extension of the Jaccard index."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from gancomponents.layers.precision import full_precision
from gancomponents.losses.segmentation import check_class_weights, check_labels, weights_buffer


def _targets(logits: Tensor, labels: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """One-hot labels (C, B H W), zero where ignored, and whether each pixel counts (B H W)."""
    classes = logits.shape[1]
    numbers = torch.arange(classes, device=labels.device) if classes > 1 else labels.new_ones(1)
    labels_N = labels.reshape(-1)
    counts_N = labels_N != ignore_index
    hot_CN = (labels_N == numbers[:, None]) & counts_N
    return hot_CN.to(logits.dtype), counts_N.to(logits.dtype)


def _mean_over_present(losses_C: Tensor, hot_CN: Tensor, class_weights: Tensor | None) -> Tensor:
    """The (weighted) mean over the classes that occur; 0 where none does."""
    weights = hot_CN.amax(1)
    if class_weights is not None:
        weights = weights * class_weights.to(weights.dtype)
    mass = weights.sum()
    return (losses_C * weights).sum() / torch.where(mass > 0, mass, torch.ones_like(mass))


def dice_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    smooth: float = 0.0,
    ignore_index: int = -100,
    class_weights: Tensor | None = None,
) -> Tensor:
    """1 - Dice, averaged over the classes that occur in the batch.

    Milletari et al. 2016, section 3, with the plain sums of Sudre et al. 2017 in the denominator: for each
    class 1 - 2 (sum(p t) + smooth) / (sum(p) + sum(t) + 2 smooth), the sums over the batch. Each class is
    computed by segmentation-models-pytorch, which is imported here; its mean counts classes that do not
    occur as predicted perfectly, and ours leaves them out.

    Args:
        logits: before the softmax; a single channel is before the sigmoid, its label 1.
        labels: class numbers, long; those equal to ``ignore_index`` do not count. Others outside 0..C-1 (0..1 for
            a single channel) give an undefined result: check them when loading, as ``DomainDataset`` does.
        smooth: pixels added to the overlap and to both areas.
        ignore_index: the label to leave out.
        class_weights: one number for each class, at least 0.

    Shape:
        logits: (B, C, H, W); labels: (B, H, W); returns a scalar in [0, 1], 0 where no class occurs.

    Raises:
        ValueError: the sizes differ.

    >>> import torch
    >>> labels = torch.tensor([[[0, 1], [1, 0]]])
    >>> perfect = 100 * torch.stack([1 - labels, labels], 1).float()
    >>> round(float(dice_loss(perfect, labels)), 4), round(float(dice_loss(-perfect, labels)), 4)
    (0.0, 1.0)
    """
    from segmentation_models_pytorch.losses import DiceLoss as TheirDice

    check_labels(logits, labels)
    check_class_weights(logits, class_weights)
    logits, labels = full_precision(logits), labels.long()
    hot_CN, counts_N = _targets(logits, labels, ignore_index)
    classes = logits.shape[1]
    probabilities = logits.softmax(1) if classes > 1 else logits.sigmoid()
    predicted_CN = probabilities.transpose(0, 1).reshape(classes, -1) * counts_N
    dice = TheirDice("multilabel").compute_score(predicted_CN, hot_CN, smooth=smooth, eps=1e-7, dims=1)
    return _mean_over_present(1 - dice, hot_CN, class_weights)


class DiceLoss(nn.Module):
    """``dice_loss`` as a Module, Milletari et al. 2016, section 3.

    Args:
        smooth: pixels added to the overlap and to both areas.
        ignore_index: the label to leave out.
        class_weights: one number for each class, at least 0; not part of the state dict.

    Shape:
        logits: (B, C, H, W); labels: (B, H, W), long; returns a scalar.

    Raises:
        ValueError: negative weights, or only zeros.

    >>> import torch
    >>> round(float(DiceLoss()(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))), 4)
    0.5
    """

    class_weights: Tensor | None

    def __init__(
        self,
        *,
        smooth: float = 0.0,
        ignore_index: int = -100,
        class_weights: Sequence[float] | Tensor | None = None,
    ) -> None:
        super().__init__()
        self.smooth = smooth
        self.ignore_index = ignore_index
        self.register_buffer("class_weights", weights_buffer(class_weights), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return dice_loss(
            logits,
            labels,
            smooth=self.smooth,
            ignore_index=self.ignore_index,
            class_weights=self.class_weights,
        )


def lovasz_loss(
    logits: Tensor, labels: Tensor, *, ignore_index: int = -100, class_weights: Tensor | None = None
) -> Tensor:
    """The Lovász extension of 1 - Jaccard index, averaged over the classes that occur in the batch.

    Berman et al. 2018, Algorithm 1: the Lovász softmax, and for one channel the Lovász hinge; the sets are
    those of the whole batch. Values are those of segmentation-models-pytorch, but without its branches on
    tensor values, which neither compile into one graph nor suit XLA, and a scalar 0 where every label is
    ignored, for which its softmax returns an empty tensor.

    Args:
        logits: before the softmax; a single channel is before the sigmoid, its label 1.
        labels: class numbers, long; those equal to ``ignore_index`` do not count. Others outside 0..C-1 (0..1 for
            a single channel) give an undefined result: check them when loading, as ``DomainDataset`` does.
        ignore_index: the label to leave out.
        class_weights: one number for each class, at least 0.

    Shape:
        logits: (B, C, H, W); labels: (B, H, W); returns a scalar.

    Raises:
        ValueError: the sizes differ.

    >>> import torch
    >>> labels = torch.tensor([[[0, 1], [1, 0]]])
    >>> perfect = 100 * torch.stack([1 - labels, labels], 1).float()
    >>> round(float(lovasz_loss(perfect, labels)), 4), round(float(lovasz_loss(-perfect, labels)), 4)
    (0.0, 1.0)
    """
    check_labels(logits, labels)
    check_class_weights(logits, class_weights)
    logits, labels = full_precision(logits), labels.long()
    hot_CN, counts_N = _targets(logits, labels, ignore_index)
    classes = logits.shape[1]
    if classes > 1:
        predicted_CN = logits.softmax(1).transpose(0, 1).reshape(classes, -1)
        errors_CN = (hot_CN - predicted_CN).abs()
    else:
        errors_CN = functional.relu(1 - logits.reshape(1, -1) * (2 * hot_CN - 1))  # hinge
    sorted_CN, order_CN = (errors_CN * counts_N).sort(dim=1, descending=True, stable=True)
    hot_sorted_CN = hot_CN.gather(1, order_CN)
    cold_sorted_CN = (counts_N - hot_CN).gather(1, order_CN)  # neither the class nor ignored
    # The Jaccard loss of the first n pixels, and what each adds: Algorithm 1. Ignored pixels have no error and
    # add nothing.
    total_C1 = hot_CN.sum(1, keepdim=True)
    union_CN = total_C1 + cold_sorted_CN.cumsum(1)
    jaccard_CN = 1 - (total_C1 - hot_sorted_CN.cumsum(1)) / union_CN.clamp_min(1)
    added_CN = torch.cat([jaccard_CN[:, :1], jaccard_CN[:, 1:] - jaccard_CN[:, :-1]], 1)
    losses_C = (sorted_CN * added_CN).sum(1)
    if classes == 1:  # without any pixel of the class, false alarms still count
        return losses_C[0]
    return _mean_over_present(losses_C, hot_CN, class_weights)


class LovaszLoss(nn.Module):
    """``lovasz_loss`` as a Module, Berman et al. 2018.

    Args:
        ignore_index: the label to leave out.
        class_weights: one number for each class, at least 0; not part of the state dict.

    Shape:
        logits: (B, C, H, W); labels: (B, H, W), long; returns a scalar.

    Raises:
        ValueError: negative weights, or only zeros.

    >>> import torch
    >>> round(float(LovaszLoss()(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))), 4)
    0.5
    """

    class_weights: Tensor | None

    def __init__(
        self, *, ignore_index: int = -100, class_weights: Sequence[float] | Tensor | None = None
    ) -> None:
        super().__init__()
        self.ignore_index = ignore_index
        self.register_buffer("class_weights", weights_buffer(class_weights), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return lovasz_loss(logits, labels, ignore_index=self.ignore_index, class_weights=self.class_weights)
