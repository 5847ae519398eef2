"""Perceptual loss on VGG19 features, pretrained or, where no weights can be had, random."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from gancomponents.layers.precision import full_precision
from gancomponents.losses._pretrained import say_once
from gancomponents.losses._vgg_weights import CONVS, file_state, imagenet_state, random_state

Preprocessing = Literal["imagenet", "caffe"]

_POOLED_BEFORE = (5, 10, 19, 28)  # relu1_2, relu2_2, relu3_4, relu4_4 are pooled before these
_TAPPED = (0, 5, 10, 19, 28)  # the convolutions before relu1_1, relu2_1, relu3_1, relu4_1, relu5_1
_SLICE_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


def vgg_preprocess(x: Tensor, preprocessing: Preprocessing = "imagenet") -> Tensor:
    """An image in [-1, 1] as VGG19 expects it.

    Args:
        x: RGB in [-1, 1].
        preprocessing: "imagenet" is what torchvision's weights were trained with: [0, 1], minus the mean,
            divided by the standard deviation of ImageNet. "caffe" is BGR in [0, 255] minus the mean, as upstream.

    Shape:
        x: (B, 3, H, W); returns the same.

    Raises:
        ValueError: an unknown preprocessing.

    >>> import torch
    >>> vgg_preprocess(torch.full((1, 3, 1, 1), -1.0), "caffe").flatten().int().tolist()
    [-103, -116, -123]
    """
    if preprocessing == "imagenet":
        statistics = ((0, 0.485, 0.229), (1, 0.456, 0.224), (2, 0.406, 0.225))
        planes = [x[:, c] * (0.5 / std) + (0.5 - mean) / std for c, mean, std in statistics]
    elif preprocessing == "caffe":
        planes = [(x[:, c] + 1) * 127.5 - mean for c, mean in ((2, 103.939), (1, 116.779), (0, 123.680))]
    else:
        raise ValueError(
            f"preprocessing must be one of {get_args(Preprocessing)}, got {preprocessing!r}: "
            "'imagenet' fits torchvision's weights"
        )
    return torch.stack(planes, dim=1)


class _FrozenConv(nn.Module):
    """A 3x3 convolution and ReLU whose weights are no parameters and stay out of checkpoints."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # In place: the backward of a convolution does not need its own output.
        return functional.relu(functional.conv2d(x, self.weight, self.bias, padding=1), inplace=True)


