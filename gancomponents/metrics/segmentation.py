"""Agreement of label maps and masks."""

import torch
from torch import Tensor


def confusion_matrix(prediction: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """How often class i (row, target) was called class j (column, prediction).

    Args:
        prediction: class numbers, or logits, whose argmax counts.
        target: class numbers; those outside 0 .. num_classes - 1 do not count, nor do such predictions.
        num_classes: C.

    Shape:
        prediction: (B, H, W) or (B, C, H, W); target: (B, H, W); returns (C, C), long. Matrices of batches
            add up.

    Raises:
        ValueError: the shapes do not fit.

    >>> import torch
    >>> confusion_matrix(torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 0, 1]]]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    if prediction.dim() == target.dim() + 1:
        if prediction.shape[1] != num_classes:
            raise ValueError(
                f"prediction must have {num_classes} channels, got {tuple(prediction.shape)}: "
                "pass labels or the logits of all classes"
            )
        prediction = prediction.argmax(1)
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction must have the size of target, got {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}: resize one"
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
    confusion = confusion.double() if confusion.dtype is torch.float64 else confusion.float()
    hits = confusion.diagonal()
    return hits / (confusion.sum(0) + confusion.sum(1) - hits)  # 0 / 0 = NaN is meant


def mean_iou(confusion: Tensor) -> Tensor:
    """Mean of ``iou_per_class`` over the classes that occur in target or prediction.

    Everingham et al. 2010 (Pascal VOC), section 4.4.

    Shape:
        confusion: (C, C), rows are targets; returns a scalar.

    >>> import torch
    >>> round(float(mean_iou(torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]]))), 4)
    0.5833
    """
    return iou_per_class(confusion).nanmean()


def pixel_accuracy(confusion: Tensor) -> Tensor:
    """Share of pixels whose class is right.

    Shape:
        confusion: (C, C); returns a scalar.

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
    intersection, union = (predicted & true).sum(), (predicted | true).sum()
    return torch.where(union > 0, intersection / union.clamp_min(1), 1.0)
