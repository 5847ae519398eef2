"""Metrics: plain functions on tensors, and one accumulator."""

from gancomponents.metrics.accumulator import Accumulator
from gancomponents.metrics.boundary import edge_coherence, trimap_accuracy
from gancomponents.metrics.depth import align_inverse_depth, aligned_abs_rel
from gancomponents.metrics.distribution import SetDistance, feature_statistics, fid, frechet_distance, kid
from gancomponents.metrics.features import FeatureSet, ImageFeatures, inception
from gancomponents.metrics.flood import flood_confusion, flood_error_maps, flood_scores
from gancomponents.metrics.health import (
    HEALTHY_RANGES,
    HealthRange,
    discriminator_auc,
    discriminator_overlap,
    gradient_norm_ratio,
    health,
    sample_diversity,
)
from gancomponents.metrics.image import l1_in_mask, load_lpips, lpips_in_mask, psnr_in_mask, ssim_in_mask
from gancomponents.metrics.masked import masked_mean, mean_over_images
from gancomponents.metrics.segmentation import (
    confusion_matrix,
    f_score_per_class,
    iou_per_class,
    mask_iou,
    mean_iou,
    pixel_accuracy,
)

__all__ = [
    "HEALTHY_RANGES",
    "Accumulator",
    "FeatureSet",
    "HealthRange",
    "ImageFeatures",
    "SetDistance",
    "align_inverse_depth",
    "aligned_abs_rel",
    "confusion_matrix",
    "discriminator_auc",
    "discriminator_overlap",
    "edge_coherence",
    "f_score_per_class",
    "feature_statistics",
    "fid",
    "flood_confusion",
    "flood_error_maps",
    "flood_scores",
    "frechet_distance",
    "gradient_norm_ratio",
    "health",
    "inception",
    "iou_per_class",
    "kid",
    "l1_in_mask",
    "load_lpips",
    "lpips_in_mask",
    "mask_iou",
    "masked_mean",
    "mean_iou",
    "mean_over_images",
    "pixel_accuracy",
    "psnr_in_mask",
    "sample_diversity",
    "ssim_in_mask",
    "trimap_accuracy",
]
