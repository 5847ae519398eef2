"""PatchGAN discriminators: one scale, and the same at several scales."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.discriminators.pairs import compared
from gancomponents.encoders.protocol import check_image
from gancomponents.layers import ConvBlock, InstanceNorm, leaky_relu
from gancomponents.layers.checks import check_positive

_WIDEST = 8  # times the width of the first stage


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches of an image, and returns the features of every stage on the way.

    Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", appendix 6.1.2; the
    features serve the matching loss of Wang et al. 2018 (pix2pixHD), eq. 4. Deviation: spectral norm on every
    convolution, as in Park et al. 2019.

    For gradient penalties (WGAN-GP, R1 and R2), take ``norm=None`` or instance norm and ``spectral=False``: they
    differentiate each score by its own image, which batch norm mixes with the others of the batch, and spectral
    norm already bounds the gradient that they penalise.

    Args:
        in_channels: channels of the input, condition included.
        width: channels of the first stage; they double per stage, up to eight times.
        layers: stages of stride two; one of stride one and the scores follow.
        norm: factory of the norm after all but the first and the last convolution, or None.
        spectral: normalise every weight spectrally.
        bias: of the convolutions that a norm follows; None as in :class:`~gancomponents.layers.ConvBlock`.

    Shape: (B, in_channels, H, W) to a list of ``layers + 2`` feature maps, the last one the scores
    (B, 1, H / 2^layers - 2, W / 2^layers - 2), rounded down. Scores are logits, as the losses take them;
    ``torch.sigmoid`` makes them probabilities.

    Raises:
        ValueError: a size below one, or an input of other channels or smaller than ``min_size`` on a side.

    >>> import torch
    >>> features = PatchDiscriminator(4, width=8, layers=3)(torch.randn(2, 4, 64, 32))
    >>> [tuple(f.shape[1:]) for f in features]
    [(8, 32, 16), (16, 16, 8), (32, 8, 4), (64, 7, 3), (1, 6, 2)]
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: int = 64,
        layers: int = 4,
        norm: Callable[[int], nn.Module] | None = InstanceNorm,
        spectral: bool = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        check_positive(in_channels=in_channels, width=width, layers=layers)
        self.in_channels = in_channels
        #: Smallest height and width that leave one score.
        self.min_size = 3 * 2**layers
        widths = [width * min(2**k, _WIDEST) for k in range(layers + 1)]
        first = ConvBlock(
            in_channels, width, 4, stride=2, padding=1, activation=leaky_relu, spectral=spectral
        )
        middle = [
            ConvBlock(
                widths[k - 1],
                widths[k],
                4,
                stride=2 if k < layers else 1,
                padding=1,
                norm=norm,
                activation=leaky_relu,
                bias=bias,
                spectral=spectral,
            )
            for k in range(1, layers + 1)
        ]
        last = ConvBlock(widths[-1], 1, 4, padding=1, activation=None, spectral=spectral)
        self.stages = nn.ModuleList([first, *middle, last])

    def forward(self, x: Tensor) -> list[Tensor]:
        check_image(x, self.in_channels, self.min_size, otherwise="use fewer layers")
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def compare(self, real: Tensor, fake: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Results of both from one pass over the concatenated batch, real first.

        Batch norm, where used, then sees both, and each spectral norm iterates once.

        Args:
            real: real images, condition included.
            fake: generated images of the same height and width.

        Shape: twice (B, in_channels, H, W) to twice the result of ``forward``.
        """
        return compared(self, real, fake)


class MultiScalePatchDiscriminator(nn.Module):
    """Independent :class:`PatchDiscriminator` s on an image and its halvings.

    Wang et al. 2018, "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs"
    (pix2pixHD), section 3.2. Halving is a 3x3 average of stride two that leaves padding out of the count.

    Args:
        in_channels: channels of the input, condition included.
        scales: number of discriminators; the k-th sees the input halved k times.
        width: channels of each first stage.
        layers: stages of stride two of each discriminator.
        norm: factory of the norm, or None; for gradient penalties see :class:`PatchDiscriminator`.
        spectral: normalise every weight spectrally.
        bias: as in :class:`PatchDiscriminator`.

    Shape: (B, in_channels, H, W) to a list over scales, finest first, of :class:`PatchDiscriminator` results.

    Raises:
        ValueError: a size below one, or an input of other channels or smaller than ``min_size`` on a side.

    >>> import torch
    >>> critic = MultiScalePatchDiscriminator(3, scales=2, width=4, layers=2)
    >>> real, fake = critic.compare(torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32))
    >>> [tuple(features[-1].shape) for features in fake]
    [(2, 1, 6, 6), (2, 1, 2, 2)]
    """

    def __init__(
        self,
        in_channels: int,
        *,
        scales: int = 3,
        width: int = 64,
        layers: int = 4,
        norm: Callable[[int], nn.Module] | None = InstanceNorm,
        spectral: bool = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        check_positive(scales=scales)
        self.in_channels = in_channels
        self.scales = nn.ModuleList(
            PatchDiscriminator(
                in_channels,
                width=width,
                layers=layers,
                norm=norm,
                spectral=spectral,
                bias=bias,
            )
            for _ in range(scales)
        )
        #: Smallest height and width that leave one score at the coarsest scale (a halving rounds up).
        self.min_size = (3 * 2**layers - 1) * 2 ** (scales - 1) + 1

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        check_image(x, self.in_channels, self.min_size, otherwise="use fewer layers or scales")
        results = []
        for index, scale in enumerate(self.scales):
            if index:
                x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            results.append(scale(x))
        return results

    def compare(self, real: Tensor, fake: Tensor) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """Results of both from one pass over the concatenated batch, real first.

        Batch norm, where used, then sees both, and each spectral norm iterates once.

        Args:
            real: real images, condition included.
            fake: generated images of the same height and width.

        Shape: twice (B, in_channels, H, W) to twice the result of ``forward``.
        """
        return compared(self, real, fake)
