"""Losses: pure functions, and thin Modules over them. All return scalars in at least fp32."""

from gancomponents.losses._scores import Scores
from gancomponents.losses.advent import (
    AdvEntLoss,
    advent_input,
    advent_loss,
)
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
from gancomponents.losses.classifier import (
    ClassifierLoss,
    classifier_loss,
)
from gancomponents.losses.clipping import clip_weights
from gancomponents.losses.depth import (
    DepthCrossEntropy,
    ReverseHuberLoss,
    ScaleInvariantLoss,
    depth_cross_entropy,
    reverse_huber_loss,
    scale_invariant_loss,
)
from gancomponents.losses.entropy import (
    MinEntropyLoss,
    entropy_map,
    min_entropy,
)
from gancomponents.losses.focal import (
    FocalLoss,
    focal_loss,
)
from gancomponents.losses.ground import (
    GroundIntersectionLoss,
    ground_intersection,
)
from gancomponents.losses.lecam import (
    LeCamLoss,
    lecam_loss,
)
from gancomponents.losses.lpips import LPIPSLoss
from gancomponents.losses.matching import (
    FeatureMatchingLoss,
    feature_matching,
)
from gancomponents.losses.overlap import (
    DiceLoss,
    LovaszLoss,
    dice_loss,
    lovasz_loss,
)
from gancomponents.losses.penalties import (
    DRAGANPenalty,
    GradientPenalty,
    Penalty,
    R1Penalty,
    R2Penalty,
    dragan_penalty,
    gradient_penalty,
    r1_penalty,
    r2_penalty,
)
from gancomponents.losses.perceptual import (
    VGGFeatures,
    VGGLoss,
    vgg_preprocess,
)
from gancomponents.losses.reconstruction import (
    ContextLoss,
    ReconstructionLoss,
    masked_l1,
)
from gancomponents.losses.segmentation import (
    MaskBCE,
    SegmentationCrossEntropy,
    mask_bce,
    segmentation_cross_entropy,
)
from gancomponents.losses.sigm import (
    SIGMLoss,
    sigm_loss,
)
from gancomponents.losses.smoothness import (
    TotalVariationLoss,
    total_variation,
)
from gancomponents.losses.translation import (
    AutoEncodingLoss,
    CycleLoss,
    image_distance,
)
from gancomponents.losses.travel import (
    SiameseMarginLoss,
    TravelLoss,
    siamese_margin,
    travel_loss,
    travel_similarity,
)

__all__ = [
    "AdvEntLoss",
    "AdversarialLoss",
    "AutoEncodingLoss",
    "BCEGANLoss",
    "ClassifierLoss",
    "ContextLoss",
    "CycleLoss",
    "DRAGANPenalty",
    "DepthCrossEntropy",
    "DiceLoss",
    "FeatureMatchingLoss",
    "FocalLoss",
    "GradientPenalty",
    "GroundIntersectionLoss",
    "HingeLoss",
    "LPIPSLoss",
    "LeCamLoss",
    "LeastSquaresGANLoss",
    "LovaszLoss",
    "MaskBCE",
    "MinEntropyLoss",
    "NonSaturatingLoss",
    "Penalty",
    "R1Penalty",
    "R2Penalty",
    "ReconstructionLoss",
    "RelativisticLoss",
    "ReverseHuberLoss",
    "SIGMLoss",
    "ScaleInvariantLoss",
    "Scores",
    "SegmentationCrossEntropy",
    "SiameseMarginLoss",
    "TotalVariationLoss",
    "TravelLoss",
    "VGGFeatures",
    "VGGLoss",
    "WassersteinLoss",
    "advent_input",
    "advent_loss",
    "bce_discriminator_loss",
    "bce_generator_loss",
    "bce_loss",
    "classifier_loss",
    "clip_weights",
    "depth_cross_entropy",
    "dice_loss",
    "dragan_penalty",
    "entropy_map",
    "feature_matching",
    "focal_loss",
    "gradient_penalty",
    "ground_intersection",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "image_distance",
    "least_squares_discriminator_loss",
    "least_squares_generator_loss",
    "least_squares_loss",
    "lecam_loss",
    "lovasz_loss",
    "mask_bce",
    "masked_l1",
    "min_entropy",
    "r1_penalty",
    "r2_penalty",
    "relativistic_discriminator_loss",
    "relativistic_generator_loss",
    "reverse_huber_loss",
    "scale_invariant_loss",
    "segmentation_cross_entropy",
    "siamese_margin",
    "sigm_loss",
    "total_variation",
    "travel_loss",
    "travel_similarity",
    "vgg_preprocess",
    "wasserstein_discriminator_loss",
    "wasserstein_generator_loss",
]
