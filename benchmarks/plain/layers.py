"""Layers as anybody would write them first: spectral norm by hand, SPADE of three convolutions, blocks of them."""

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.encoders.bottleneck import Bottleneck
from gancomponents.layers import SPADE, ConvBlock, SPADEResidualBlock
from gancomponents.layers.spectral import SpectralNorm, raw_weight


class PlainSpectralConv(nn.Conv2d):
    """A convolution whose weight is divided by its largest singular value in every pass (Miyato et al. 2018)."""

    u: Tensor
    v: Tensor

    @classmethod
    def of(cls, layer: nn.Conv2d, norm: SpectralNorm) -> Self:
        """The plain form of a spectrally normalised convolution, with its weights and vectors."""
        new = cls(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            stride=layer.stride,  # type: ignore[arg-type]
            padding=layer.padding,  # type: ignore[arg-type]
            dilation=layer.dilation,  # type: ignore[arg-type]
            bias=layer.bias is not None,
            padding_mode=layer.padding_mode,
        )
        new.weight, new.bias = nn.Parameter(raw_weight(layer).detach().clone()), layer.bias
        new.register_buffer("u", norm._u.clone())
        new.register_buffer("v", norm._v.clone())
        return new.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.weight.reshape(self.out_channels, -1)
        if self.training:
            with torch.no_grad():
                v = matrix.t() @ self.u
                self.v = v / (v.norm() + 1e-12)
                u = matrix @ self.v
                self.u = u / (u.norm() + 1e-12)
        sigma = torch.dot(self.u, matrix @ self.v)
        return self._conv_forward(x, self.weight / sigma, self.bias)


class PlainSPADE(nn.Module):
    """SPADE (Park et al. 2019, eq. 1) that resizes the condition itself, gamma and beta by a convolution each."""

    def __init__(self, spade: SPADE):
        super().__init__()
        self.norm = spade.norm
        self.shared = spade.shared
        joint = spade.gamma_beta
        weights = joint.weight.detach().chunk(2)
        biases = joint.bias.detach().chunk(2)  # type: ignore[union-attr]
        self.gamma, self.beta = (
            _conv(joint, weight, bias) for weight, bias in zip(weights, biases, strict=True)
        )

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        hidden = F.relu(self.shared(F.interpolate(cond, size=x.shape[2:], mode="nearest")))
        return self.norm(x) * (1 + self.gamma(hidden)) + self.beta(hidden)


class PlainSPADEBlock(nn.Module):
    """The SPADE residual block (Park et al. 2019, figure 4)."""

    def __init__(self, block: SPADEResidualBlock):
        super().__init__()
        self.norm_0, self.conv_0 = block.norm_0, block.conv_0
        self.norm_1, self.conv_1 = block.norm_1, block.conv_1
        self.norm_shortcut, self.conv_shortcut = block.norm_shortcut, block.conv_shortcut
        self.activate_output = block.activate_output

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        shortcut = x
        if self.norm_shortcut is not None and self.conv_shortcut is not None:
            shortcut = self.conv_shortcut(self.norm_shortcut(x, cond))
        y = self.conv_0(F.leaky_relu(self.norm_0(x, cond), 0.2))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, cond), 0.2))
        y = shortcut + y
        return F.leaky_relu(y, 0.2) if self.activate_output else y


class PlainConvBlock(nn.Module):
    """Convolution, norm, activation."""

    def __init__(self, block: ConvBlock):
        super().__init__()
        self.conv, self.norm, self.activation = block.conv, block.norm, block.activation

    def forward(self, x: Tensor) -> Tensor:
        for part in (self.conv, self.norm, self.activation):
            if part is not None:
                x = part(x)
        return x


class PlainBottleneck(nn.Module):
    """The bottleneck of ResNets (He et al. 2016, figure 5)."""

    def __init__(self, block: Bottleneck):
        super().__init__()
        self.conv1, self.bn1 = block.conv1, block.bn1
        self.conv2, self.bn2 = block.conv2, block.bn2
        self.conv3, self.bn3 = block.conv3, block.bn3
        self.downsample = block.downsample

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


def _conv(like: nn.Conv2d, weight: Tensor, bias: Tensor) -> nn.Conv2d:
    conv = nn.Conv2d(like.in_channels, len(weight), like.kernel_size, padding=like.padding)  # type: ignore[arg-type]
    conv.weight, conv.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
    return conv