class VGGFeatures(nn.Module):
    """VGG19 cut after relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1, frozen.

    Simonyan & Zisserman 2015, configuration E. The weights are buffers outside the state dict: no optimiser
    sees them and no checkpoint carries them; the same arguments give them back.

    Args:
        weights: None for random ones (He initialisation), "imagenet" for torchvision's, fetched once and,
            where that fails, replaced by random ones with a line in the log; or a .safetensors or .pth file
            with torchvision's vgg19 keys (``features.0.weight``, ...).
        width: channels of the first convolution; 64 is VGG19.
        preprocessing: "imagenet", or "caffe" (as upstream).
        seed: of the random weights, which do not depend on the global generator and leave it alone.

    Shape:
        x: (B, 3, H, W) in [-1, 1], H and W at least 16; returns five maps of width (1, 2, 4, 8, 8) *
            ``width`` and size 1, 1/2, 1/4, 1/8, 1/16.

    Raises:
        ValueError: pretrained weights with a width other than 64, an unknown preprocessing, too small an
            image.
        InputError: the file is missing or holds other weights.

    >>> import torch
    >>> features = VGGFeatures(width=4)
    >>> [tuple(f.shape[1:]) for f in features(torch.zeros(1, 3, 16, 16))]
    [(4, 16, 16), (8, 8, 8), (16, 4, 4), (32, 2, 2), (32, 1, 1)]
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        *,
        width: int = 64,
        preprocessing: Preprocessing = "imagenet",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if width < 1 or (weights is not None and width != 64):
            raise ValueError(
                f"width must be 64 for pretrained weights and at least 1, got {width}: pass width=64"
            )
        if preprocessing not in get_args(Preprocessing):
            raise ValueError(
                f"preprocessing must be one of {get_args(Preprocessing)}, got {preprocessing!r}: "
                "'imagenet' fits torchvision's weights"
            )
        self.width = width
        self.preprocessing: Preprocessing = preprocessing
        self.layers = nn.ModuleDict()
        state: Mapping[str, Tensor] | None = None
        if weights is None:
            say_once("The perceptual loss uses random VGG19 features: no pretrained weights were asked for.")
        elif weights == "imagenet":
            state = imagenet_state()
        else:
            state = file_state(Path(weights))
        if state is None:
            state = random_state(width, seed)
        for index, *_ in CONVS:
            name = f"features.{index}"
            self.layers[str(index)] = _FrozenConv(state[f"{name}.weight"], state[f"{name}.bias"])

    def forward(self, x: Tensor) -> list[Tensor]:
        if x.dim() != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 16:
            raise ValueError(
                f"x must be (B, 3, H, W) with H, W >= 16, got {tuple(x.shape)}: enlarge the image"
            )
        x = vgg_preprocess(x, self.preprocessing)
        features = []
        for index, *_ in CONVS:
            if index in _POOLED_BEFORE:
                x = functional.max_pool2d(x, 2)
            x = self.layers[str(index)](x)
            if index in _TAPPED:
                features.append(x)
        return features

    def load_weights(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights from a state dict with torchvision's vgg19 keys; other keys are ignored.

        Raises:
            ValueError: an entry is missing or has another shape.
        """
        for index, *_ in CONVS:
            for kind in ("weight", "bias"):
                key = f"features.{index}.{kind}"
                own = getattr(self.layers[str(index)], kind)
                if key not in state or state[key].shape != own.shape:
                    got = tuple(state[key].shape) if key in state else "none"
                    raise ValueError(
                        f"state must have {key} of shape {tuple(own.shape)}, got {got}: "
                        "pass the state dict of a VGG19 of this width"
                    )
                own.copy_(state[key])

    def extra_repr(self) -> str:
        return f"width={self.width}, preprocessing={self.preprocessing!r}"


class VGGLoss(nn.Module):
    """Perceptual loss: weighted L1 distance of VGG19 features.

    Johnson et al. 2016, section 3.2, in the form of Wang et al. 2018 (pix2pixHD): mean absolute differences
    of relu1_1 to relu5_1, weighted 1/32, 1/16, 1/8, 1/4 and 1. The real half runs without a graph.

    Args:
        weights: None (random), "imagenet", or a .safetensors or .pth file with torchvision's vgg19 keys.
        width: channels of the first convolution; 64 is VGG19, random features may be narrower.
        preprocessing: "imagenet" suits torchvision's weights; "caffe" is upstream's.
        seed: of the random weights.

    Shape:
        fake, real: the same (B, 3, H, W) in [-1, 1], H and W at least 16; returns a scalar.

    Raises:
        ValueError: see ``VGGFeatures``, or the shapes differ.

    >>> import torch
    >>> loss = VGGLoss(width=4)
    >>> x = torch.rand(1, 3, 16, 16)
    >>> float(loss(x, x)), len(list(loss.parameters()))
    (0.0, 0)
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        *,
        width: int = 64,
        preprocessing: Preprocessing = "imagenet",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.features = VGGFeatures(weights, width=width, preprocessing=preprocessing, seed=seed)

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        if fake.shape != real.shape:
            raise ValueError(
                f"real must have the shape of fake, got {tuple(real.shape)} and {tuple(fake.shape)}: resize "
                "one"
            )
        with torch.no_grad():
            real_features = self.features(real)
        terms = [
            weight * (full_precision(f) - full_precision(r)).abs().mean()
            for weight, f, r in zip(_SLICE_WEIGHTS, self.features(fake), real_features, strict=True)
        ]
        return torch.stack(terms).sum()
