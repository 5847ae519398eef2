"""Every encoder of segmentation-models-pytorch and timm, by name."""

import difflib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.encoders.protocol import check_image


class PretrainedEncoder(nn.Module):
    """An encoder of segmentation-models-pytorch, or of timm as "tu-" and its name, as this package uses them.

    Iakubovskii 2019, "Segmentation Models Pytorch"; Wightman 2019, "PyTorch Image Models". Their first
    entry (the image itself, or VGG's full-resolution features) and stages without channels (MiT, ConvNeXt)
    are left out. Sides that are no multiple of ``multiple`` are padded by repeating the last row and column,
    and the features cropped, so that any size works. Plain vision transformers, of one resolution, are refused
    by the library.

    Args:
        name: such as "resnet34", "mit_b0", "tu-convnext_tiny".
        in_channels: channels of the image.
        weights: None draws them; "imagenet", or another name that the encoder knows, downloads them.
        depth: stages to use, one to five.
        output_stride: 32, or 16 or 8 where the encoder can dilate instead of striding.
        finest_stride: stride of the first map returned; 4 is what DeepLab-v3+ calls low-level features.
        multiple: sides are padded to a multiple of this; None takes the coarsest stride. Encoders that attend
            in windows may need more.
        options: keyword arguments for the timm model, such as ``{"strict_img_size": False}``, which Swin needs.

    Shape: (B, in_channels, H, W) to a list of (B, out_channels[i], ceil(H / strides[i]),
    ceil(W / strides[i])), coarse last; pretrained weights expect the normalisation they were trained with.

    Raises:
        ValueError: an unknown name or weights, naming the nearest match; options for another library than
            timm; strides out of reach; an image smaller than two coarse pixels; or features of unexpected
            size, naming the ``multiple`` to use.

    >>> import torch
    >>> encoder = PretrainedEncoder("resnet18", output_stride=16)
    >>> encoder.out_channels, encoder.strides
    ([64, 128, 256, 512], [4, 8, 16, 16])
    """

    def __init__(
        self,
        name: str,
        in_channels: int = 3,
        *,
        weights: str | None = None,
        depth: int = 5,
        output_stride: int = 32,
        finest_stride: int = 4,
        multiple: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if in_channels < 1:
            raise ValueError(f"in_channels must be >= 1, got {in_channels}: give a positive whole number")
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride}: choose one of them")
        if not 1 <= depth <= 5:
            raise ValueError(f"depth must be between 1 and 5, got {depth}: 5 uses the whole encoder")
        if multiple is not None and multiple < 1:
            raise ValueError(f"multiple must be >= 1, got {multiple}: None takes the coarsest stride")
        from segmentation_models_pytorch.encoders import get_encoder

        _check_name(name, weights)
        timm_model = name.startswith("tu-")
        if options and not timm_model:
            raise ValueError(
                f'options must be empty for {name!r}, got {options}: only "tu-" encoders take them'
            )
        self.encoder = get_encoder(
            name,
            in_channels=in_channels,
            depth=depth,
            weights=True if timm_model and weights is not None else weights,
            output_stride=output_stride,
            **(options or {}),
        )
        strides = [min(2**stage, output_stride) for stage in range(len(self.encoder.out_channels))]
        channels = self.encoder.out_channels
        self.stages = [i for i in range(1, len(strides)) if channels[i] > 0 and strides[i] >= finest_stride]
        if not self.stages:
            raise ValueError(
                f"finest_stride must be one of {strides[1:]} at depth {depth}, got {finest_stride}: lower it"
            )
        self.in_channels = in_channels
        self.out_channels = [channels[i] for i in self.stages]
        self.strides = [strides[i] for i in self.stages]
        self.multiple = self.strides[-1] if multiple is None else multiple
        #: Smallest height and width: two coarse pixels, so that batch norm trains on a batch of one.
        self.min_size = 2 * self.strides[-1]

    def forward(self, x: Tensor) -> list[Tensor]:
        check_image(x, self.in_channels, self.min_size)
        height, width = x.shape[-2:]
        down, across = -height % self.multiple, -width % self.multiple
        if down or across:
            x = F.pad(x, (0, across, 0, down), mode="replicate")
        features = self.encoder(x)
        found = []
        for stage, stride in zip(self.stages, self.strides, strict=True):
            feature = features[stage]
            size = (-(-x.shape[-2] // stride), -(-x.shape[-1] // stride))
            if tuple(feature.shape[-2:]) != size:
                raise ValueError(
                    f"x must be a multiple of more than {self.multiple} for this encoder, got {height}x{width}: "
                    f"use PretrainedEncoder(..., multiple={2 * self.multiple})"
                )
            found.append(_cropped(feature, -(-height // stride), -(-width // stride)))
        return found


def _cropped(x: Tensor, height: int, width: int) -> Tensor:
    """The upper left corner, in the memory format of the whole."""
    if tuple(x.shape[-2:]) == (height, width):
        return x
    last = x.is_contiguous(memory_format=torch.channels_last)
    return x[..., :height, :width].contiguous(
        memory_format=torch.channels_last if last else torch.contiguous_format
    )


def _check_name(name: str, weights: str | None) -> None:
    """Refuse names that neither library has, before anything is built or downloaded."""
    import timm
    from segmentation_models_pytorch.encoders import encoders

    if name.startswith("tu-"):
        if timm.is_model(name.removeprefix("tu-")):
            return
    elif name in encoders:
        known = sorted(encoders[name].get("pretrained_settings") or {})
        if weights is not None and weights not in known:
            raise ValueError(f"weights must be None or one of {known}, got {weights!r}: choose one")
        return
    names = [*encoders, *(f"tu-{model}" for model in timm.list_models())]
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)
    raise ValueError(
        'name must be an encoder of segmentation-models-pytorch, or "tu-" and a model of timm, '
        f"got {name!r}: did you mean {nearest[0]!r}?"
    )
