"""The SPADE painter: fills the hole of a masked image with water."""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.layers import (
    ConvBlock,
    InstanceNorm,
    SPADEResidualBlock,
    checkpointed,
    leaky_relu,
    upsample_nearest,
)


class SPADEPainter(nn.Module):
    """Image from a conditioning image, which steers the norms at every scale.

    Schmidt et al. 2022, "ClimateGAN: Raising Climate Change Awareness by Generating Images of Floods":
    the generator of Park et al. 2019 (GauGAN) conditioned on the masked image, its latent map
    read from a small copy of the same image. Deviation: any size works, with maps of ceil(size / 2^k) at
    level k; equal to upstream where height and width are multiples of 2^upsamplings.

    Args:
        width: channels at the coarse levels; halved at each level after the second.
        upsamplings: doublings between the latent map and the image, two or more.
        cond_channels: channels of the conditioning image.
        hidden_channels: hidden width of every SPADE.
        kernel_size: side of every SPADE's kernels, odd.
        spectral: normalise the residual blocks' weights spectrally.
        norm: factory of the SPADEs' parameter-free norms.
        final_shortcut: condition the last block on a 1x1 projection of its own input instead.
        checkpointing: in training, keep the inputs of the blocks alone and compute the rest again in the backward
            pass (`gancomponents.layers.checkpointed`): the same results, less memory, another forward pass's time.

    Shape: cond (B, cond_channels, H, W), z None or (B, width, ceil(H / 2^upsamplings),
    ceil(W / 2^upsamplings)) to (B, 3, H, W) in [-1, 1].

    Raises:
        ValueError: sizes below one, an even ``kernel_size``, a width that cannot be halved often enough, a
            ``cond`` whose latent map would be one pixel under instance norm, or a ``z`` of another size.

    >>> painter = SPADEPainter(width=16, upsamplings=3, hidden_channels=8)
    >>> image, mask = torch.rand(1, 3, 37, 24) * 2 - 1, torch.ones(1, 1, 37, 24)
    >>> paste(painter(image * (1 - mask)), image, mask).shape
    torch.Size([1, 3, 37, 24])
    """

    def __init__(
        self,
        width: int = 640,
        *,
        upsamplings: int = 7,
        cond_channels: int = 3,
        hidden_channels: int = 128,
        kernel_size: int = 3,
        spectral: bool = True,
        norm: Callable[[int], nn.Module] = InstanceNorm,
        final_shortcut: bool = False,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if upsamplings < 2:
            raise ValueError(
                f"upsamplings must be >= 2, got {upsamplings}: the first two levels keep the width"
            )
        halvings = upsamplings - 2
        if width < 1 or width % 2**halvings:
            raise ValueError(
                f"width must be a multiple of {2**halvings} for {upsamplings} upsamplings, got {width}: "
                f"use {max(1, round(width / 2**halvings)) * 2**halvings}"
            )
        self.width = width
        self.upsamplings = upsamplings
        self.cond_channels = cond_channels
        self.checkpointing = checkpointing

        def block(in_channels: int, out_channels: int) -> SPADEResidualBlock:
            return SPADEResidualBlock(
                in_channels,
                out_channels,
                cond_channels,
                hidden_channels=hidden_channels,
                kernel_size=kernel_size,
                spectral=spectral,
                norm=norm,
            )

        # Coarse to fine, one block per level: head, two of full width, then each halves the width.
        widths = [width, width, width, *(width // 2**k for k in range(halvings + 1))]
        last = widths[-1]
        self.latent = nn.Conv2d(cond_channels, width, 3, padding=1)
        self.blocks = nn.ModuleList(block(before, after) for before, after in pairwise(widths))
        self.final = block(last, last)
        self.shortcut = (
            ConvBlock(
                last,
                cond_channels,
                1,
                norm=nn.BatchNorm2d,
                activation=leaky_relu,
                bias=True,  # redundant before batch norm, and in upstream's checkpoints
                spectral=True,
            )
            if final_shortcut
            else None
        )
        self.to_image = nn.Conv2d(last, 3, 3, padding=1)
        self._needs_area = any(isinstance(m, (InstanceNorm, nn.InstanceNorm2d)) for m in self.modules())

    def level_size(self, size: tuple[int, int], level: int) -> tuple[int, int]:
        """Height and width of the feature maps ``level`` doublings below an image of ``size``.

        >>> SPADEPainter(8, upsamplings=3, hidden_channels=4).level_size((37, 24), 3)
        (5, 3)
        """
        return -(-size[0] // 2**level), -(-size[1] // 2**level)

    def forward(self, cond: Tensor, z: Tensor | None = None) -> Tensor:
        if cond.ndim != 4 or cond.shape[1] != self.cond_channels:
            raise ValueError(
                f"cond must be (B, {self.cond_channels}, H, W), got {tuple(cond.shape)}: match it"
            )
        size = (cond.shape[-2], cond.shape[-1])
        sizes = [self.level_size(size, level) for level in range(self.upsamplings + 1)]
        if self._needs_area and sizes[-1] == (1, 1):
            side = 2**self.upsamplings
            raise ValueError(
                f"cond must be larger than {side} pixels on a side with {self.upsamplings} upsamplings and "
                f"instance norm, got {size[0]}x{size[1]}: use a larger image or fewer upsamplings"
            )
        # Resized once per level, for all the norms of that level.
        conds = [upsample_nearest(cond, level_size) for level_size in sizes]
        if z is None:
            z = self.latent(conds[-1])
        elif tuple(z.shape[1:]) != (self.width, *sizes[-1]):
            raise ValueError(
                f"z must be (B, {self.width}, {sizes[-1][0]}, {sizes[-1][1]}), got {tuple(z.shape)}"
            )
        y = z
        for level, block in zip(range(self.upsamplings, -1, -1), self.blocks, strict=True):
            y = self._pass(block, y, conds[level])
        y = self._pass(self.final, y, conds[0] if self.shortcut is None else self.shortcut(y))
        return torch.tanh(self.to_image(F.leaky_relu_(y, 0.2)))

    def _pass(self, block: nn.Module, y: Tensor, cond: Tensor) -> Tensor:
        """The block's output at the size of ``cond``."""

        def work(y: Tensor, cond: Tensor) -> Tensor:
            result: Tensor = block(upsample_nearest(y, (cond.shape[-2], cond.shape[-1])), cond)
            return result

        return checkpointed(work, block, y, cond) if self.checkpointing else work(y, cond)


def paste(fake: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """``image`` outside the mask, ``fake`` inside it; a soft mask blends.

    Args:
        fake: painted image, in [-1, 1].
        image: original image, in [-1, 1].
        mask: 1 where painted, 0 where kept.

    Shape: fake and image (B, 3, H, W), mask (B, 1, H, W) to (B, 3, H, W).

    Raises:
        ValueError: heights or widths that differ.

    >>> paste(torch.ones(1, 3, 1, 2), torch.zeros(1, 3, 1, 2), torch.tensor([[[[1.0, 0.0]]]]))[0, 0]
    tensor([[1., 0.]])
    """
    if not fake.shape[-2:] == image.shape[-2:] == mask.shape[-2:]:
        raise ValueError(
            "fake, image and mask must have one size, got "
            f"{tuple(fake.shape)}, {tuple(image.shape)} and {tuple(mask.shape)}: resize them"
        )
    return image * (1 - mask) + fake * mask
