"""Distances between two sets of images: FID and KID."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gancomponents.losses._pretrained import short_timeout
from gancomponents.losses._scores import full_precision


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


@dataclass(frozen=True)
class FeatureSet:
    """Features of a set of images, one row each, and where they come from.

    Shape:
        values: (N, D).

    >>> FeatureSet(torch.zeros(5, 3), backbone="mine", resizer="none", source="town/val").values.shape
    torch.Size([5, 3])
    """

    values: Tensor
    backbone: str
    resizer: str
    source: str


@dataclass(frozen=True)
class ImageFeatures:
    """A network that describes each image by a vector, and its name for the record.

    Args:
        network: from images as files hold them, uint8 (B, 3, H, W), to (B, D).
        backbone: the network and its weights, for the record.
        resizer: how the network brings images to its size, for the record.

    >>> mean_colour = ImageFeatures(lambda x: x.float().mean((2, 3)), backbone="mean colour", resizer="none")
    >>> mean_colour([torch.ones(2, 3, 4, 5)], source="white").values[0].tolist()
    [255.0, 255.0, 255.0]
    """

    network: Callable[[Tensor], Tensor]
    backbone: str
    resizer: str

    @torch.no_grad()
    def __call__(self, batches: Iterable[Tensor], *, source: str) -> FeatureSet:
        """Features of all images of all batches, whatever their sizes.

        Args:
            batches: images in [-1, 1], or uint8, as a network here gives or a file holds them.
            source: what the images are, for the record.

        Shape:
            each batch (B, 3, H, W).

        Raises:
            ValueError: no batch, a batch of another shape or type, or features that are not (B, D).
        """
        features = []
        for batch in batches:
            if batch.dim() != 4 or batch.shape[1] != 3:
                raise ValueError(
                    f"batches must be (B, 3, H, W), got {tuple(batch.shape)}: repeat a single channel thrice"
                )
            found = self.network(_bytes(batch))
            if found.dim() != 2 or len(found) != len(batch):
                raise ValueError(
                    f"network must return (B, D), got {tuple(found.shape)} for {len(batch)} images: pool the "
                    "features over pixels"
                )
            features.append(full_precision(found).cpu())
        if not features:
            raise ValueError("batches must hold images, got none: a generator can be read only once")
        return FeatureSet(torch.cat(features), self.backbone, self.resizer, source)


def inception(weights: str | Path | None = None, *, device: torch.device | str = "cpu") -> ImageFeatures:
    """The Inception of the original FID, as torch-fidelity keeps it: 2048 features, TensorFlow's resizing.

    Heusel et al. 2017 ("GANs Trained by a Two Time-Scale Update Rule"). torch-fidelity rather than
    torchmetrics, which takes this network from it; it comes with ``pip install gancomponents[metrics]``.

    Args:
        weights: torch-fidelity's weights file; by default it is downloaded to torch's cache, or found there.
        device: where the network runs; give it images on the same device.

    Raises:
        ModuleNotFoundError: torch-fidelity is not installed.
        RuntimeError: the weights are neither given nor to be had.

    >>> inception("no/such/file.pth")
    Traceback (most recent call last):
    FileNotFoundError: weights must be a file, got 'no/such/file.pth': ...
    """
    if weights is not None and not Path(weights).is_file():
        raise FileNotFoundError(
            f"weights must be a file, got {str(weights)!r}: leave it out to let torch-fidelity download it"
        )
    package = _torch_fidelity("feature_extractor_inceptionv3")
    try:
        with short_timeout():
            network = package.FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], feature_extractor_weights_path=weights and str(weights)
            )
    except OSError as error:
        raise RuntimeError(
            f"the weights of Inception could not be downloaded ({error}): pass a copy of "
            f"{package.URL_INCEPTION_V3} as weights=, or measure with a network of your own (ImageFeatures)"
        ) from error
    network.to(device)
    backbone = "inception-v3 (2015-12-05, torch-fidelity)" if weights is None else f"inception-v3 ({weights})"
    return ImageFeatures(lambda images: network(images)[0], backbone, "bilinear 299x299 (TensorFlow 1)")


def fid(real: FeatureSet, fake: FeatureSet) -> SetDistance:
    """Fréchet distance between Gaussians that fit the features of two sets.

    Heusel et al. 2017, Eq. (6). Biased upwards by some 1 / N: compare only at the same counts, and use `kid`
    below a few thousand images.

    Args:
        real, fake: features from one network, two images or more each.

    Raises:
        ValueError: features from different networks, or a set too small.

    >>> look = ImageFeatures(lambda x: x.float().mean((2, 3)), backbone="mean colour", resizer="none")
    >>> photos = look([torch.rand(8, 3, 4, 4)], source="noise")
    >>> fid(photos, photos).value < 1e-6, fid(photos, photos).real_count
    (True, 8)
    """
    _check_sets(real, fake)
    value = frechet_distance(*feature_statistics(real.values), *feature_statistics(fake.values))
    return _distance("fid", float(value), real, fake)


def kid(
    real: FeatureSet, fake: FeatureSet, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> SetDistance:
    """Squared maximum mean discrepancy of the features under a cubic kernel; unbiased, hence for small sets.

    Bińkowski et al. 2018 ("Demystifying MMD GANs"), computed by torch-fidelity: the mean over random
    subsets, and their standard deviation as ``deviation``.

    Args:
        real, fake: features from one network.
        subsets: how many are drawn.
        subset_size: images in each; at most the smaller set.
        seed: of the draws.

    Raises:
        ModuleNotFoundError: torch-fidelity is not installed.
        ValueError: features from different networks, or a set too small.

    >>> look = ImageFeatures(lambda x: x.float().mean((2, 3)) / 255, backbone="mean colour", resizer="none")
    >>> noise, white = (look([x], source="") for x in (torch.rand(9, 3, 4, 4), torch.ones(9, 3, 4, 4)))
    >>> kid(noise, white, subset_size=8).value > kid(noise, noise, subset_size=8).value
    True
    """
    _check_sets(real, fake)
    smaller = min(len(real.values), len(fake.values))
    if not 2 <= subset_size <= smaller:
        raise ValueError(
            f"subset_size must be in 2 .. {smaller}, the smaller set, got {subset_size}: draw fewer or use more "
            "images"
        )
    if subsets < 1:
        raise ValueError(f"subsets must be at least 1, got {subsets}: 100 is usual")
    found = _torch_fidelity("metric_kid").kid_features_to_metric(
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


def _bytes(images: Tensor) -> Tensor:
    if images.dtype is torch.uint8:
        return images
    if not images.is_floating_point():
        raise ValueError(f"batches must be floats in [-1, 1] or uint8, got {images.dtype}: convert them")
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _check_sets(real: FeatureSet, fake: FeatureSet) -> None:
    ours, theirs = (real.backbone, real.resizer), (fake.backbone, fake.resizer)
    if ours != theirs or real.values.shape[1:] != fake.values.shape[1:]:
        raise ValueError(f"fake must have features of the network of real, got {theirs} and {ours}: use one")


def _distance(
    metric: str, value: float, real: FeatureSet, fake: FeatureSet, deviation: float | None = None
) -> SetDistance:
    counts = len(real.values), len(fake.values)
    return SetDistance(value, metric, real.backbone, real.resizer, real.source, *counts, deviation)


def _torch_fidelity(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"torch_fidelity.{module}")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "FID's Inception and KID come from torch-fidelity: pip install 'gancomponents[metrics]'"
        ) from error
