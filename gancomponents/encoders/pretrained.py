"""Every encoder of segmentation-models-pytorch and timm, by name."""

import difflib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.encoders.protocol import check_image
from gancomponents.layers.checks import check_positive


class PretrainedEncoder(nn.Module):
    """An encoder of segmentation-models-pytorch, or of timm as "tu-" and its name, as this package uses them.

    Iakubovskii 2019, "Segmentation Models Pytorch"; Wightman 2019, "PyTorch Image Models". Their first
    entry (the image itself, or VGG's full-resolution features) and stages without channels (MiT, ConvNeXt)
    are left out. Sides that are no multiple of ``multiple`` are padded by repeating the last row and column,
    and the features cropped, so that convolutional encoders take any size from ``min_size`` up. Those that attend
    in windows or to fixed positions may take only the size that they were trained at, unless ``options`` say
    otherwise. Plain vision transformers, which have one resolution, are refused.

    Args:
        name: such as "resnet34", "mit_b0", "tu-convnext_tiny".
        in_channels: channels of the image.
        weights: None draws them; "imagenet", or another name that the encoder knows, downloads them (timm's are
            chosen by the tag in ``name``). Those of a file are loaded by
            :func:`~gancomponents.encoders.load_weights`.
        depth: stages to use, one to five.
        output_stride: 32, or 16 or 8 where the encoder can dilate instead of striding.
        finest_stride: stride of the first map returned; 4 is what DeepLab-v3+ calls low-level features.
        multiple: sides are padded to a multiple of this; None takes the coarsest stride. Encoders that attend
            in windows may need more.
        options: keyword arguments for the timm model, such as ``{"strict_img_size": False}``, by which Swin
            takes any size.

    Shape: (B, in_channels, H, W) to a list of (B, out_channels[i], ceil(H / strides[i]),
    ceil(W / strides[i])), coarse last; pretrained weights expect the normalisation they were trained with.

    Raises:
        ValueError: an unknown name, naming the nearest match; unknown weights; options for another library than
            timm; an encoder that is no pyramid, or cannot be built as asked; strides out of reach; an image
            smaller than two coarse pixels, or of a size that the encoder does not take; or features of
            unexpected size, naming the ``multiple`` to use.

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
        check_positive(in_channels=in_channels)
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride}: choose one of them")
        if not 1 <= depth <= 5:
            raise ValueError(f"depth must be between 1 and 5, got {depth}: 5 uses the whole encoder")
        if multiple is not None and multiple < 1:
            raise ValueError(f"multiple must be >= 1, got {multiple}: None takes the coarsest stride")
        _check_name(name, weights)
        timm_model = name.startswith("tu-")
        if options and not timm_model:
            raise ValueError(
                f'options must be empty for {name!r}, got {options}: only "tu-" encoders take them'
            )
        self.encoder = _built(name, in_channels, weights, depth, output_stride, options or {})
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
        #: Smallest height and width, two coarse pixels, so that batch norm trains on a batch of one.
        self.min_size = 2 * self.strides[-1]
        self.name = name
        self._usual_size = _fixed_size(name, options or {}) if timm_model else None

    def forward(self, x: Tensor) -> list[Tensor]:
        smaller = "use a smaller output_stride or depth" if self.strides[-1] > 8 else ""
        check_image(x, self.in_channels, self.min_size, otherwise=smaller)
        last = x.is_contiguous(memory_format=torch.channels_last)
        height, width = x.shape[-2:]
        down, across = -height % self.multiple, -width % self.multiple
        if down or across:
            x = F.pad(x, (0, across, 0, down), mode="replicate")
        features = self.encoder(x) if self._usual_size is None else self._tried(x)
        found = []
        for stage, stride in zip(self.stages, self.strides, strict=True):
            feature = features[stage]
            size = (-(-x.shape[-2] // stride), -(-x.shape[-1] // stride))
            if tuple(feature.shape[-2:]) != size:
                raise ValueError(
                    f"x must be a multiple of more than {self.multiple} for this encoder, got {height}x{width}: "
                    f"use PretrainedEncoder(..., multiple={2 * self.multiple})"
                )
            found.append(_cropped(feature, -(-height // stride), -(-width // stride), last))
        return found

    def _tried(self, x: Tensor) -> list[Tensor]:
        """The features of an encoder that may refuse other sizes than its own, with its reason if it does."""
        try:
            return self.encoder(x)
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, RuntimeError) as error:
            size = (x.shape[-2], x.shape[-1])
            if size == self._usual_size:
                raise
            strict = any(getattr(m, "strict_img_size", False) for m in self.encoder.modules())
            option = {"strict_img_size": False} if strict else {"img_size": size}
            raise ValueError(
                f"x must be of a size that {self.name!r} takes, got {size[0]}x{size[1]} ({error}): "
                f"resize it to {self._usual_size}, or try PretrainedEncoder(..., options={option})"
            ) from error


def _built(
    name: str,
    in_channels: int,
    weights: str | None,
    depth: int,
    output_stride: int,
    options: dict[str, Any],
) -> Any:
    """The library's encoder, or what it would need."""
    from segmentation_models_pytorch.encoders import get_encoder

    named = name.startswith("tu-") and weights is not None  # timm's weights go by the tag in the name
    try:
        return get_encoder(
            name,
            in_channels=in_channels,
            depth=depth,
            weights=True if named else weights,
            output_stride=output_stride,
            **options,
        )
    except (OSError, torch.OutOfMemoryError):  # no download, no memory: says nothing of the encoder
        raise
    except Exception as error:
        if "downsampling pattern" in str(error):
            needs = "whose feature maps halve from stage to stage"
            fix = (
                'plain vision transformers have none; take a pyramid, such as "tu-convnext_tiny" or "mit_b0"'
            )
        elif output_stride != 32 and ("output_stride" in str(error) or "dilated" in str(error)):
            needs = f"that can have an output stride of {output_stride}"
            fix = 'use output_stride=32, or an encoder that dilates, such as "resnet34"'
        else:
            needs = f"that can be built with weights={weights!r}, depth={depth} and options={options}"
            fix = "change these, or take another encoder"
        raise ValueError(
            f"name must be an encoder {needs}, got {name!r} ({type(error).__name__}: {error}): {fix}"
        ) from error


