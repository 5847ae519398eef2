"""Agreement of label maps and masks."""

import torch
from torch import Tensor

from gancomponents.layers.precision import full_precision


def confusion_matrix(prediction: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """How often class i (row, target) was called class j (column, prediction).

    Args:
        prediction: class numbers, integers, or logits, whose argmax counts.
        target: class numbers; those outside 0 .. num_classes - 1 do not count, nor do such predictions.
        num_classes: C.

    Shape:
        prediction: (B, H, W) or (B, C, H, W); target: (B, H, W) or (B, 1, H, W); returns (C, C), long.
            Matrices of batches add up.

    Raises:
        ValueError: the shapes do not fit, or one map of floats is given for the labels that it is not.

    >>> import torch
    >>> confusion_matrix(torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 0, 1]]]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    if target.dim() == 4 and target.shape[1] == 1:
        target = target.squeeze(1)
    if prediction.dim() == 4 and prediction.shape[1] == 1 and not prediction.is_floating_point():
        prediction = prediction.squeeze(1)
    if prediction.dim() == target.dim() + 1:
        if prediction.shape[1] != num_classes:
            raise ValueError(
                f"prediction must have {num_classes} channels, got {tuple(prediction.shape)}: "
                "pass labels or the logits of all classes, and for a mask (probability > 0.5).long()"
            )
        prediction = prediction.argmax(1)
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction must have the size of target, got {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}: resize one"
        )
    if prediction.is_floating_point():
        raise ValueError(
            f"prediction must be integer class numbers or have a dimension of classes, got "
            f"{prediction.dtype} of {tuple(prediction.shape)}: threshold probabilities, or call .long()"
        )
    prediction, target = prediction.reshape(-1).long(), target.reshape(-1).long()
    counted = (target >= 0) & (target < num_classes) & (prediction >= 0) & (prediction < num_classes)
    # Pixels that do not count go to one cell too many. scatter_add because bincount looks at its values on
    # the host.
    cells = torch.where(counted, target * num_classes + prediction, num_classes**2)
    counts = torch.zeros(num_classes**2 + 1, dtype=torch.long, device=target.device)
    counts = counts.scatter_add(0, cells, torch.ones_like(cells))
    return counts[:-1].reshape(num_classes, num_classes)


def iou_per_class(confusion: Tensor) -> Tensor:
    """Intersection over union of each class: TP / (TP + FP + FN).

    Everingham et al. 2010 (Pascal VOC), section 4.4.

    Shape:
        confusion: (C, C), rows are targets; returns (C,), NaN where a class occurs in neither.

    >>> import torch
    >>> iou_per_class(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).tolist()
    [0.5, 0.666..., nan]
    """
    confusion = full_precision(confusion)
    hits = confusion.diagonal()
    return hits / (confusion.sum(0) + confusion.sum(1) - hits)  # 0 / 0 = NaN is meant


def f_score_per_class(confusion: Tensor, *, beta: float = 1.0) -> Tensor:
    """F score of each class: (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP); with beta 1 the Dice coefficient.

    van Rijsbergen 1979, "Information Retrieval", chapter 7, in counts.

    Args:
        confusion: pairs of classes.
        beta: how much recall weighs over precision, positive.

    Shape:
        confusion: (C, C), rows are targets; returns (C,), NaN where a class occurs in neither.

    Raises:
        ValueError: beta is not positive.

    >>> import torch
    >>> f_score_per_class(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).tolist()
    [0.666..., 0.800..., nan]
    """
    if beta <= 0:
        raise ValueError(f"beta must be positive, got {beta}: 1 weighs precision and recall alike")
    confusion = full_precision(confusion)
    hits = (1 + beta**2) * confusion.diagonal()
    # The row holds TP + FN, the column TP + FP.
    return hits / (beta**2 * confusion.sum(1) + confusion.sum(0))  # 0 / 0 = NaN is meant


def mean_iou(confusion: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Mean of ``iou_per_class`` over the classes that occur in target or prediction.

    Everingham et al. 2010 (Pascal VOC), section 4.4.

    Args:
        confusion: pairs of classes.
        weight: of each class; by default all count the same. ``confusion.sum(1)`` weighs by the target's
            pixels, ``confusion.sum(0)`` as the published evaluation does by the prediction's.

    Shape:
        confusion: (C, C), rows are targets; weight: (C,); returns a scalar, NaN where no pixel counts.

    >>> import torch
    >>> round(float(mean_iou(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]]))), 4)
    0.5833
    """
    iou = iou_per_class(confusion)
    weight = torch.ones_like(iou) if weight is None else weight.to(iou.dtype)
    weight = torch.where(iou.isnan(), 0, weight)
    return (iou.nan_to_num() * weight).sum() / weight.sum()


def pixel_accuracy(confusion: Tensor) -> Tensor:
    """Share of pixels whose class is right.

    Shape:
        confusion: (C, C); returns a scalar, NaN where no pixel counts.

    >>> import torch
    >>> float(pixel_accuracy(torch.tensor([[1, 1], [0, 2]])))
    0.75
    """
    return confusion.diagonal().sum() / confusion.sum()


def mask_iou(prediction: Tensor, target: Tensor, threshold: float = 0.5) -> Tensor:
    """Intersection over union of masks, pooled over the batch.

    Args:
        prediction: probability of water in [0, 1].
        target: 1 = water, 0 = dry.
        threshold: values above it are water, on both sides.

    Shape:
        prediction, target: the same shape; returns a scalar, 1 where both are empty.

    Raises:
        ValueError: the shapes differ.

    >>> import torch
    >>> float(mask_iou(torch.tensor([0.9, 0.8, 0.1]), torch.tensor([1.0, 0.0, 0.0])))
    0.5
    """
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction must have the shape of target, got {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}: resize one"
        )
    predicted, true = prediction > threshold, target > threshold
    dtype = full_precision(prediction).dtype
    intersection, union = (predicted & true).sum().to(dtype), (predicted | true).sum().to(dtype)
    return torch.where(union > 0, intersection / union.clamp_min(1), 1.0)
