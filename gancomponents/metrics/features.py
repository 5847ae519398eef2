"""Sets of images as sets of features, with a record of what made them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision
from gancomponents.losses._pretrained import short_timeout


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
        network: from images as files hold them, uint8 (B, 3, H, W), to (B, D). A Module, or a method of one,
            is run in evaluation mode and left as it was; a function of yours must see to that itself.
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
            batches: images in [-1, 1], or uint8, as a network here gives or a file holds them; an overshoot
                below 0.05 is clipped. Values are read on the host.
            source: what the images are, for the record.

        Shape:
            each batch (B, 3, H, W).

        Raises:
            ValueError: no batch, a batch of another shape, type or range, or features that are not (B, D).
        """
        features = []
        for batch in batches:
            if batch.dim() != 4 or batch.shape[1] != 3:
                raise ValueError(
                    f"batches must be (B, 3, H, W), got {tuple(batch.shape)}: repeat a single channel thrice"
                )
            with _evaluating(
                self.network
            ):  # not while the batches are made: that may be a network's work too
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
    package = torch_fidelity_module("feature_extractor_inceptionv3")
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


@contextmanager
def _evaluating(network: object) -> Iterator[None]:
    """A Module's parts in evaluation mode, each in its own again afterwards."""
    owner = getattr(network, "__self__", network)
    modes = {m: m.training for m in owner.modules()} if isinstance(owner, nn.Module) else {}
    for module in modes:
        module.training = False
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _bytes(images: Tensor) -> Tensor:
    if images.dtype is torch.uint8:
        return images
    if not images.is_floating_point():
        raise ValueError(f"batches must be floats in [-1, 1] or uint8, got {images.dtype}: convert them")
    if not (images.abs() <= 1.05).all():  # NaN is not either
        low, high = images.float().aminmax()
        raise ValueError(
            f"batches must be floats in [-1, 1] or uint8, got values from {float(low):g} to {float(high):g}: undo "
            "the normalisation, or scale them"
        )
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def torch_fidelity_module(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"torch_fidelity.{module}")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "FID's Inception and KID come from torch-fidelity: pip install 'gancomponents[metrics]'"
        ) from error
