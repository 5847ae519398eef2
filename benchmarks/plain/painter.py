"""The painter, each of whose norms reads the whole condition."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.generators import SPADEPainter


class PlainPainter(nn.Module):
    """`gancomponents.generators.SPADEPainter` of images whose sides are multiples of 2^upsamplings."""

    def __init__(self, painter: SPADEPainter):
        super().__init__()
        self.upsamplings = painter.upsamplings
        self.latent, self.blocks, self.final = painter.latent, painter.blocks, painter.final
        self.shortcut, self.to_image = painter.shortcut, painter.to_image

    def forward(self, cond: Tensor) -> Tensor:
        size = tuple(side // 2**self.upsamplings for side in cond.shape[2:])
        y = self.latent(F.interpolate(cond, size=size, mode="nearest"))
        for index, block in enumerate(self.blocks):
            if index:
                y = F.interpolate(y, scale_factor=2, mode="nearest")
            y = block(y, cond)
        y = self.final(y, cond if self.shortcut is None else self.shortcut(y))
        return torch.tanh(self.to_image(F.leaky_relu(y, 0.2)))
