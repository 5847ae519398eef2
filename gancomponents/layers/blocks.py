"""Convolution, norm and activation as one block, and the residual pair of such blocks."""

from collections.abc import Callable
from typing import Literal, get_args

from torch import Tensor, nn

from gancomponents.layers.atrous import AtrousConv2d
from gancomponents.layers.checks import check_positive
from gancomponents.layers.norms import AdaptiveInstanceNorm, InstanceNorm
from gancomponents.layers.spectral import spectral_norm

#: What lies beyond the border of an image.
PaddingMode = Literal["zeros", "reflect", "replicate"]
PADDING_MODES = get_args(PaddingMode)


def leaky_relu() -> nn.Module:
    """Leaky ReLU of slope 0.2, the activation of most GAN papers (Radford et al. 2016), as a factory.

    >>> leaky_relu()
    LeakyReLU(negative_slope=0.2)
    """
    return nn.LeakyReLU(0.2)


#: Norms that subtract the mean of each channel, and with it whatever bias came before.
_CENTRING = (nn.modules.batchnorm._BatchNorm, nn.InstanceNorm2d, InstanceNorm, AdaptiveInstanceNorm)


class ConvBlock(nn.Module):
    """Convolution, then norm, then activation.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the square kernel.
        stride: step of the convolution.
        padding: pixels added on each side; None keeps the size (at stride 1), which needs an odd kernel.
        dilation: spacing of the kernel's taps.
        norm: factory of the norm from its number of channels, or None.
        activation: factory of the activation, or None. It must make one for this block alone, which then works
            in place.
        padding_mode: "zeros", "reflect" or "replicate".
        bias: None adds one unless batch or instance norm would subtract it again.
        spectral: normalise the weight spectrally (:func:`~gancomponents.layers.spectral_norm`).

    Shape: (B, in_channels, H, W) to (B, out_channels, H', W'), H' = floor((H + 2 padding - dilation
    (kernel_size - 1) - 1) / stride) + 1. Further arguments of ``forward`` go to the norm, such as the style
    of :class:`~gancomponents.layers.AdaptiveInstanceNorm`.

    Raises:
        ValueError: a size below one, an even kernel without ``padding``, an unknown ``padding_mode``, an input
            too small for reflection, or a style without a norm.

    >>> import torch
    >>> block = ConvBlock(3, 8, norm=nn.BatchNorm2d, activation=leaky_relu, padding_mode="reflect")
    >>> block(torch.zeros(2, 3, 5, 7)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        norm: Callable[[int], nn.Module] | None = None,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
        padding_mode: PaddingMode = "zeros",
        bias: bool | None = None,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        check_positive(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            dilation=dilation,
        )
        if padding is None:
            if kernel_size % 2 == 0:
                raise ValueError(f"padding must be given for an even kernel, got kernel_size {kernel_size}")
            padding = dilation * (kernel_size // 2)
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {PADDING_MODES}, got {padding_mode!r}: choose one")
        normaliser = norm(out_channels) if norm is not None else None
        if bias is None:
            bias = not isinstance(normaliser, _CENTRING)
        self.conv = AtrousConv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            bias=bias,
            padding_mode=padding_mode,
        )
        if spectral:
            spectral_norm(self.conv)
        self.norm = normaliser
        self.activation = activation() if activation is not None else None
        if hasattr(self.activation, "inplace"):
            # Nobody else sees the tensor in between. Saves memory, and in bfloat16 on CPUs most of the time.
            self.activation.inplace = True  # type: ignore[union-attr]
        self._smallest = padding + 1 if padding_mode == "reflect" else 1

    def forward(self, x: Tensor, *style: Tensor) -> Tensor:
        if min(x.shape[-2:]) < self._smallest:
            raise ValueError(
                f"x must be at least {self._smallest}x{self._smallest} for reflection, "
                f"got {x.shape[-2]}x{x.shape[-1]}: use a larger input or padding_mode 'zeros'"
            )
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x, *style)
        elif style:
            raise ValueError(
                f"style must be left out without a norm, got {len(style)} tensors: "
                "make the block with norm=AdaptiveInstanceNorm"
            )
        return x if self.activation is None else self.activation(x)


class ResidualBlock(nn.Module):
    """x + f(x) with f two 3x3 blocks, the second without activation, and nothing after the sum.

    He et al. 2016, "Deep Residual Learning", in the form of Johnson et al. 2016 (no ReLU after the sum).

    Args:
        channels: channels of input and output.
        kernel_size: side of both kernels, odd.
        norm: factory of both norms, or None.
        activation: factory of the activation between the two.
        padding_mode: "zeros", "reflect" or "replicate".
        bias: as in :class:`ConvBlock`.
        spectral: normalise both weights spectrally.

    Shape: (B, channels, H, W) to the same. Of further arguments of ``forward``, the first half goes to the
    first norm and the rest to the second.

    Raises:
        ValueError: as :class:`ConvBlock`.

    >>> import torch
    >>> ResidualBlock(4, norm=nn.BatchNorm2d)(torch.zeros(1, 4, 6, 6)).shape
    torch.Size([1, 4, 6, 6])
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 3,
        norm: Callable[[int], nn.Module] | None = None,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
        padding_mode: PaddingMode = "zeros",
        bias: bool | None = None,
        spectral: bool = False,
    ) -> None:
        super().__init__()

        def block(activation: Callable[[], nn.Module] | None) -> ConvBlock:
            return ConvBlock(
                channels,
                channels,
                kernel_size,
                norm=norm,
                activation=activation,
                padding_mode=padding_mode,
                bias=bias,
                spectral=spectral,
            )

        self.block1 = block(activation)
        self.block2 = block(None)

    def forward(self, x: Tensor, *style: Tensor) -> Tensor:
        half = len(style) // 2
        return x + self.block2(self.block1(x, *style[:half]), *style[half:])


