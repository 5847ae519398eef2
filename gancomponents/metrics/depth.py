"""Depth error after alignment: relative depth has neither scale nor shift."""

import torch
from torch import Tensor

from gancomponents.metrics.masked import masked_mean


def align_inverse_depth(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Scale and shift each prediction to its target by least squares over the valid pixels.

    Ranftl et al. 2020 (MiDaS), section 5, in closed form: scale = cov(p, g) / var(p), shift = mean(g) - scale
    mean(p). A constant prediction becomes the mean of its target.

    Args:
        prediction: inverse depth, any scale and shift.
        target: inverse depth.
        valid: 1 where the pixel counts.

    Shape:
        all (B, 1, H, W); returns the aligned prediction.

    >>> import torch
    >>> target, valid = torch.rand(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    >>> bool(torch.allclose(align_inverse_depth(5 - 2 * target, target, valid), target, atol=1e-5))
    True
    """
    count = valid.sum(dim=(1, 2, 3), keepdim=True).clamp_min(1)

    def mean(values: Tensor) -> Tensor:
        return (values * valid).sum(dim=(1, 2, 3), keepdim=True) / count

    centred_prediction, centred_target = prediction - mean(prediction), target - mean(target)
    variance = mean(centred_prediction.square())
    scale = mean(centred_prediction * centred_target) / variance.clamp_min(1e-12)
    return scale * centred_prediction + mean(target)


def aligned_abs_rel(
    prediction: Tensor,
    target: Tensor,
    *,
    valid: Tensor | None = None,
    min_depth: float = 0.5,
    max_depth: float = 80.0,
) -> Tensor:
    """Absolute relative depth error, ``|d - d*| / d*``, after the prediction was aligned to the target.

    Eigen et al. 2014, section 4.2 (abs rel), after the alignment of Ranftl et al. 2020 (MiDaS), section 5.
    Both depths are clamped to [``min_depth``, ``max_depth``] after it. Averaged over the valid pixels of an
    image, then over images.

    Args:
        prediction: inverse depth, any scale and shift.
        target: inverse depth in 1/m.
        valid: 1 where the pixel counts. By default the pixels nearer than ``max_depth``, hence not the sky.
        min_depth: metres.
        max_depth: metres; 80 is usual on streets.

    Shape:
        prediction, target, valid: (B, 1, H, W); returns a scalar, NaN where no pixel is valid.

    Raises:
        ValueError: shapes differ, or 0 < min_depth < max_depth does not hold.

    >>> import torch
    >>> depth = torch.linspace(2, 50, 64).reshape(1, 1, 8, 8)
    >>> bool(aligned_abs_rel(3 / depth + 1, 1 / depth) < 1e-4)
    True
    """
    if prediction.dim() != 4 or prediction.shape != target.shape or prediction.shape[1] != 1:
        raise ValueError(
            f"prediction and target must be the same (B, 1, H, W), got {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}: resize one"
        )
    if not 0 < min_depth < max_depth:
        raise ValueError(f"min_depth must be in (0, {max_depth}), got {min_depth}: give metres")
    dtype = torch.float64 if target.dtype is torch.float64 else torch.float32
    prediction, target = prediction.to(dtype), target.to(dtype)
    weight = (target > 1 / max_depth).to(dtype) if valid is None else valid.to(dtype)
    aligned = align_inverse_depth(prediction, target, weight)
    depth = 1 / aligned.clamp(1 / max_depth, 1 / min_depth)
    true_depth = 1 / target.clamp(1 / max_depth, 1 / min_depth)
    return masked_mean((depth - true_depth).abs() / true_depth, weight)
