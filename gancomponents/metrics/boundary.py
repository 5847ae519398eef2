"""How well the boundary of a mask follows that of its label."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gancomponents.layers.precision import full_precision
from gancomponents.metrics.masked import masked_means

#: Of the widest intermediate result; one that fits the cache is ten times faster than one that does not.
_NUMBERS_AT_ONCE = 2**20


def edge_coherence(
    prediction: Tensor, target: Tensor, *, threshold: float = 0.5, scale: float | None = None
) -> Tensor:
    """Spread of the distances from the edge of a predicted mask to the nearest edge of the true one.

    Schmidt et al. 2022 (ClimateGAN): the standard deviation over the pixels of the predicted edge,
    so that a boundary which is off by the same distance everywhere is coherent. Edges are where the Sobel
    gradient of the binary mask is not zero.

    The published numbers divide distances by the height of the image alone: pass it as ``scale``. Dividing by
    the diagonal, the default, treats both directions alike.

    Args:
        prediction: probability of water in [0, 1].
        target: 1 = water, 0 = dry; for labels of three values ``label == must``.
        threshold: values above it are water, on both sides.
        scale: the length in pixels that distances are divided by; by default the diagonal of the image.

    Shape:
        prediction, target: (B, 1, H, W); returns (B,): 0 is best, 1 where only the prediction has no edge, NaN
            where the target has none.

    Raises:
        ValueError: the shapes differ, or the scale is not positive.

    >>> import torch
    >>> target = torch.zeros(1, 1, 9, 9)
    >>> target[..., 4:] = 1
    >>> edge_coherence(target.roll(1, dims=-1) * target, target).tolist()  # one pixel off everywhere
    [0.0...]
    """
    _check_masks(prediction, target)
    height, width = target.shape[-2:]
    scale = float(height**2 + width**2) ** 0.5 if scale is None else scale
    if scale <= 0:
        raise ValueError(f"scale must be positive, got {scale}: pass a length in pixels")
    dtype = full_precision(prediction).dtype
    predicted_edge = _edges(prediction > threshold).squeeze(1).to(dtype)
    true_edge = _edges(target > threshold).squeeze(1)
    has_edge = true_edge.any(dim=2).any(dim=1)
    # Where there is no edge to measure to, any finite distance: the result is overwritten.
    distance = _squared_distances(true_edge | ~has_edge[:, None, None], dtype).sqrt() / scale
    count = predicted_edge.sum(dim=(1, 2))
    mean = (distance * predicted_edge).sum(dim=(1, 2)) / count.clamp_min(1)
    deviation = (distance - mean[:, None, None]).square() * predicted_edge
    spread = (deviation.sum(dim=(1, 2)) / count.clamp_min(1)).sqrt()
    spread = torch.where(count > 0, spread, torch.ones_like(spread))
    return torch.where(has_edge, spread, torch.full_like(spread, torch.nan))


def trimap_accuracy(
    prediction: Tensor,
    target: Tensor,
    *,
    thickness: int = 8,
    threshold: float = 0.5,
    valid: Tensor | None = None,
) -> Tensor:
    """Share of the pixels near the boundary of the true mask that are right.

    Kohli et al. 2009 ("Robust Higher Order Potentials"). Near means inside lines that OpenCV draws
    along all contours of the target, those of holes included; computed on the host.

    Args:
        prediction: probability of water in [0, 1].
        target: 1 = water, 0 = dry; for labels of three values ``label == must``.
        thickness: of the lines in pixels, at least 1.
        threshold: values above it are water, on both sides.
        valid: 1 where the pixel counts, for example where the label is not may; by default everywhere.

    Shape:
        prediction, target, valid: (B, 1, H, W); returns (B,), NaN where no pixel is near and counts.

    Raises:
        ValueError: the shapes differ, or the thickness is below 1.

    >>> import torch
    >>> target = torch.zeros(1, 1, 16, 16)
    >>> target[..., :8] = 1
    >>> trimap_accuracy(target, target), trimap_accuracy(1 - target, target)
    (tensor([1.]), tensor([0.]))
    """
    _check_masks(prediction, target)
    if thickness < 1:
        raise ValueError(
            f"thickness must be at least 1, got {thickness}: it is the width of a line in pixels"
        )
    water = target > threshold
    right = ((prediction > threshold) == water).to(full_precision(prediction).dtype)
    near = _lines_along_contours(water, thickness).to(right.dtype)
    return masked_means(right, near if valid is None else near * valid.to(near.dtype))


def _check_masks(prediction: Tensor, target: Tensor) -> None:
    if prediction.dim() != 4 or prediction.shape != target.shape or prediction.shape[1] != 1:
        raise ValueError(
            f"prediction and target must be the same (B, 1, H, W), got {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}: resize one, or add a dimension"
        )


def _edges(mask: Tensor) -> Tensor:
    """Where the Sobel gradient of a binary mask is not zero."""
    padded = F.pad(mask.float(), (1, 1, 1, 1), mode="replicate")
    across, down = padded[..., 2:] - padded[..., :-2], padded[..., 2:, :] - padded[..., :-2, :]
    dx = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    dy = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    return (dx != 0) | (dy != 0)


def _squared_distances(edges: Tensor, dtype: torch.dtype) -> Tensor:
    """The exact squared distance of each pixel to the nearest edge pixel, first along columns, then rows."""
    height, width = edges.shape[-2:]
    y = torch.arange(height, device=edges.device, dtype=dtype)[:, None]
    above = torch.where(edges, y, -torch.inf).cummax(dim=1).values
    below = torch.where(edges, y, torch.inf).flip(1).cummin(dim=1).values.flip(1)
    in_column = torch.minimum(y - above, below - y).square()
    x = torch.arange(width, device=edges.device, dtype=dtype)
    along = (x[:, None] - x).square()
    # min over x' of (x - x')^2 + d(x', y)^2, some rows at a time: all at once is H W^2 numbers an image.
    rows = max(1, _NUMBERS_AT_ONCE // (edges.shape[0] * width**2))
    parts = [(part[..., None] + along).amin(-2) for part in in_column.split(rows, dim=1)]
    return torch.cat(parts, dim=1)


def _lines_along_contours(mask: Tensor, thickness: int) -> Tensor:
    import cv2
    import numpy as np

    lines = []
    for image in mask.squeeze(1).cpu().numpy().astype(np.uint8):
        contours, _ = cv2.findContours(image, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        lines.append(cv2.drawContours(np.zeros_like(image), contours, -1, 1, thickness))
    return torch.from_numpy(np.stack(lines)).unsqueeze(1).to(mask.device)
