"""Cross-entropy of label maps and masks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from gancomponents.layers.precision import full_precision


def check_labels(logits: Tensor, labels: Tensor) -> None:
    """Refuse labels that are not one number for each pixel of the logits.

    >>> import torch
    >>> check_labels(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3))
    """
    if logits.dim() != 4 or labels.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"labels must be (B, H, W) for logits (B, C, H, W), got {tuple(labels.shape)} and "
            f"{tuple(logits.shape)}: resize the labels (nearest) and drop their channel axis"
        )


def check_class_weights(logits: Tensor, weights: Tensor | None) -> None:
    """Refuse weights that are not one number for each class.

    >>> import torch
    >>> check_class_weights(torch.zeros(1, 2, 3, 3), torch.ones(2))
    """
    if weights is not None and weights.shape != (logits.shape[1],):
        raise ValueError(
            f"class_weights must hold one number for each of the {logits.shape[1]} classes, got shape "
            f"{tuple(weights.shape)}: list them in the order of the channels"
        )


def weights_buffer(weights: Sequence[float] | Tensor | None) -> Tensor | None:
    """Class weights as a tensor; they must not be negative, nor all zero.

    >>> weights_buffer([1, 2])
    tensor([1., 2.])
    """
    if weights is None:
        return None
    listed = weights.tolist() if isinstance(weights, Tensor) else list(weights)
    if not listed or min(listed) < 0 or max(listed) == 0:
        raise ValueError(
            f"class_weights must be at least 0 and not all 0, got {listed}: leave them out to weigh all "
            "classes alike"
        )
    return torch.tensor(listed, dtype=torch.float32)


def segmentation_cross_entropy(
    logits: Tensor, labels: Tensor, *, ignore_index: int = -100, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy of a label map, ``torch.nn.functional.cross_entropy`` in at least fp32.

    With weights it is the weighted mean, as in torch: the sum of w_label * -log p_label over the sum of
    w_label. Unlike torch's it is 0, not NaN, where every label is ignored.

    Args:
        logits: unnormalised scores of the classes.
        labels: class numbers, long; those equal to ``ignore_index`` do not count.
        ignore_index: the label to leave out.
        class_weights: one number for each class, at least 0.

    Shape:
        logits: (B, C, H, W); labels: (B, H, W); class_weights: (C,); returns a scalar.

    Raises:
        ValueError: the sizes differ.

    >>> import torch
    >>> round(float(segmentation_cross_entropy(torch.zeros(1, 2, 3, 3), torch.ones(1, 3, 3).long())), 4)
    0.6931
    """
    check_labels(logits, labels)
    check_class_weights(logits, class_weights)
    logits, labels = full_precision(logits), labels.long()
    weights = None if class_weights is None else class_weights.to(logits.dtype)
    total = functional.cross_entropy(logits, labels, weights, ignore_index=ignore_index, reduction="sum")
    counted = (labels != ignore_index).to(logits.dtype)
    if weights is not None:
        counted = counted * weights[labels.clamp(0, logits.shape[1] - 1)]
    mass = counted.sum()
    return total / torch.where(mass > 0, mass, torch.ones_like(mass))


class SegmentationCrossEntropy(nn.Module):
    """``segmentation_cross_entropy`` as a Module.

    Args:
        ignore_index: the label to leave out.
        class_weights: one number for each class, at least 0; not part of the state dict.

    Shape:
        logits: (B, C, H, W); labels: (B, H, W), long; returns a scalar.

    Raises:
        ValueError: negative weights, or only zeros.

    >>> import torch
    >>> round(float(SegmentationCrossEntropy()(torch.zeros(1, 2, 3, 3), torch.ones(1, 3, 3).long())), 4)
    0.6931
    """

    class_weights: Tensor | None

    def __init__(
        self, *, ignore_index: int = -100, class_weights: Sequence[float] | Tensor | None = None
    ) -> None:
        super().__init__()
        self.ignore_index = ignore_index
        self.register_buffer("class_weights", weights_buffer(class_weights), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return segmentation_cross_entropy(
            logits, labels, ignore_index=self.ignore_index, class_weights=self.class_weights
        )


def mask_bce(logits: Tensor, target: Tensor) -> Tensor:
    """Mean binary cross-entropy of mask logits, in at least fp32.

    Args:
        logits: before the sigmoid.
        target: 1 = water, 0 = dry; may be soft.

    Shape:
        logits, target: the same (B, 1, H, W); returns a scalar.

    Raises:
        ValueError: the shapes differ.

    >>> import torch
    >>> round(float(mask_bce(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))), 4)
    0.6931
    """
    if logits.shape != target.shape:
        raise ValueError(
            f"target must have the shape of logits, got {tuple(target.shape)} and {tuple(logits.shape)}: "
            "resize one"
        )
    logits = full_precision(logits)
    return functional.binary_cross_entropy_with_logits(logits, target.to(logits.dtype))


class MaskBCE(nn.Module):
    """``mask_bce`` as a Module.

    Shape:
        logits, target: the same (B, 1, H, W); returns a scalar.

    >>> import torch
    >>> round(float(MaskBCE()(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))), 4)
    0.6931
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return mask_bce(logits, target)
