"""A small unconditional generator: an image from a latent vector."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from gancomponents.layers import PreActivationBlock, leaky_relu, spectral_norm, upsample_nearest
from gancomponents.layers.checks import check_positive

_WIDEST = 8  # times the width of the finest level


class LatentGenerator(nn.Module):
    """Image from a latent vector: a linear layer to a small map, then residual blocks and doublings.

    The residual generator of Gulrajani et al. 2017 ("Improved Training of Wasserstein GANs", appendix C)
    without its norms, as in Huang et al. 2024 ("The GAN is dead; long live the GAN! A Modern GAN Baseline",
    R3GAN), section 4: leaky ReLU, and residual branches that start at zero. Deviation from the latter:
    plain 3x3 blocks in place of grouped inverted bottlenecks, and nearest in place of filtered up-sampling.

    Args:
        latent_dim: length of the latent vector.
        out_channels: channels of the image.
        width: channels at the finest level; they double per level below, up to eight times.
        base: height and width of the coarsest map.
        upsamplings: doublings between the coarsest map and the image.
        blocks: residual blocks at each level.
        norm: factory of the norms, or None.
        activation: factory of the activations.
        spectral: normalise every weight spectrally.

    Shape: z (B, latent_dim), drawn from N(0, 1), to (B, out_channels, base[0] * 2^upsamplings,
    base[1] * 2^upsamplings) in [-1, 1].

    Raises:
        ValueError: a size below one, ``upsamplings`` below zero, or a ``z`` of another length.

    >>> generator = LatentGenerator(16, width=4, base=(3, 5), upsamplings=2)
    >>> generator(torch.randn(2, 16)).shape
    torch.Size([2, 3, 12, 20])
    """

    def __init__(
        self,
        latent_dim: int,
        out_channels: int = 3,
        *,
        width: int = 64,
        base: tuple[int, int] = (4, 4),
        upsamplings: int = 3,
        blocks: int = 1,
        norm: Callable[[int], nn.Module] | None = None,
        activation: Callable[[], nn.Module] = leaky_relu,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        check_positive(
            latent_dim=latent_dim,
            out_channels=out_channels,
            width=width,
            blocks=blocks,
            **{"base[0]": base[0], "base[1]": base[1]},
        )
        if upsamplings < 0:
            raise ValueError(f"upsamplings must be >= 0, got {upsamplings}: 0 leaves the image at base")
        self.latent_dim = latent_dim
        self.base = (base[0], base[1])
        #: Height and width of the image.
        self.size = (base[0] * 2**upsamplings, base[1] * 2**upsamplings)
        widths = [width * min(2**level, _WIDEST) for level in range(upsamplings, -1, -1)]

        def level(in_channels: int, out_channels: int) -> nn.Sequential:
            ends = [in_channels, *[out_channels] * blocks]
            return nn.Sequential(
                *(
                    PreActivationBlock(before, after, norm=norm, activation=activation, spectral=spectral)
                    for before, after in pairwise(ends)
                )
            )

        self.latent = nn.Linear(latent_dim, widths[0] * base[0] * base[1])
        self.levels = nn.ModuleList(level(before, after) for before, after in pairwise([widths[0], *widths]))
        self.norm = norm(width) if norm is not None else None
        self.activation = activation()
        self.to_image = nn.Conv2d(width, out_channels, 3, padding=1)
        for layer in (self.latent, self.to_image):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            if spectral:
                spectral_norm(layer)

    def forward(self, z: Tensor) -> Tensor:
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(
                f"z must be (B, {self.latent_dim}), got {tuple(z.shape)}: draw torch.randn(B, {self.latent_dim})"
            )
        y = self.latent(z).unflatten(1, (-1, *self.base))  # (B, C h w) to (B, C, h, w)
        for index, level in enumerate(self.levels):
            if index:
                y = upsample_nearest(y, (2 * y.shape[-2], 2 * y.shape[-1]))
            y = level(y)
        y = y if self.norm is None else self.norm(y)
        return torch.tanh(self.to_image(self.activation(y)))
