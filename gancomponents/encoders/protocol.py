"""What a decoder expects of an encoder."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Encoder(Protocol):
    """Any module from an image to feature maps, fine first, coarse last.

    Decoders take ``encoder.out_channels`` at construction and the list of features in ``forward``; nothing is
    registered or inherited. The first map serves as low-level features, the last as the coarse ones; decoders
    resize one to the other, so a user's own encoder may have any strides and any number of maps (one, for
    decoders with ``low_level=False`` and those that only use the coarse ones).

    Attributes:
        out_channels: channels of each feature map.
        strides: input pixels per feature pixel of each map, per side.

    Shape: (B, C, H, W) to a list of (B, out_channels[i], ceil(H / strides[i]), ceil(W / strides[i])).

    >>> import torch
    >>> class Own(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.out_channels, self.strides = [6, 10], [4, 8]
    ...         self.fine = torch.nn.Conv2d(3, 6, 7, stride=4, padding=3)
    ...         self.coarse = torch.nn.Conv2d(6, 10, 3, stride=2, padding=1)
    ...
    ...     def forward(self, x):
    ...         fine = self.fine(x).relu()
    ...         return [fine, self.coarse(fine).relu()]
    >>> isinstance(Own(), Encoder)
    True
    """

    out_channels: list[int]
    strides: list[int]

    def __call__(self, x: Tensor, /) -> list[Tensor]: ...


def check_image(x: Tensor, in_channels: int, smallest: int = 1, *, otherwise: str = "") -> None:
    """Refuse an image of another number of channels, or too small on a side.

    Args:
        x: what a network was given.
        in_channels: what it was made for.
        smallest: height and width that it needs.
        otherwise: what helps beside a larger image.

    Raises:
        ValueError: naming the channels or the size to use.

    >>> import torch
    >>> check_image(torch.zeros(1, 3, 8, 64), 3, 16, otherwise="use fewer layers")
    Traceback (most recent call last):
    ValueError: x must be at least 16x16, got 8x64: resize or pad it to 16x64, or use fewer layers
    """
    if x.ndim != 4:
        raise ValueError(f"x must be (B, {in_channels}, H, W), got {tuple(x.shape)}: pass a batch")
    if x.shape[1] != in_channels:
        raise ValueError(
            f"x must be (B, {in_channels}, H, W), got {tuple(x.shape)}: "
            f"pass {in_channels} channels, or make the network with in_channels={x.shape[1]}"
        )
    height, width = x.shape[-2:]
    if min(height, width) < smallest:
        raise ValueError(
            f"x must be at least {smallest}x{smallest}, got {height}x{width}: "
            f"resize or pad it to {max(height, smallest)}x{max(width, smallest)}"
            + (f", or {otherwise}" if otherwise else "")
        )
