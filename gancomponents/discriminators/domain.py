"""Which domain an image is from, told from its encoder's features."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from gancomponents.decoders.inputs import check_channels
from gancomponents.layers import ConvBlock, leaky_relu, spectral_norm
from gancomponents.layers.checks import check_positive


class DomainClassifier(nn.Module):
    """Logits of each domain from the coarsest features of an encoder.

    The domain classifier of Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks". Deviation: no
    gradient-reversal layer before it; as in a GAN, the classifier learns the domains and the encoder, in its own
    step, to hide them. Early ClimateGAN had four, real and simulated, flooded and not: [rf, rn, sf, sn].

    Args:
        in_channels: channels of the encoder's features, coarse last (``encoder.out_channels``); only the last
            are used.
        domains: how many there are.
        width: channels of the convolutions.
        layers: 3x3 convolutions of stride two.
        spectral: normalise every weight spectrally.

    Shape: features [..., (B, in_channels[-1], h, w)] to (B, domains). Scores are logits.

    Raises:
        ValueError: a size below one, no ``in_channels``, fewer than two domains, or features that do not match
            ``in_channels``.

    >>> import torch
    >>> classifier = DomainClassifier([8, 32], domains=4, width=8)
    >>> classifier([torch.randn(2, 8, 10, 6), torch.randn(2, 32, 5, 3)]).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        domains: int = 4,
        width: int = 128,
        layers: int = 2,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels = list(in_channels)
        if not self.in_channels or min(self.in_channels) < 1:
            raise ValueError(
                f"in_channels must hold positive widths, got {self.in_channels}: pass encoder.out_channels"
            )
        check_positive(width=width, layers=layers)
        if domains < 2:
            raise ValueError(f"domains must be >= 2, got {domains}: one domain needs no classifier")
        self.stages = nn.Sequential(
            *(
                ConvBlock(before, after, 3, stride=2, activation=leaky_relu, spectral=spectral)
                for before, after in pairwise([self.in_channels[-1], *[width] * layers])
            )
        )
        self.logits = nn.Linear(width, domains)
        if spectral:
            spectral_norm(self.logits)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        check_channels(features, self.in_channels)
        return self.logits(self.stages(features[-1]).mean((2, 3)))
