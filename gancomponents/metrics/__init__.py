"""Metrics: plain functions on tensors, and one accumulator."""

from gancomponents.metrics.accumulator import Accumulator
from gancomponents.metrics.depth import align_inverse_depth, aligned_abs_rel
from gancomponents.metrics.image import l1_in_mask, load_lpips, lpips_in_mask, psnr_in_mask, ssim_in_mask
from gancomponents.metrics.masked import masked_mean
from gancomponents.metrics.segmentation import (
    confusion_matrix,
    iou_per_class,
    mask_iou,
    mean_iou,
    pixel_accuracy,
)

__all__ = [
    "Accumulator",
    "align_inverse_depth",
    "aligned_abs_rel",
    "confusion_matrix",
    "iou_per_class",
    "l1_in_mask",
    "load_lpips",
    "lpips_in_mask",
    "mask_iou",
    "masked_mean",
    "mean_iou",
    "pixel_accuracy",
    "psnr_in_mask",
    "ssim_in_mask",
]
