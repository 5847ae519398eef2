"""Depth losses: scale-invariant, reverse Huber, and cross-entropy of depth in buckets."""

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision
from gancomponents.losses.segmentation import segmentation_cross_entropy


def check_maps(pred: Tensor, target: Tensor) -> None:
    """Refuse maps that are not two batches of one channel and one size.

    >>> import torch
    >>> check_maps(torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 2, 3))
    """
    if pred.dim() != 4 or pred.shape[1] != 1 or pred.shape != target.shape:
        raise ValueError(
            f"pred and target must be the same (B, 1, H, W), got {tuple(pred.shape)} and "
            f"{tuple(target.shape)}: resize the target to the prediction"
        )


def scale_invariant_loss(pred: Tensor, target: Tensor, *, invariance: float = 1.0) -> Tensor:
    """mean(d^2) - invariance * mean(d)^2 of the differences d, Eigen et al. 2014, Eq. (4).

    The paper takes logarithms of depth and invariance 0.5; statistics here run over the whole batch, as
    upstream.

    Args:
        pred, target: log depths (for scale invariance), or any maps (for shift invariance).
        invariance: 1 ignores a common shift, 0 is the mean squared error.

    Shape:
        pred, target: the same (B, 1, H, W); returns a scalar.

    >>> import torch
    >>> target = torch.rand(1, 1, 4, 4)
    >>> bool(scale_invariant_loss(target + 2, target).abs() < 1e-5)
    True
    """
    check_maps(pred, target)
    difference = full_precision(pred) - full_precision(target)
    return difference.square().mean() - invariance * difference.mean().square()


class ScaleInvariantLoss(nn.Module):
    """``scale_invariant_loss`` as a Module, Eigen et al. 2014, Eq. (4).

    Args:
        invariance: 1 ignores a common shift, 0 is the mean squared error.

    Shape:
        pred, target: the same (B, 1, H, W); returns a scalar.

    >>> import torch
    >>> float(ScaleInvariantLoss()(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)))
    0.0
    """

    def __init__(self, *, invariance: float = 1.0) -> None:
        super().__init__()
        self.invariance = invariance

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        return scale_invariant_loss(pred, target, invariance=self.invariance)

    def extra_repr(self) -> str:
        return f"invariance={self.invariance}"


def reverse_huber_loss(pred: Tensor, target: Tensor, *, fraction: float = 0.2) -> Tensor:
    """The berHu loss of DADA: L1 for small errors, quadratic for large ones.

    Laina et al. 2016, Eq. (1); Vu et al. 2019 (DADA), section 3.2: ``|d|`` up to c, ``(d^2 + c^2) / 2c``
    beyond, with ``c = fraction * max |d|`` over the batch, a constant.

    Args:
        pred, target: depth maps.
        fraction: position of the kink relative to the largest error.

    Shape:
        pred, target: the same (B, 1, H, W); returns a scalar.

    >>> import torch
    >>> pred, target = torch.tensor([0.0, 10.0]).reshape(1, 1, 1, 2), torch.zeros(1, 1, 1, 2)
    >>> float(reverse_huber_loss(pred, target))  # (0 + 104 / 4) / 2
    13.0
    """
    check_maps(pred, target)
    error = (full_precision(pred) - full_precision(target)).abs()
    kink = (fraction * error.detach().max()).clamp_min(1e-12)
    return torch.where(error <= kink, error, (error.square() + kink.square()) / (2 * kink)).mean()


class ReverseHuberLoss(nn.Module):
    """``reverse_huber_loss`` as a Module, Laina et al. 2016, Eq. (1); Vu et al. 2019 (DADA), section 3.2.

    Args:
        fraction: position of the kink relative to the largest error.

    Shape:
        pred, target: the same (B, 1, H, W); returns a scalar.

    >>> import torch
    >>> float(ReverseHuberLoss()(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)))
    0.0
    """

    def __init__(self, *, fraction: float = 0.2) -> None:
        super().__init__()
        self.fraction = fraction

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        return reverse_huber_loss(pred, target, fraction=self.fraction)

    def extra_repr(self) -> str:
        return f"fraction={self.fraction}"


def depth_cross_entropy(logits: Tensor, buckets: Tensor, *, ignore_index: int = -100) -> Tensor:
    """Mean cross-entropy of depth predicted as one of K buckets.

    Cao et al. 2017, Eq. (1), without the paper's weights between neighbouring buckets (ClimateGAN's way). The
    target is only read; a second use of the batch finds it as it was.

    Args:
        logits: unnormalised scores of the buckets.
        buckets: numbers of the true buckets, whole numbers of any dtype.
        ignore_index: the bucket number to leave out.

    Shape:
        logits: (B, K, H, W); buckets: (B, 1, H, W) or (B, H, W); returns a scalar.

    Raises:
        ValueError: the sizes differ.

    >>> import torch
    >>> round(float(depth_cross_entropy(torch.zeros(1, 2, 3, 3), torch.ones(1, 1, 3, 3))), 4)
    0.6931
    """
    if buckets.dim() == 4 and buckets.shape[1] == 1:
        buckets = buckets[:, 0]
    return segmentation_cross_entropy(logits, buckets, ignore_index=ignore_index)


class DepthCrossEntropy(nn.Module):
    """``depth_cross_entropy`` as a Module, Cao et al. 2017, Eq. (1).

    Args:
        ignore_index: the bucket number to leave out.

    Shape:
        logits: (B, K, H, W); buckets: (B, 1, H, W) or (B, H, W); returns a scalar.

    >>> import torch
    >>> round(float(DepthCrossEntropy()(torch.zeros(1, 2, 3, 3), torch.ones(1, 1, 3, 3))), 4)
    0.6931
    """

    def __init__(self, *, ignore_index: int = -100) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, buckets: Tensor) -> Tensor:
        return depth_cross_entropy(logits, buckets, ignore_index=self.ignore_index)

    def extra_repr(self) -> str:
        return f"ignore_index={self.ignore_index}"
