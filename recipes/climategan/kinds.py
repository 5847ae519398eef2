"""Images as a caller holds them: arrays or tensors, levels or floats, one or a batch; in, and back the same way."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gancomponents.data import to_uint8
from gancomponents.layers.norms import min_max

Array = npt.NDArray[Any]
Layout = Literal["HWC", "CHW"]


#: What rounding and resizing may add to the range of images.
_OVERSHOOT = 0.05


@dataclass(frozen=True)
class Kind:
    """How images came in, so that results go out alike.

    Attributes:
        numpy: arrays, not tensors.
        levels: uint8, 0 to 255; otherwise floating, in [-1, 1].
        single: without a batch axis.
        channels_last: (H, W, C), not (C, H, W).
        dtype: of the floats.
        device: of the tensors.
    """

    numpy: bool
    levels: bool
    single: bool
    channels_last: bool
    dtype: torch.dtype
    device: torch.device

    def image(self, x: Tensor, *, stretch: bool = False) -> Any:
        """Images (B, 3, H, W) in [-1, 1] as they came in.

        Args:
            x: the images.
            stretch: levels are each image's range stretched to 0..255 and rounded down, as upstream.
        """
        if not self.levels:
            return self._arranged(x.to(self.device, self.dtype))
        levels = to_uint8(2 * min_max(x.float()) - 1 if stretch else x, truncate=stretch)
        return self._arranged(torch.from_numpy(levels).movedim(-1, 1).to(self.device))

    def mask(self, m: Tensor) -> Any:
        """Masks (B, 1, H, W) in [0, 1]: as levels 0 to 255, or in [0, 1]; arrays have no channel axis."""
        if self.levels:
            return self._plane((m.float() * 255).round().byte())
        return self._plane(m.to(self.dtype))

    def depth(self, d: Tensor) -> Any:
        """Inverse depth (B, 1, h, w), floating always."""
        return self._plane(d.float() if self.levels else d.to(self.dtype))

    def segmentation(self, s: Tensor) -> Any:
        """Class logits (B, C, h, w) as tensors, and as arrays the class of each pixel."""
        if self.numpy:
            return self._plane(s.argmax(1, keepdim=True).byte())
        return self._arranged(s.to(self.device, torch.float32 if self.levels else self.dtype))

    def _plane(self, x: Tensor) -> Any:
        if not self.numpy:
            return self._arranged(x.to(self.device))
        array = x.squeeze(1).cpu().numpy()
        return array[0] if self.single else array

    def _arranged(self, x: Tensor) -> Any:
        x = x.movedim(1, -1) if self.channels_last else x
        x = x[0] if self.single else x
        return np.ascontiguousarray(x.cpu().numpy()) if self.numpy else x


def read(x: Tensor | Array, layout: Layout | None = None) -> tuple[Tensor, Kind]:
    """Images of any kind as (B, 3, H, W) in [-1, 1], and what kind they were; ``x`` is left alone.

    Args:
        x: uint8 0..255, or floating in [-1, 1]; an array or a tensor; (H, W, 3), (3, H, W) or a batch of these.
        layout: which of the two it is; None to tell by the axis of length three.

    Raises:
        ValueError: an image of another shape or type, on the CPU also of another range; or one whose shape leaves
            the layout open.

    >>> image, kind = read(np.zeros((4, 5, 3), np.uint8))
    >>> image.shape, kind.image(image).shape
    (torch.Size([1, 3, 4, 5]), (4, 5, 3))
    """
    numpy = not isinstance(x, Tensor)
    # A copy where torch would complain: of what is read-only, or runs backwards in memory.
    tensor = torch.from_numpy(np.require(x, requirements=["C", "W"])) if isinstance(x, np.ndarray) else x
    if not isinstance(tensor, Tensor):
        raise ValueError(f"x must be an array or a tensor, got {type(x).__name__}: convert it")
    if tensor.dtype != torch.uint8 and not tensor.is_floating_point():
        raise ValueError(
            f"x must be uint8 in 0..255 or floating in [-1, 1], got {tensor.dtype}: convert it to one of these"
        )
    channels_last = _channels_last(tuple(tensor.shape), layout)
    if tensor.is_floating_point() and tensor.device.type == "cpu" and tensor.numel():
        low, high = tensor.float().aminmax()
        if not (low >= -1 - _OVERSHOOT and high <= 1 + _OVERSHOOT):  # NaN is neither
            raise ValueError(
                f"x must be floating in [-1, 1], got values from {float(low):g} to {float(high):g}: divide levels "
                "by 127.5 and subtract 1, or pass them as uint8"
            )
    single = tensor.dim() == 3
    levels = tensor.dtype == torch.uint8
    kind = Kind(numpy, levels, single, channels_last, tensor.dtype, tensor.device)
    batch = tensor[None] if single else tensor
    batch = batch.movedim(-1, 1) if channels_last else batch
    return (batch.float() / 127.5 - 1 if levels else batch), kind


def _channels_last(shape: tuple[int, ...], layout: Layout | None) -> bool:
    if layout not in (None, "HWC", "CHW"):
        raise ValueError(f"layout must be 'HWC', 'CHW' or None, got {layout!r}: choose one")
    last = len(shape) in (3, 4) and shape[-1] == 3 and layout != "CHW"
    first = len(shape) in (3, 4) and shape[-3] == 3 and layout != "HWC"
    if last and first:
        raise ValueError(
            f"layout must be given where the first and the last axis have length three, got shape {shape}: "
            "pass layout='HWC' or layout='CHW'"
        )
    if not (last or first) or 0 in shape:
        wanted = {None: "(H, W, 3) or (3, H, W)", "HWC": "(H, W, 3)", "CHW": "(3, H, W)"}[layout]
        raise ValueError(
            f"x must be {wanted}, or a batch of these, got {shape}: pass RGB images without alpha"
        )
    return last
