"""Distances between two sets of images: FID and KID."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gancomponents.layers.precision import full_precision
from gancomponents.metrics.features import FeatureSet, torch_fidelity_module


@dataclass(frozen=True)
class SetDistance:
    """A distance between two sets of images, with everything that it depends on.

    Numbers compare only where all of ``metric``, ``backbone``, ``resizer``, ``reference`` and both counts are
    the same: Parmar et al. 2022 ("On Aliased Resizing"), Chong & Forsyth 2020 ("Effectively Unbiased FID").

    Args:
        value: the distance, 0 for the same distribution (KID may fall a little below).
        metric: "fid" or "kid".
        backbone: the network that made the features, and its weights.
        resizer: how images came to its size.
        reference: what the real images are.
        real_count, fake_count: how many images each set has.
        deviation: over subsets (KID).

    >>> SetDistance(31.5, "fid", "inception", "bilinear", "town/val", 200, 100).value
    31.5
    """

    value: float
    metric: str
    backbone: str
    resizer: str
    reference: str
    real_count: int
    fake_count: int
    deviation: float | None = None


def fid(real: FeatureSet, fake: FeatureSet) -> SetDistance:
    """Fréchet distance between Gaussians that fit the features of two sets.

    Heusel et al. 2017, Eq. (6). Biased upwards by some 1 / N: compare only at the same counts, and use `kid`
    below a few thousand images.

    Args:
        real, fake: features from one network, two images or more each.

    Raises:
        ValueError: features from different networks, or a set too small.

    >>> from gancomponents.metrics import ImageFeatures
    >>> look = ImageFeatures(lambda x: x.float().mean((2, 3)), backbone="mean colour", resizer="none")
    >>> photos = look([torch.rand(8, 3, 4, 4)], source="noise")
    >>> fid(photos, photos).value < 1e-6, fid(photos, photos).real_count
    (True, 8)
    """
    _check_sets(real, fake)
    value = frechet_distance(*feature_statistics(real.values), *feature_statistics(fake.values))
    return _distance("fid", float(value), real, fake)


def kid(
    real: FeatureSet, fake: FeatureSet, *, subsets: int = 100, subset_size: int | None = None, seed: int = 0
) -> SetDistance:
    """Squared maximum mean discrepancy of the features under a cubic kernel; unbiased, hence for small sets.

    Bińkowski et al. 2018 ("Demystifying MMD GANs"), computed by torch-fidelity: the mean over random
    subsets, and their standard deviation as ``deviation``.

    Args:
        real, fake: features from one network.
        subsets: how many are drawn.
        subset_size: images in each, at most the smaller set; 1000 or the smaller set where None.
        seed: of the draws.

    Raises:
        ModuleNotFoundError: torch-fidelity is not installed.
        ValueError: features from different networks, or a set too small.

    >>> from gancomponents.metrics import ImageFeatures
    >>> look = ImageFeatures(lambda x: x.float().mean((2, 3)) / 255, backbone="mean colour", resizer="none")
    >>> noise, white = (look([x], source="") for x in (torch.rand(9, 3, 4, 4), torch.ones(9, 3, 4, 4)))
    >>> kid(noise, white, subset_size=8).value > kid(noise, noise, subset_size=8).value
    True
    """
    _check_sets(real, fake)
    smaller = min(len(real.values), len(fake.values))
    subset_size = min(1000, smaller) if subset_size is None else subset_size
    if not 2 <= subset_size <= smaller:
        raise ValueError(
            f"subset_size must be in 2 .. {smaller}, the smaller set, got {subset_size}: draw fewer or use more "
            "images"
        )
    if subsets < 1:
        raise ValueError(f"subsets must be at least 1, got {subsets}: 100 is usual")
    found = torch_fidelity_module("metric_kid").kid_features_to_metric(
        real.values.double(),
        fake.values.double(),
        kid_subsets=subsets,
        kid_subset_size=subset_size,
        rng_seed=seed,
        verbose=False,
    )
    value = found["kernel_inception_distance_mean"]
    return _distance("kid", value, real, fake, found["kernel_inception_distance_std"])


def feature_statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased covariance of the rows, in float64.

    Shape:
        features: (N, D); returns (D,) and (D, D).

    Raises:
        ValueError: fewer than two rows.

    >>> mean, covariance = feature_statistics(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
    >>> mean.tolist(), covariance.tolist()
    ([1.0, 1.0], [[2.0, 0.0], [0.0, 0.0]])
    """
    if features.dim() != 2 or len(features) < 2:
        raise ValueError(
            f"features must be (N, D) of two rows or more, got {tuple(features.shape)}: one row has no covariance"
        )
    features = features.double()
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> Tensor:
    """Squared Fréchet distance of two Gaussians: ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``.

    Dowson & Landau 1982; Heusel et al. 2017, Eq. (6). The trace of the root is the sum of the singular values of
    C1^(1/2) C2^(1/2), which are real for singular covariances too: no small number is added and no imaginary
    part dropped.
    Computed in float64; rounding may leave a tiny negative number.

    Args:
        mean1, mean2: means.
        cov1, cov2: covariances, symmetric and positive semi-definite.

    Shape:
        means: (D,); covariances: (D, D); returns a scalar.

    Raises:
        ValueError: the shapes do not fit.

    >>> zero, one = torch.zeros(2), torch.eye(2)
    >>> round(float(frechet_distance(zero, one, zero + 1, 4 * one)), 4)  # 1 + 1 + 2 (1 + 4 - 2 * 2)
    4.0
    """
    size = mean1.numel()
    shapes = [tuple(t.shape) for t in (mean1, cov1, mean2, cov2)]
    if shapes != [(size,), (size, size)] * 2:
        raise ValueError(
            f"mean1, cov1, mean2 and cov2 must be (D,), (D, D), (D,) and (D, D), got {shapes}: take both from "
            "the same network"
        )
    difference = mean1.double() - mean2.double()
    # (C1 C2)^(1/2) has the eigenvalues of (R1 C2 R1)^(1/2) with R = C^(1/2): the singular values of R1 R2.
    overlap = torch.linalg.svdvals(_root(cov1.double()) @ _root(cov2.double())).sum()
    trace = cov1.double().diagonal().sum() + cov2.double().diagonal().sum()
    return (difference.square().sum() + trace - 2 * overlap).to(full_precision(mean1).dtype)


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def _check_sets(real: FeatureSet, fake: FeatureSet) -> None:
    ours, theirs = (real.backbone, real.resizer), (fake.backbone, fake.resizer)
    if ours != theirs or real.values.shape[1:] != fake.values.shape[1:]:
        raise ValueError(f"fake must have features of the network of real, got {theirs} and {ours}: use one")


def _distance(
    metric: str, value: float, real: FeatureSet, fake: FeatureSet, deviation: float | None = None
) -> SetDistance:
    counts = len(real.values), len(fake.values)
    return SetDistance(value, metric, real.backbone, real.resizer, real.source, *counts, deviation)
