"""The fully convolutional discriminator of entropy maps."""

from itertools import pairwise

from torch import Tensor, nn

from gancomponents.discriminators.pairs import compared
from gancomponents.encoders.protocol import check_image
from gancomponents.layers import ConvBlock, leaky_relu
from gancomponents.layers.checks import check_positive

_MIN_SIZE = 32


class EntropyDiscriminator(nn.Module):
    """Tells from a map of prediction entropies which domain it was predicted on.

    Vu et al. 2019, "ADVENT: Adversarial Entropy Minimization for Domain Adaptation" (network of
    Radford et al. 2016): five 4x4 convolutions of stride two. Deviation: spectral norm on each.

    Args:
        in_channels: channels of the entropy map, the number of classes.
        width: channels of the first convolution; they double up to eight times.
        spectral: normalise every weight spectrally.

    Shape: (B, in_channels, H, W) to (B, 1, H / 32, W / 32) rounded down. Scores are logits.

    Raises:
        ValueError: a size below one, or an input of other channels or smaller than 32 on a side.

    >>> import torch
    >>> EntropyDiscriminator(11, width=4)(torch.rand(2, 11, 64, 40)).shape
    torch.Size([2, 1, 2, 1])
    """

    def __init__(self, in_channels: int, *, width: int = 64, spectral: bool = True) -> None:
        super().__init__()
        check_positive(in_channels=in_channels, width=width)
        self.in_channels = in_channels
        #: Smallest height and width that leave one score.
        self.min_size = _MIN_SIZE
        widths = [in_channels, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(
            *(
                ConvBlock(before, after, 4, stride=2, padding=1, activation=leaky_relu, spectral=spectral)
                for before, after in pairwise(widths)
            ),
            ConvBlock(widths[-1], 1, 4, stride=2, padding=1, activation=None, spectral=spectral),
        )

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels, self.min_size)
        return self.stages(x)

    def compare(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of both from one pass over the concatenated batch, real first.

        Args:
            real: entropy maps of the domain to be imitated.
            fake: entropy maps of the other domain, of the same height and width.

        Shape: twice (B, in_channels, H, W) to twice the result of ``forward``.
        """
        return compared(self, real, fake)
