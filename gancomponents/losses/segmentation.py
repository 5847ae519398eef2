"""Supervised losses of label maps and masks."""

from torch import Tensor, nn
from torch.nn import functional

from gancomponents.losses._scores import full_precision


def segmentation_cross_entropy(logits: Tensor, labels: Tensor, *, ignore_index: int = -100) -> Tensor:
    """Mean cross-entropy of a label map, ``torch.nn.functional.cross_entropy`` in at least fp32.

    Args:
        logits: unnormalised scores of the classes.
        labels: class numbers, long; those equal to ``ignore_index`` do not count.
        ignore_index: the label to leave out.

    Shape:
        logits: (B, C, H, W); labels: (B, H, W); returns a scalar.

    Raises:
        ValueError: the sizes differ.

    >>> import torch
    >>> round(float(segmentation_cross_entropy(torch.zeros(1, 2, 3, 3), torch.ones(1, 3, 3).long())), 4)
    0.6931
    """
    if logits.dim() != 4 or labels.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"labels must be (B, H, W) for logits (B, C, H, W), got {tuple(labels.shape)} and "
            f"{tuple(logits.shape)}: resize the labels (nearest) and drop their channel axis"
        )
    return functional.cross_entropy(full_precision(logits), labels.long(), ignore_index=ignore_index)


class SegmentationCrossEntropy(nn.Module):
    """``segmentation_cross_entropy`` as a Module.

    Args:
        ignore_index: the label to leave out.

    Shape:
        logits: (B, C, H, W); labels: (B, H, W), long; returns a scalar.

    >>> import torch
    >>> round(float(SegmentationCrossEntropy()(torch.zeros(1, 2, 3, 3), torch.ones(1, 3, 3).long())), 4)
    0.6931
    """

    def __init__(self, *, ignore_index: int = -100) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return segmentation_cross_entropy(logits, labels, ignore_index=self.ignore_index)


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
