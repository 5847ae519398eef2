"""Normalisation over each sample: instance norm, and layer norm over channels and space."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        y = F.instance_norm(x, eps=self.eps)
        if x.is_contiguous(memory_format=torch.channels_last):
            y = y.contiguous(memory_format=torch.channels_last)
        return y

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}"


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
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        std, mean = torch.std_mean(wide, dim=(1, 2, 3), keepdim=True)
        y = (wide - mean) / (std + self.eps)  # x' = (x - mean) / (std + eps)
        return (y * self.weight[:, None, None] + self.bias[:, None, None]).to(x.dtype)
