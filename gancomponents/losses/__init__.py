"""Losses: pure functions, and thin Modules over them. All return scalars in at least fp32."""

from gancomponents.losses._scores import Scores
from gancomponents.losses.adversarial import (
    AdversarialLoss,
    BCEGANLoss,
    HingeLoss,
    LeastSquaresGANLoss,
    NonSaturatingLoss,
    RelativisticLoss,
    WassersteinLoss,
    bce_discriminator_loss,
    bce_generator_loss,
    bce_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    least_squares_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    wasserstein_discriminator_loss,
    wasserstein_generator_loss,
)
from gancomponents.losses.depth import SIGMLoss, reverse_huber_loss, scale_invariant_loss, sigm_loss
from gancomponents.losses.entropy import (
    AdvEntLoss,
    MinEntropyLoss,
    advent_input,
    advent_loss,
    entropy_map,
    min_entropy,
)
from gancomponents.losses.ground import GroundIntersectionLoss, ground_intersection
from gancomponents.losses.matching import FeatureMatchingLoss, feature_matching
from gancomponents.losses.perceptual import VGGFeatures, VGGLoss, vgg_preprocess
from gancomponents.losses.reconstruction import ContextLoss, ReconstructionLoss, masked_l1
from gancomponents.losses.segmentation import (
    MaskBCE,
    SegmentationCrossEntropy,
    mask_bce,
    segmentation_cross_entropy,
)
from gancomponents.losses.smoothness import TotalVariationLoss, total_variation

__all__ = [
    "AdvEntLoss",
    "AdversarialLoss",
    "BCEGANLoss",
    "ContextLoss",
    "FeatureMatchingLoss",
    "GroundIntersectionLoss",
    "HingeLoss",
    "LeastSquaresGANLoss",
    "MaskBCE",
    "MinEntropyLoss",
    "NonSaturatingLoss",
    "ReconstructionLoss",
    "RelativisticLoss",
    "SIGMLoss",
    "Scores",
    "SegmentationCrossEntropy",
    "TotalVariationLoss",
    "VGGFeatures",
    "VGGLoss",
    "WassersteinLoss",
    "advent_input",
    "advent_loss",
    "bce_discriminator_loss",
    "bce_generator_loss",
    "bce_loss",
    "entropy_map",
    "feature_matching",
    "ground_intersection",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "least_squares_discriminator_loss",
    "least_squares_generator_loss",
    "least_squares_loss",
    "mask_bce",
    "masked_l1",
    "min_entropy",
    "relativistic_discriminator_loss",
    "relativistic_generator_loss",
    "reverse_huber_loss",
    "scale_invariant_loss",
    "segmentation_cross_entropy",
    "sigm_loss",
    "total_variation",
    "vgg_preprocess",
    "wasserstein_discriminator_loss",
    "wasserstein_generator_loss",
]