class PreActivationBlock(nn.Module):
    """shortcut(x) + f(x) with f twice norm, activation and 3x3 convolution; the block of unconditional GANs.

    He et al. 2016, "Identity Mappings in Deep Residual Networks", figure 4e. Where the widths differ, the
    shortcut is a 1x1 convolution without bias. The first convolution is drawn as in He et al. 2015; the second
    starts at zero (Zhang et al. 2019, "Fixup Initialization", section 3), so that a stack without norms neither
    explodes nor vanishes. A spectral norm divides by the weight's size and cannot start there: with
    ``spectral`` both are drawn alike.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        norm: factory of both norms, or None.
        activation: factory of both activations.
        spectral: normalise the weights spectrally.

    Shape: (B, in_channels, H, W) to (B, out_channels, H, W).

    Raises:
        ValueError: a size below one.

    >>> import torch
    >>> block, x = PreActivationBlock(4, 4), torch.randn(2, 4, 5, 3)
    >>> torch.equal(block(x), x)
    True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        norm: Callable[[int], nn.Module] | None = None,
        activation: Callable[[], nn.Module] = leaky_relu,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        check_positive(in_channels=in_channels, out_channels=out_channels)
        self.norm1 = norm(in_channels) if norm is not None else None
        self.activation1 = activation()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = norm(out_channels) if norm is not None else None
        self.activation2 = activation()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut: nn.Conv2d | None = None
        if in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, bias=False)
            nn.init.kaiming_normal_(self.shortcut.weight, nonlinearity="linear")
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, a=0.2, nonlinearity="leaky_relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        if spectral:
            for conv in (self.conv1, self.conv2, self.shortcut):  # type: ignore[assignment]
                if conv is not None:
                    spectral_norm(conv)
        else:
            nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        y = x if self.norm1 is None else self.norm1(x)
        y = self.conv1(self.activation1(y))
        y = y if self.norm2 is None else self.norm2(y)
        return shortcut + self.conv2(self.activation2(y))
