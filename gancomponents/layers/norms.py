"""Normalisation over each sample: instance norm, plain and styled, and layer norm over channels and space."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision


class InstanceNorm(nn.Module):
    """Each channel of each sample to zero mean and unit variance; no parameters, no running statistics.

    Ulyanov et al. 2016, "Instance Normalization". Equal to ``nn.InstanceNorm2d``, and in addition leaves
    channels-last features channels-last.

    Args:
        channels: accepted so that the class serves as a factory; instance norm needs no width.
        eps: added to the (biased) variance.

    Shape: (B, C, H, W) to the same, with H W > 1.

    Raises:
        ValueError: a map of one pixel, which has no variance.

    >>> y = InstanceNorm(3)(torch.randn(2, 3, 4, 5))
    >>> torch.allclose(y.mean((2, 3)), torch.zeros(2, 3), atol=1e-6)
    True
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.channels = channels
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] * x.shape[-1] == 1:
            raise ValueError(
                f"x must have more than one pixel for instance norm, got {tuple(x.shape)}: use a larger input"
            )
        if len(x) == 1 and x.device.type != "xla":
            # Of one sample torch's instance norm has wrong gradients, where they come in channels-last.
            return self._alone(x)
        if not x.is_contiguous(memory_format=torch.channels_last):
            return F.instance_norm(x, eps=self.eps)
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            # Several times quicker than its copies to NCHW and back.
            return torch.cat([self._alone(sample) for sample in x.split(1)])
        return F.instance_norm(x, eps=self.eps).contiguous(memory_format=torch.channels_last)

    def _alone(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, training=True, eps=self.eps)

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}"


class AdaptiveInstanceNorm(nn.Module):
    """Instance norm whose scale and shift come from outside, one of each per sample and channel.

    Huang and Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization",
    eq. 8, with the style's statistics as arguments: predicted by a network as in Huang et al. 2018 ("MUNIT"),
    or measured on a style image. Deviation: they are arguments of ``forward``; upstream assigns them to
    the layer beforehand.

    Args:
        channels: channels of the features.
        eps: added to the (biased) variance.

    Shape: x (B, channels, H, W) with H W > 1, weight (B, channels) and bias (B, channels) to (B, channels, H,
    W).

    Raises:
        ValueError: fewer than one channel, another number of channels than at construction, a weight or bias
            of another shape, or a map of one pixel.

    >>> weight, bias = torch.full((1, 2), 3.0), torch.full((1, 2), -1.0)
    >>> y = AdaptiveInstanceNorm(2)(torch.randn(1, 2, 8, 8), weight, bias)
    >>> torch.allclose(y.mean((2, 3)), bias, atol=1e-5)
    True
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels must be >= 1, got {channels}: give the width of the input")
        self.channels = channels
        self.norm = InstanceNorm(channels, eps=eps)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if x.shape[1] != self.channels:
            raise ValueError(f"x must have {self.channels} channels, got shape {tuple(x.shape)}: match it")
        for name, value in {"weight": weight, "bias": bias}.items():
            if value.shape != x.shape[:2]:
                raise ValueError(
                    f"{name} must be {tuple(x.shape[:2])}, got {tuple(value.shape)}: "
                    "give one number per sample and channel"
                )
        # sigma(style) (x - mu(x)) / sigma(x) + mu(style), eq. 8
        return self.norm(x) * weight[:, :, None, None] + bias[:, :, None, None]


class ChannelLayerNorm(nn.Module):
    """Each sample normalised over channels and space together, then scaled and shifted per channel.

    Layer normalisation (Ba et al. 2016) as image-translation networks use it (Huang et al. 2018, "MUNIT",
    decoder): the divisor is the unbiased standard deviation plus ``eps``, not the root of variance plus eps.

    Args:
        channels: channels of the input.
        eps: added to the standard deviation.

    Shape: (B, C, H, W) to the same.

    Raises:
        ValueError: fewer than one channel, or another number of channels than at construction.

    >>> ChannelLayerNorm(2)(torch.zeros(1, 2, 3, 3)).abs().max().item()
    0.0
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels must be >= 1, got {channels}: give the width of the input")
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] != self.weight.shape[0]:
            raise ValueError(
                f"x must have {self.weight.shape[0]} channels, got shape {tuple(x.shape)}: match it"
            )
        wide = full_precision(x)
        std, mean = torch.std_mean(wide, dim=(1, 2, 3), keepdim=True)
        y = (wide - mean) / (std + self.eps)  # x' = (x - mean) / (std + eps)
        return (y * self.weight[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def min_max(x: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Each sample stretched linearly so that its values span [low, high]; a constant one becomes ``low``.

    Shape: (B, ...) to the same.

    >>> min_max(torch.tensor([[2.0, 3.0, 6.0], [5.0, 5.0, 5.0]])).tolist()
    [[0.0, 0.25, 1.0], [0.0, 0.0, 0.0]]
    """
    rest = tuple(range(1, x.ndim))
    smallest, largest = x.amin(dim=rest, keepdim=True), x.amax(dim=rest, keepdim=True)
    spread = largest - smallest
    unit = (x - smallest) / torch.where(spread > 0, spread, torch.ones_like(spread))
    return low + (high - low) * unit
