"""Flood: paint water where the mask says so."""

from collections.abc import Callable

from torch import Tensor


def flood(
    x: Tensor,
    mask: Tensor,
    painter: Callable[[Tensor], Tensor],
    *,
    threshold: float | None = None,
    seen: Tensor | None = None,
) -> Tensor:
    """The image with water painted inside the mask and left alone outside.

    Schmidt et al. 2022 (ClimateGAN), section 3.2: x (1 - m) + P(x (1 - m)) m. Differentiable where no
    threshold is set.

    Args:
        x: image in [-1, 1].
        mask: probability of water in [0, 1].
        painter: from the masked image to a painted one, both in [-1, 1] and of one size.
        threshold: make the mask binary; None keeps it soft, which makes thin water half transparent.
        seen: the image as the painter is to see it, such as ``cloudy(x, sky)``; ``x`` where None. The result
            keeps ``x`` outside the mask all the same.

    Shape:
        x, seen: (B, 3, H, W); mask: (B, 1, H, W); returns (B, 3, H, W) in [-1, 1].

    Raises:
        ValueError: shapes that do not fit.

    >>> import torch
    >>> x, mask = torch.ones(1, 3, 1, 2), torch.tensor([0.9, 0.2]).reshape(1, 1, 1, 2)
    >>> flood(x, mask, torch.zeros_like, threshold=0.5)[0, 0].tolist()
    [[0.0, 1.0]]
    """
    if x.dim() != 4 or mask.shape != (x.shape[0], 1, *x.shape[2:]):
        raise ValueError(
            f"mask must be (B, 1, H, W) for x {tuple(x.shape)}, got {tuple(mask.shape)}: resize the mask"
        )
    if seen is not None and seen.shape != x.shape:
        raise ValueError(
            f"seen must be like x {tuple(x.shape)}, got {tuple(seen.shape)}: give one for each x"
        )
    m = mask.to(x.dtype) if threshold is None else (mask > threshold).to(x.dtype)
    dry = x * (1 - m)
    painted = painter(dry if seen is None else seen * (1 - m))
    if painted.shape != x.shape:
        raise ValueError(
            f"painter must return images of the size of x {tuple(x.shape)}, got {tuple(painted.shape)}: "
            "pad x to a multiple of the painter's stride"
        )
    return dry + painted * m
