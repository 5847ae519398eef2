"""Smog: distant things drown in yellowish light."""

import torch
from torch import Tensor

from gancomponents.events.colour import linear_to_srgb, srgb_to_linear, unit_range
from gancomponents.layers import resize
from gancomponents.layers.norms import min_max


def smog(
    x: Tensor,
    depth: Tensor,
    *,
    airlight: float = 0.76,
    beta: float = 2.0,
    visual_range: float = 1.0,
    yellow: tuple[float, float, float] = (224, 192, 29),
    alpha: float = 20,
    stretch: bool = False,
) -> Tensor:
    """An image in smog, by the optical model of scattering.

    Sakaridis et al. 2018 (Foggy Cityscapes), Eqs. (1) and (2): linear light is t R + (1 - t) L with t =
    exp(-b l); then a thin veil of yellow. The distance l comes from relative inverse depth alone: stretched
    to [0.3, 1], inverted, stretched to [0.1, 1]. Differentiable in both inputs.

    Args:
        x: image in [-1, 1].
        depth: inverse depth, any scale and shift, large = near.
        airlight: L, linear light of the smog in [0, 1].
        beta: attenuation at ``visual_range`` 1.
        visual_range: divides ``beta``.
        yellow: colour of the veil, 0 to 255.
        alpha: opacity of the veil, 0 to 255.
        stretch: stretch the image to its full range first, as upstream.

    Shape:
        x: (B, 3, H, W); depth: (B, 1, h, w), any size; returns (B, 3, H, W) in [-1, 1].

    Raises:
        ValueError: shapes that do not fit, or a visual range that is not positive.

    >>> import torch
    >>> hazy = smog(torch.zeros(1, 3, 8, 8), torch.rand(1, 1, 4, 4))
    >>> hazy.shape, bool((hazy > 0).all())
    (torch.Size([1, 3, 8, 8]), True)
    """
    if depth.dim() != 4 or depth.shape[:2] != (x.shape[0], 1):
        raise ValueError(
            f"depth must be (B, 1, h, w) for x {tuple(x.shape)}, got {tuple(depth.shape)}: add axes"
        )
    if visual_range <= 0:
        raise ValueError(f"visual_range must be positive, got {visual_range}: 1 is the published value")
    radiance = srgb_to_linear(unit_range(x, stretch=stretch))
    distance = min_max(1 / min_max(depth.to(radiance.dtype), 0.3, 1.0), 0.1, 1.0)
    distance = resize(distance, (x.shape[2], x.shape[3]), align_corners=True)
    transmission = torch.exp(-beta / visual_range * distance)  # Eq. (2)
    # In place, as large photos take longer to find memory for than to compute. Eq. (1)
    hazy = linear_to_srgb(radiance.mul_(transmission).add_((1 - transmission) * airlight))
    opacity = alpha / 255
    hazy = hazy.mul_(1 - opacity)
    for channel, level in enumerate(yellow):
        hazy[:, channel].add_(opacity * (level / 255))
    return hazy.mul_(2).sub_(1)
