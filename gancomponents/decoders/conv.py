"""Residual, then up-sampling decoder: the mask decoder, and whatever else maps features to a finer map."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gancomponents.decoders.inputs import check_channels, check_halvings, check_low_level, fused
from gancomponents.layers import ConvBlock, PaddingMode, ResidualBlock, UpsampleNearest, leaky_relu, resize


class ConvDecoder(nn.Module):
    """Projection of the coarse features, optional low-level features, residual blocks, doublings.

    Schmidt et al. 2022, "ClimateGAN" (after the decoders of MUNIT, Huang et al. 2018). Each
    doubling is followed by a 3x3 block that halves the width.

    Args:
        in_channels: channels of the encoder's features, coarse last (``encoder.out_channels``).
        out_channels: channels of the output.
        upsamplings: doublings.
        residual_blocks: residual blocks before them.
        proj_channels: width of the 1x1 projection in front, or None for none.
        low_level: also use the first (finest) features, resized to the coarse ones and concatenated before
            the projected ones.
        norm: factory of the norms, or None.
        activation: factory of the activations.
        padding_mode: "zeros", "reflect" or "replicate".
        bias: as in :class:`~gancomponents.layers.ConvBlock`.
        spectral: normalise every weight but that of the last convolution spectrally.
        output_activation: factory of the last activation, or None.

    Shape: features [..., (B, in_channels[-1], h, w)], fusion None or of the coarse features' shape, to
    (B, out_channels, 2^upsamplings h, 2^upsamplings w).

    Raises:
        ValueError: low-level features of an encoder with one map, a width that cannot be halved often enough,
            or features or a fusion that do not match.

    >>> decoder = ConvDecoder([8, 32], 3, upsamplings=2, proj_channels=16)
    >>> decoder([torch.randn(2, 8, 10, 6), torch.randn(2, 32, 5, 3)]).shape
    torch.Size([2, 3, 20, 12])
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        *,
        upsamplings: int = 4,
        residual_blocks: int = 4,
        proj_channels: int | None = 64,
        low_level: bool = True,
        norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
        padding_mode: PaddingMode = "zeros",
        bias: bool | None = None,
        spectral: bool = False,
        output_activation: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if low_level:
            check_low_level(in_channels, "use low_level=False")
            if proj_channels is None:
                raise ValueError(
                    "proj_channels must be a number to merge low-level features, got None: give one"
                )
        if upsamplings < 0 or residual_blocks < 0:
            raise ValueError(
                f"upsamplings and residual_blocks must be >= 0, got {upsamplings} and {residual_blocks}"
            )
        width = in_channels[-1] if proj_channels is None else proj_channels
        check_halvings("proj_channels", width, upsamplings)

        def block(before: int, after: int, kernel_size: int) -> ConvBlock:
            return ConvBlock(
                before,
                after,
                kernel_size,
                norm=norm,
                activation=activation,
                padding_mode=padding_mode,
                bias=bias,
                spectral=spectral,
            )

        self.in_channels = list(in_channels)
        self.project = block(in_channels[-1], width, 1) if proj_channels is not None else None
        self.low = block(in_channels[0], width, 3) if low_level else None
        self.merge = block(2 * width, width, 1) if low_level else None
        self.residual = nn.Sequential(
            *(
                ResidualBlock(
                    width,
                    norm=norm,
                    activation=activation,
                    padding_mode=padding_mode,
                    bias=bias,
                    spectral=spectral,
                )
                for _ in range(residual_blocks)
            )
        )
        self.upsample = nn.Sequential()
        for _ in range(upsamplings):
            self.upsample.append(UpsampleNearest(2))
            self.upsample.append(block(width, width // 2, 3))
            width //= 2
        self.head = ConvBlock(width, out_channels, 3, activation=output_activation, padding_mode=padding_mode)

    def forward(self, features: Sequence[Tensor], *, fusion: Tensor | None = None) -> Tensor:
        check_channels(features, self.in_channels)
        y = fused(features[-1], fusion)
        if self.project is not None:
            y = self.project(y)
        if self.low is not None and self.merge is not None:
            low = resize(self.low(features[0]), (y.shape[-2], y.shape[-1]))
            y = self.merge(torch.cat([low, y], dim=1))
        return self.head(self.upsample(self.residual(y)))


class MaskDecoder(ConvDecoder):
    """Logits of the flood mask, at the input's resolution.

    Schmidt et al. 2022, "ClimateGAN", with its defaults: spectral norm, leaky ReLU, reflection, three
    residual blocks, three doublings. 532 801 parameters on DeepLab-v3 features.

    Args:
        in_channels: channels of the encoder's features, coarse last (``encoder.out_channels``).
        upsamplings: doublings; three undo an output stride of eight.
        residual_blocks: residual blocks before them.
        proj_channels: width of the projection in front, or None for none.
        low_level: also use the finest features.
        spectral: normalise every weight but the last spectrally.
        norm: factory of the norms, or None.
        activation: factory of the activations.
        padding_mode: "zeros", "reflect" or "replicate".
        bias: as in :class:`~gancomponents.layers.ConvBlock`.
        out_channels: channels of the mask.
        output_activation: factory of the last activation; None leaves logits.

    Shape: features [..., (B, in_channels[-1], h, w)], fusion None or of the coarse features' shape, to
    (B, 1, 2^upsamplings h, 2^upsamplings w), logits of "water".

    Raises:
        ValueError: as :class:`ConvDecoder`.

    >>> decoder = MaskDecoder([8, 32], proj_channels=16)
    >>> decoder([torch.randn(2, 8, 10, 6), torch.randn(2, 32, 5, 3)]).shape
    torch.Size([2, 1, 40, 24])
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        upsamplings: int = 3,
        residual_blocks: int = 3,
        proj_channels: int | None = 64,
        low_level: bool = True,
        spectral: bool = True,
        norm: Callable[[int], nn.Module] | None = None,
        activation: Callable[[], nn.Module] | None = leaky_relu,
        padding_mode: PaddingMode = "reflect",
        bias: bool | None = None,
        out_channels: int = 1,
        output_activation: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            upsamplings=upsamplings,
            residual_blocks=residual_blocks,
            proj_channels=proj_channels,
            low_level=low_level,
            norm=norm,
            activation=activation,
            padding_mode=padding_mode,
            bias=bias,
            spectral=spectral,
            output_activation=output_activation,
        )
