"""The discriminator of unconditional GANs: one score per image."""

from collections.abc import Callable
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.discriminators.pairs import compared
from gancomponents.encoders.protocol import check_image
from gancomponents.layers import PreActivationBlock, leaky_relu, spectral_norm
from gancomponents.layers.checks import check_positive

_WIDEST = 8  # times the width of the first level


class ImageDiscriminator(nn.Module):
    """Scores whole images: residual blocks and halvings, then a linear layer on the mean over space.

    The residual critic of Gulrajani et al. 2017 ("Improved Training of Wasserstein GANs", appendix C) without
    norms, so that no sample's score depends on another's, as gradient penalties assume. It is the mirror of
    :class:`~gancomponents.generators.LatentGenerator`: leaky ReLU and residual branches that start at zero, as in
    Huang et al. 2024 (R3GAN), section 4. Deviation: the mean over space in place of a layer of one size, so that
    images of any size can be scored. Twice differentiable, for R1 and R2 penalties.

    Args:
        in_channels: channels of the image, condition included.
        width: channels at the finest level; they double per level below, up to eight times.
        downsamplings: halvings, which round up.
        blocks: residual blocks at each level.
        activation: factory of the activations.
        spectral: normalise every weight spectrally.

    Shape: (B, in_channels, H, W) to (B, 1). Scores are logits.

    Raises:
        ValueError: a size below one, ``downsamplings`` below zero, or an input of other channels.

    >>> import torch
    >>> critic = ImageDiscriminator(3, width=4, downsamplings=2)
    >>> real, fake = critic.compare(torch.randn(2, 3, 12, 20), torch.randn(2, 3, 12, 20))
    >>> real.shape, fake.shape
    (torch.Size([2, 1]), torch.Size([2, 1]))
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 64,
        downsamplings: int = 3,
        blocks: int = 1,
        activation: Callable[[], nn.Module] = leaky_relu,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        check_positive(in_channels=in_channels, width=width, blocks=blocks)
        if downsamplings < 0:
            raise ValueError(f"downsamplings must be >= 0, got {downsamplings}: 0 keeps the size")
        self.in_channels = in_channels
        widths = [width * min(2**level, _WIDEST) for level in range(downsamplings + 1)]

        def level(in_channels: int, out_channels: int) -> nn.Sequential:
            ends = [*[in_channels] * blocks, out_channels]
            return nn.Sequential(
                *(
                    PreActivationBlock(before, after, activation=activation, spectral=spectral)
                    for before, after in pairwise(ends)
                )
            )

        self.first = nn.Conv2d(in_channels, width, 3, padding=1)
        self.levels = nn.ModuleList(level(fine, coarse) for fine, coarse in pairwise([*widths, widths[-1]]))
        self.activation = activation()
        self.score = nn.Linear(widths[-1], 1)
        for layer in (self.first, self.score):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            if spectral:
                spectral_norm(layer)

    def features(self, x: Tensor) -> list[Tensor]:
        """The maps of every level, fine first, and the scores (B, 1) last: what feature matching takes."""
        check_image(x, self.in_channels)
        y = self.first(x)
        found = []
        for index, level in enumerate(self.levels):
            if index:  # rounds up, and averages over the pixels there are
                y = F.avg_pool2d(y, 2, ceil_mode=True, count_include_pad=False)
            y = level(y)
            found.append(y)
        # Scores are read from the mean over space, (B, C).
        return [*found, self.score(self.activation(y).mean((2, 3)))]

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)[-1]

    def compare(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of both from one pass over the concatenated batch, real first.

        Args:
            real: real images.
            fake: generated images of the same height and width.

        Shape: twice (B, in_channels, H, W) to twice (B, 1).
        """
        return compared(self, real, fake)
