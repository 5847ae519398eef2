"""The networks of ClimateGAN: a masker that reads a street, and a painter that floods it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.decoders import DADADepthDecoder, DeepLabV3PlusDecoder, MaskDecoder
from gancomponents.generators import SPADEPainter, paste
from gancomponents.layers import initialise

DecoderFactory = Callable[[Sequence[int]], nn.Module]


class Prediction(NamedTuple):
    """What the masker sees in a batch of images (B, 3, H, W).

    Attributes:
        depth: raw inverse depth up to scale and shift, (B, 1, H/4, W/4).
        segmentation: class logits, (B, 11, H/4, W/4).
        mask: water logits, (B, 1, H, W).
    """

    depth: Tensor
    segmentation: Tensor
    mask: Tensor


class Masker(nn.Module):
    """Depth, segmentation and water mask from one shared encoder (ClimateGAN, Schmidt et al. 2022, section 3.1).

    Args:
        encoder: any encoder that keeps `gancomponents.encoders.Encoder`'s protocol.
        depth: builds the depth decoder from the encoder's channels; it is called with the features and
            ``size`` and returns ``(depth, fusion)``.
        segmentation: builds the segmentation decoder, called with the features, ``fusion`` and ``size``.
        mask: builds the mask decoder, called with the features and ``fusion``.
        target_stride: depth and segmentation are predicted at this fraction of the image.
        fuse_segmentation: multiply the segmentation decoder's features by the depth's (DADA fusion).
        fuse_mask: the same for the mask decoder's.
        init_gain: gain of the Xavier initialisation of the depth and mask decoders, published 0.02;
            spectrally normalised layers keep torch's own, and with None all do.

    Shape: (B, 3, H, W) in [-1, 1] to a `Prediction`.

    Raises:
        ValueError: a target stride below one, or a depth decoder without a fusion map where one is asked for.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        depth: DecoderFactory = DADADepthDecoder,
        segmentation: DecoderFactory = DeepLabV3PlusDecoder,
        mask: DecoderFactory = MaskDecoder,
        target_stride: int = 4,
        fuse_segmentation: bool = True,
        fuse_mask: bool = False,
        init_gain: float | None = 0.02,
    ):
        super().__init__()
        if target_stride < 1:
            raise ValueError(f"target_stride must be >= 1, got {target_stride}: the published system uses 4")
        channels: Sequence[int] = encoder.out_channels  # type: ignore[assignment]
        self.encoder = encoder
        self.depth = depth(channels)
        if (fuse_segmentation or fuse_mask) and not getattr(self.depth, "makes_fusion", True):
            raise ValueError(
                "depth must make a fusion map for fuse_segmentation and fuse_mask, "
                f"got {type(self.depth).__name__} without: set both to False, or use decoders.DADADepthDecoder"
            )
        self.segmentation = segmentation(channels)
        self.mask = mask(channels)
        if init_gain is not None:
            initialise(self.depth, "xavier", init_gain, spectral=False)
            initialise(self.mask, "xavier", init_gain, spectral=False)
        self.target_stride = target_stride
        self.fuse_segmentation = fuse_segmentation
        self.fuse_mask = fuse_mask

    def forward(self, x: Tensor) -> Prediction:
        features = self.encoder(x)
        size = tuple(-(-side // self.target_stride) for side in x.shape[-2:])
        depth, fusion = self.depth(features, size=size)
        segmentation = self.segmentation(
            features, fusion=fusion if self.fuse_segmentation else None, size=size
        )
        mask = self.mask(features, fusion=fusion if self.fuse_mask else None)
        if mask.shape[-2:] != x.shape[-2:]:
            mask = F.interpolate(mask, x.shape[-2:], mode="bilinear", align_corners=False)
        return Prediction(depth, segmentation, mask)


class ClimateGAN(nn.Module):
    """A masker and a painter: one street photo in, the flooded street out.

    Args:
        masker: predicts depth, segmentation and where water would stand.
        painter: paints water into an image whose water pixels are zero.
        paste_original: keep the photo outside the mask; without it, the painter's whole picture is the result.

    Shape: (B, 3, H, W) in [-1, 1] to a `Prediction`.
    """

    def __init__(self, masker: Masker, painter: nn.Module | None = None, *, paste_original: bool = True):
        super().__init__()
        self.masker = masker
        self.painter = SPADEPainter() if painter is None else painter
        self.paste_original = paste_original

    def forward(self, x: Tensor) -> Prediction:
        return self.masker(x)

    def paint(self, x: Tensor, mask: Tensor) -> Tensor:
        """Paint water into ``x`` (B, 3, H, W) where ``mask`` (B, 1, H, W) is 1; in and out in [-1, 1]."""
        fake = self.painter(x * (1 - mask)).to(x.dtype)
        return paste(fake, x, mask) if self.paste_original else fake

    @torch.no_grad()
    def load_weights(self, weights: dict[str, Tensor]) -> list[str]:
        """Load a state dict; return what does not fit, a line for each key, having changed nothing then."""
        own = self.state_dict()
        faults = [f"{key}: missing" for key in own.keys() - weights.keys()]
        faults += [f"{key}: unknown" for key in weights.keys() - own.keys()]
        for key in own.keys() & weights.keys():
            if own[key].shape != weights[key].shape:
                faults.append(f"{key}: {tuple(weights[key].shape)} in the file, {tuple(own[key].shape)} here")
        if not faults:
            self.load_state_dict(weights)
        return sorted(faults)
