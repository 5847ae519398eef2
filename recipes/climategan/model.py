"""The networks of ClimateGAN: a masker that reads a street, and a painter that floods it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from gancomponents.decoders import (
    DADADepthDecoder,
    DeepLabV3PlusDecoder,
    MaskDecoder,
    decode_bucketed_depth,
    mask_condition,
)
from gancomponents.generators import paste
from gancomponents.layers import initialise, resize
from recipes.climategan.events import Events
from recipes.climategan.inference import A, infer_all

DecoderFactory = Callable[[Sequence[int]], nn.Module]


class Prediction(NamedTuple):
    """What the masker sees in a batch of images (B, 3, H, W); None where it has no such decoder.

    Attributes:
        depth: raw inverse depth up to scale and shift, (B, 1, H/4, W/4); or logits of buckets of log depth,
            (B, buckets, H/4, W/4).
        segmentation: class logits, (B, 11, H/4, W/4).
        mask: water logits, (B, 1, H, W).
    """

    depth: Tensor | None
    segmentation: Tensor | None
    mask: Tensor | None

    @property
    def inverse_depth(self) -> Tensor:
        """Depth as one map of inverse depth, (B, 1, H/4, W/4), whichever way it is predicted."""
        if self.depth is None:
            raise ValueError("depth must be predicted to be shown, got a masker without: bind one")
        return self.depth if self.depth.shape[1] == 1 else 1 / decode_bucketed_depth(self.depth)


class Masker(nn.Module):
    """Depth, segmentation and water mask from one shared encoder (ClimateGAN, Schmidt et al. 2022, section 3.1).

    Args:
        encoder: any encoder that keeps `gancomponents.encoders.Encoder`'s protocol.
        depth: builds the depth decoder from the encoder's channels; it is called with the features and
            ``size`` and returns ``(depth, fusion)``. None for a masker without depth.
        segmentation: builds the segmentation decoder, called with the features, ``fusion`` and ``size``; or None.
        mask: builds the mask decoder, called with the features and ``fusion``, and with the condition too where
            it has ``cond_channels`` (`gancomponents.decoders.SPADEMaskDecoder`): depth and class probabilities,
            and the image where there are channels left for it. Or None.
        target_stride: depth and segmentation are predicted at this fraction of the image.
        fuse_segmentation: multiply the segmentation decoder's features by the depth's (DADA fusion).
        fuse_mask: the same for the mask decoder's.
        detach_condition: let no gradient flow from the mask through its condition.
        init_gain: gain of the Xavier initialisation of the depth and mask decoders, published 0.02;
            spectrally normalised layers keep torch's own, and with None all do.

    Shape: (B, 3, H, W) in [-1, 1] to a `Prediction`.

    Raises:
        ValueError: a target stride below one, no decoder at all, fusion asked for without a depth decoder that
            makes a fusion map, or a conditioned mask decoder without depth and segmentation to condition it.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        depth: DecoderFactory | None = DADADepthDecoder,
        segmentation: DecoderFactory | None = DeepLabV3PlusDecoder,
        mask: DecoderFactory | None = MaskDecoder,
        target_stride: int = 4,
        fuse_segmentation: bool = True,
        fuse_mask: bool = False,
        detach_condition: bool = False,
        init_gain: float | None = 0.02,
    ):
        super().__init__()
        if target_stride < 1:
            raise ValueError(f"target_stride must be >= 1, got {target_stride}: the published system uses 4")
        channels: Sequence[int] = encoder.out_channels  # type: ignore[assignment]
        self.encoder = encoder
        self.depth, self.segmentation, self.mask = (
            None if decoder is None else decoder(channels) for decoder in (depth, segmentation, mask)
        )
        self.target_stride = target_stride
        self.fuse_segmentation = fuse_segmentation
        self.fuse_mask = fuse_mask
        self.detach_condition = detach_condition
        self._check()
        if init_gain is not None:
            for decoder in (self.depth, self.mask):
                if decoder is not None:
                    initialise(decoder, "xavier", init_gain, spectral=False)

    def _check(self) -> None:
        if self.depth is None and self.segmentation is None and self.mask is None:
            raise ValueError("depth, segmentation and mask must not all be None: a masker needs a decoder")
        fuses = (self.fuse_segmentation and self.segmentation is not None) or (
            self.fuse_mask and self.mask is not None
        )
        if fuses and not (self.depth is not None and getattr(self.depth, "makes_fusion", True)):
            got = "no depth decoder" if self.depth is None else f"{type(self.depth).__name__} without"
            raise ValueError(
                f"depth must make a fusion map for fuse_segmentation and fuse_mask, got {got}: "
                "set both to False, or use decoders.DADADepthDecoder"
            )
        if self.conditioned and (self.depth is None or self.segmentation is None):
            raise ValueError(
                f"mask must be a decoder without a condition where depth or segmentation is None, got "
                f"{type(self.mask).__name__}: bind both, or use decoders.MaskDecoder"
            )

    @property
    def conditioned(self) -> bool:
        """Whether the mask decoder is steered by depth and segmentation."""
        return getattr(self.mask, "cond_channels", None) is not None

    def forward(self, x: Tensor) -> Prediction:
        features = self.encoder(x)
        size = tuple(-(-side // self.target_stride) for side in x.shape[-2:])
        depth = fusion = segmentation = mask = None
        if self.depth is not None:
            depth, fusion = self.depth(features, size=size)
        if self.segmentation is not None:
            shared = fusion if self.fuse_segmentation else None
            segmentation = self.segmentation(features, fusion=shared, size=size)
        if self.mask is not None:
            shared = fusion if self.fuse_mask else None
            if self.conditioned:
                mask = self.mask(features, self._condition(x, depth, segmentation), fusion=shared)
            else:
                mask = self.mask(features, fusion=shared)
            mask = resize(mask, (x.shape[-2], x.shape[-1]))
        return Prediction(depth, segmentation, mask)

    def _condition(self, x: Tensor, depth: Tensor | None, segmentation: Tensor | None) -> Tensor:
        assert depth is not None
        assert segmentation is not None
        assert self.mask is not None
        inverse = Prediction(depth, segmentation, None).inverse_depth
        with_image = self.mask.cond_channels == 1 + segmentation.shape[1] + x.shape[1]
        return mask_condition(inverse, segmentation, x if with_image else None, detach=self.detach_condition)


class ClimateGAN(nn.Module):
    """A masker and a painter: one street photo in, the flooded street out.

    Args:
        masker: predicts depth, segmentation and where water would stand; None for a painter alone.
        painter: paints water into an image whose water pixels are zero; None for a masker alone.
        paste_original: keep the photo outside the mask; without it, the painter's whole picture is the result.

    Attributes:
        trained_size: side of the images that it was trained on, pixels; None where nobody has said.
        trained_stretch: whether each of these was stretched to its full range; `infer_all` then shows photos so.

    Shape: (B, 3, H, W) in [-1, 1] to a `Prediction`.

    Raises:
        ValueError: neither of the two.
    """

    def __init__(
        self, masker: Masker | None = None, painter: nn.Module | None = None, *, paste_original: bool = True
    ):
        super().__init__()
        if masker is None and painter is None:
            raise ValueError("masker and painter must not both be None: bind one of them")
        self.masker = masker
        self.painter = painter
        self.paste_original = paste_original
        self.trained_size: int | None = None
        self.trained_stretch = False

    @classmethod
    def from_run(cls, run: str | Path, *, device: str = "auto", weights: str = "auto") -> Self:
        """The model of a finished run, ready to infer: in evaluation mode, on the device.

        The run's config.gin is parsed, and is code as any .gin file: use only runs that you trust, or put a
        config.gin of your own into theirs. Their checkpoints are data alone.

        Args:
            run: a run folder, its checkpoints folder, or one checkpoint.
            device: "auto", "cpu", "cuda" or "cuda:N".
            weights: "auto" for averaged ones where the checkpoint has them, "averaged" or "raw"; never those
                that an optimiser's look-ahead leaves.

        Raises:
            gancomponents.errors.InputError: for a path that is no run, or weights that do not fit its config.gin.
        """
        from gancomponents.training import Runtime
        from recipes.loading import load_model

        model = load_model(Path(run), Runtime(device, "fp32"), weights=weights).model
        assert isinstance(model, cls)
        return model

    def infer_all(self, x: A, **options: Any) -> Events[A]:
        """Flood, wildfire and smog of one photo or a batch; see `recipes.climategan.inference.infer_all`."""
        return infer_all(self, x, **options)

    def forward(self, x: Tensor) -> Prediction:
        if self.masker is None:
            raise ValueError("masker must be there to predict anything, got None: this model only paints")
        return self.masker(x)

    def paint(self, x: Tensor, mask: Tensor) -> Tensor:
        """Paint water into ``x`` (B, 3, H, W) where ``mask`` (B, 1, H, W) is 1; in and out in [-1, 1]."""
        if self.painter is None:
            raise ValueError("painter must be there to paint, got None: this model only predicts")
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