def _fixed_size(name: str, options: dict[str, Any]) -> tuple[int, int] | None:
    """The size that a timm model is made for, where it may not take others."""
    import timm

    known = timm.get_pretrained_cfg(name.removeprefix("tu-"))
    if known is None or not known.fixed_input_size:
        return None
    size: Any = options.get("img_size", known.input_size[-2:])
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _cropped(x: Tensor, height: int, width: int, last: bool) -> Tensor:
    """The upper left corner; channels last where the image or the whole map is (Swin's maps lose it)."""
    last = last or x.is_contiguous(memory_format=torch.channels_last)
    return x[..., :height, :width].contiguous(
        memory_format=torch.channels_last if last else torch.contiguous_format
    )


def _check_name(name: str, weights: str | None) -> None:
    """Refuse names that neither library has, and weights, before anything is built or downloaded."""
    import timm
    from segmentation_models_pytorch.encoders import encoders

    timm_model = name.startswith("tu-")
    if timm.is_model(name.removeprefix("tu-")) if timm_model else name in encoders:
        known = ["imagenet"] if timm_model else sorted(encoders[name].get("pretrained_settings") or {})
        if weights is not None and weights not in known:
            raise ValueError(
                f"weights must be None or one of {known}, got {weights!r}: "
                "choose one, or make the encoder without and fill it from a file with encoders.load_weights"
            )
        return
    names = [*encoders, *(f"tu-{model}" for model in timm.list_models())]
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)
    raise ValueError(
        'name must be an encoder of segmentation-models-pytorch, or "tu-" and a model of timm, '
        f"got {name!r}: did you mean {nearest[0]!r}?"
    )
