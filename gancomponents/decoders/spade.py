"""The SPADE mask decoder, and the map of depth, classes and image that it is conditioned on."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.decoders.inputs import check_channels, check_halvings, check_low_level, fused
from gancomponents.layers import (
    ConvBlock,
    PaddingMode,
    SPADEResidualBlock,
    UpsampleNearest,
    leaky_relu,
    resize,
)
from gancomponents.layers.norms import min_max

_FreeBatchNorm = partial(nn.BatchNorm2d, affine=False)


class SPADEMaskDecoder(nn.Module):
    """Logits of the flood mask from features, steered by depth, classes and image at every scale.

    Schmidt et al. 2022, "ClimateGAN", the masker's SPADE variant, with the blocks of Park et al. 2019. The
    coarse features, merged with the resized low-level ones, pass through SPADE blocks that each halve the
    width, and a doubling after each. Deviation: upstream cannot project MobileNet's features; here any
    encoder's can be.

    Args:
        in_channels: channels of the encoder's features, coarse last (``encoder.out_channels``).
        cond_channels: channels of the condition; one of depth, eleven classes and three of the image.
        channels: width of the merged features, a multiple of 2^upsamplings.
        upsamplings: SPADE blocks and doublings; three undo an output stride of eight.
        low_level: also use the first (finest) features; off, the coarse ones alone are projected.
        proj_channels: width to which both are projected before they merge; None brings the low-level ones to
            the coarse ones' width instead.
        hidden_channels: hidden width of each SPADE.
        norm: factory of the parameter-free norms in SPADE; by default batch norm without scale and shift.
        spectral: normalise every weight spectrally, but those inside SPADE.
        spectral_blocks: the same for the SPADE blocks' own convolutions; None for as ``spectral`` says.
        padding_mode: "zeros", "reflect" or "replicate"; of the blocks outside SPADE.
        bias: as in :class:`~gancomponents.layers.ConvBlock`; True for parity with public checkpoints, which
            have one in front of each batch norm.
        activate_output: end each SPADE block in a leaky ReLU.

    Shape: features [..., (B, in_channels[-1], h, w)], cond (B, cond_channels, any, any), fusion None or of
    the coarse features' shape, to (B, 1, 2^upsamplings h, 2^upsamplings w), logits of "water".

    Raises:
        ValueError: low-level features of an encoder with one map, a width that cannot be halved often enough,
            or features, a condition or a fusion that do not match.

    >>> decoder = SPADEMaskDecoder([8, 32], channels=16, proj_channels=8, hidden_channels=4)
    >>> decoder([torch.randn(2, 8, 10, 6), torch.randn(2, 32, 5, 3)], torch.randn(2, 15, 7, 7)).shape
    torch.Size([2, 1, 40, 24])
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        cond_channels: int = 15,
        channels: int = 128,
        upsamplings: int = 3,
        low_level: bool = True,
        proj_channels: int | None = 64,
        hidden_channels: int = 128,
        norm: Callable[[int], nn.Module] = _FreeBatchNorm,
        spectral: bool = True,
        spectral_blocks: bool | None = None,
        padding_mode: PaddingMode = "reflect",
        bias: bool | None = None,
        activate_output: bool = True,
    ) -> None:
        super().__init__()
        if low_level:
            check_low_level(in_channels, "use low_level=False")
        if upsamplings < 0:
            raise ValueError(
                f"upsamplings must be >= 0, got {upsamplings}: three undo an output stride of eight"
            )
        check_halvings("channels", channels, upsamplings)

        def block(before: int, after: int) -> ConvBlock:
            return ConvBlock(
                before,
                after,
                norm=nn.BatchNorm2d,
                activation=leaky_relu,
                padding_mode=padding_mode,
                bias=bias,
                spectral=spectral,
            )

        coarse = in_channels[-1]
        self.in_channels = list(in_channels)
        self.cond_channels = cond_channels
        self.low: ConvBlock | None = None
        self.high: ConvBlock | None = None
        merged = coarse
        if low_level:
            width = coarse if proj_channels is None else proj_channels
            self.low = block(in_channels[0], width)
            self.high = None if proj_channels is None else block(coarse, width)
            merged = 2 * width
        self.merge = block(merged, channels)
        self.blocks = nn.ModuleList()
        for _ in range(upsamplings):
            self.blocks.append(
                SPADEResidualBlock(
                    channels,
                    channels // 2,
                    cond_channels,
                    hidden_channels=hidden_channels,
                    spectral=spectral if spectral_blocks is None else spectral_blocks,
                    norm=norm,
                    activate_output=activate_output,
                )
            )
            channels //= 2
        self.upsample = UpsampleNearest(2)
        self.head = ConvBlock(channels, 1, activation=None, padding_mode=padding_mode, spectral=spectral)

    def forward(self, features: Sequence[Tensor], cond: Tensor, *, fusion: Tensor | None = None) -> Tensor:
        check_channels(features, self.in_channels)
        if cond.ndim != 4 or cond.shape[1] != self.cond_channels:
            raise ValueError(
                f"cond must be (B, {self.cond_channels}, H, W), got {tuple(cond.shape)}: "
                "make it by mask_condition, with or without the image"
            )
        y = fused(features[-1], fusion)
        if self.low is not None:
            low = resize(self.low(features[0]), (y.shape[-2], y.shape[-1]))
            y = torch.cat([y if self.high is None else self.high(y), low], dim=1)
        y = self.merge(y)
        for block in self.blocks:
            y = self.upsample(block(y, cond))
        return self.head(y)


def mask_condition(
    depth: Tensor, segmentation_logits: Tensor, image: Tensor | None = None, *, detach: bool = False
) -> Tensor:
    """What :class:`SPADEMaskDecoder` is conditioned on: depth, class probabilities and the image.

    Schmidt et al. 2022, "ClimateGAN". Depth is stretched to [0, 1] sample by sample; where it is constant it
    becomes 0 (upstream: NaN). The image is resized bilinearly with aligned corners, as public checkpoints
    expect.

    Args:
        depth: predicted depth, any unit.
        segmentation_logits: class logits.
        image: None leaves the image out.
        detach: let no gradient reach depth and logits.

    Shape: depth (B, 1, h, w), logits (B, C, h, w), image (B, 3, H, W) in [-1, 1] to (B, 1 + C, h, w), or
    (B, 4 + C, h, w) with an image: values in [0, 1], the image's in [-1, 1].

    Raises:
        ValueError: depth of more than one channel, or of another size than the logits.

    >>> cond = mask_condition(torch.zeros(2, 1, 4, 5), torch.zeros(2, 11, 4, 5), torch.zeros(2, 3, 16, 20))
    >>> cond.shape
    torch.Size([2, 15, 4, 5])
    """
    b, _, h, w = segmentation_logits.shape
    if tuple(depth.shape) != (b, 1, h, w):
        raise ValueError(
            f"depth must be {(b, 1, h, w)} like the logits, got {tuple(depth.shape)}: predict both at one size, "
            "and decode buckets first"
        )
    if detach:
        depth, segmentation_logits = depth.detach(), segmentation_logits.detach()
    parts = [min_max(depth), F.softmax(segmentation_logits, dim=1)]
    if image is not None:
        parts.append(resize(image, (h, w), align_corners=True))
    return torch.cat(parts, dim=1)
