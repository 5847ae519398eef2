"""Spatially adaptive normalisation, and the residual block built on it."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.layers.checkpointing import checkpointed
from gancomponents.layers.checks import check_positive
from gancomponents.layers.modulation import modulate
from gancomponents.layers.norms import InstanceNorm
from gancomponents.layers.spectral import spectral_norm
from gancomponents.layers.upsample import upsample_nearest

_SLOPE = 0.2  # of every leaky ReLU


class SPADE(nn.Module):
    """A norm whose scale and shift are read, pixel by pixel, from a conditioning map.

    Park et al. 2019, "Semantic Image Synthesis with Spatially-Adaptive Normalization", eq. 1, with the scale
    written as 1 + gamma so that zero weights leave the norm alone. One convolution yields gamma and beta. The
    hidden layer, much wider than either end, is not kept for the backward pass, but computed again from ``cond``.

    Args:
        channels: channels of the features.
        cond_channels: channels of the conditioning map.
        hidden_channels: width of the layer shared by gamma and beta.
        kernel_size: side of both kernels, odd.
        norm: factory of the parameter-free norm from its number of channels.

    Shape: x (B, channels, H, W), cond (B, cond_channels, h, w) of any size (resized by nearest neighbour to
    that of x) to (B, channels, H, W).

    Raises:
        ValueError: a size below one, an even kernel, another number of channels than at construction, or batches
            that differ.

    >>> import torch
    >>> layer = SPADE(4, 3, hidden_channels=8)
    >>> layer(torch.randn(2, 4, 6, 5), torch.randn(2, 3, 12, 10)).shape
    torch.Size([2, 4, 6, 5])
    """

    def __init__(
        self,
        channels: int,
        cond_channels: int,
        *,
        hidden_channels: int = 128,
        kernel_size: int = 3,
        norm: Callable[[int], nn.Module] = InstanceNorm,
    ) -> None:
        super().__init__()
        check_positive(channels=channels, cond_channels=cond_channels, hidden_channels=hidden_channels)
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}: use {kernel_size + 1}")
        self.channels = channels
        self.cond_channels = cond_channels
        self.norm = norm(channels)
        self.shared = nn.Conv2d(cond_channels, hidden_channels, kernel_size, padding=kernel_size // 2)
        self.gamma_beta = nn.Conv2d(hidden_channels, 2 * channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        self._check(x, cond)
        return self.modulated(self.norm(x), cond)

    def modulated(self, normalised: Tensor, cond: Tensor, slope: float | None = None) -> Tensor:
        """What follows the norm: features that are normalised already, scaled and shifted.

        Args:
            normalised: what the norm made of the features.
            cond: as in ``forward``.
            slope: of a leaky ReLU that follows in the same pass; None for none.
        """
        self._check(normalised, cond)
        cond = upsample_nearest(cond, (normalised.shape[-2], normalised.shape[-1]))
        return modulate(normalised, checkpointed(self._scale_and_shift, self, cond), slope)  # eq. 1

    def _scale_and_shift(self, cond: Tensor) -> Tensor:
        hidden = F.leaky_relu_(self.shared(cond), 0.0)  # ReLU; torch's own takes longer in bf16
        gamma_beta: Tensor = self.gamma_beta(hidden)
        return gamma_beta

    def _check(self, x: Tensor, cond: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(f"x must be (B, {self.channels}, H, W), got {tuple(x.shape)}: match it")
        if cond.ndim != 4 or cond.shape[1] != self.cond_channels or cond.shape[0] != x.shape[0]:
            raise ValueError(
                f"cond must be ({x.shape[0]}, {self.cond_channels}, h, w), got {tuple(cond.shape)}: match it"
            )


class SPADEResidualBlock(nn.Module):
    """Two SPADE-normalised convolutions and a shortcut, both conditioned on the same map.

    Park et al. 2019, figure 4 (left), with leaky ReLU of slope 0.2 in place of ReLU. Where the widths
    differ, the shortcut is a SPADE and a 1x1 convolution, without activation between.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        cond_channels: channels of the conditioning map.
        hidden_channels: hidden width of each SPADE.
        kernel_size: side of the SPADE kernels, odd.
        spectral: normalise the weights of the block's own convolutions spectrally.
        norm: factory of the parameter-free norms.
        activate_output: apply the leaky ReLU to the sum as well.

    Shape: x (B, in_channels, H, W), cond (B, cond_channels, h, w) of any size to (B, out_channels, H, W).

    Raises:
        ValueError: as :class:`SPADE`.

    >>> import torch
    >>> block = SPADEResidualBlock(4, 2, 3, hidden_channels=8)
    >>> block(torch.randn(1, 4, 6, 5), torch.randn(1, 3, 12, 10)).shape
    torch.Size([1, 2, 6, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        cond_channels: int,
        *,
        hidden_channels: int = 128,
        kernel_size: int = 3,
        spectral: bool = True,
        norm: Callable[[int], nn.Module] = InstanceNorm,
        activate_output: bool = False,
    ) -> None:
        super().__init__()
        if in_channels < 1 or out_channels < 1:
            raise ValueError(
                f"in_channels and out_channels must be >= 1, got {in_channels} and {out_channels}"
            )

        def spade(channels: int) -> SPADE:
            return SPADE(
                channels, cond_channels, hidden_channels=hidden_channels, kernel_size=kernel_size, norm=norm
            )

        middle_channels = min(in_channels, out_channels)
        self.norm_0 = spade(in_channels)
        self.conv_0 = nn.Conv2d(in_channels, middle_channels, 3, padding=1)
        self.norm_1 = spade(middle_channels)
        self.conv_1 = nn.Conv2d(middle_channels, out_channels, 3, padding=1)
        self.norm_shortcut: SPADE | None = None
        self.conv_shortcut: nn.Conv2d | None = None
        if in_channels != out_channels:
            self.norm_shortcut = spade(in_channels)
            self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        if spectral:
            for conv in (self.conv_0, self.conv_1, self.conv_shortcut):
                if conv is not None:
                    spectral_norm(conv)
        self.activate_output = activate_output
        self._stateless = isinstance(self.norm_0.norm, InstanceNorm)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        cond = upsample_nearest(cond, (x.shape[-2], x.shape[-1]))  # once for all norms
        normalised = self.norm_0.norm(x)
        shortcut = x
        if self.norm_shortcut is not None and self.conv_shortcut is not None:
            # Without a state both norms give the same.
            own = normalised if self._stateless else self.norm_shortcut.norm(x)
            shortcut = self.conv_shortcut(self.norm_shortcut.modulated(own, cond))
        y = self.conv_0(self.norm_0.modulated(normalised, cond, _SLOPE))
        y = self.conv_1(self.norm_1.modulated(self.norm_1.norm(y), cond, _SLOPE))
        y = shortcut + y
        return F.leaky_relu_(y, _SLOPE) if self.activate_output else y
