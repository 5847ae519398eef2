"""L1 inside or outside the painted region."""

from torch import Tensor, nn

from gancomponents.layers.precision import full_precision


def masked_l1(a: Tensor, b: Tensor, mask: Tensor, *, over_mask: bool = True) -> Tensor:
    """Mean ``|a - b|`` over the masked pixels.

    Args:
        a, b: images, same value range.
        mask: weights in [0, 1], shared by the channels.
        over_mask: divide by the mask's area. False divides by the whole image (as upstream), so that
            small masks weigh less.

    Shape:
        a, b: the same (B, C, H, W); mask: (B, 1, H, W); returns a scalar, 0 for an empty mask.

    Raises:
        ValueError: the shapes do not fit.

    >>> import torch
    >>> a, b = torch.ones(1, 3, 1, 2), torch.zeros(1, 3, 1, 2)
    >>> mask = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2)
    >>> float(masked_l1(a, b, mask)), float(masked_l1(a, b, mask, over_mask=False))
    (1.0, 0.5)
    """
    if a.dim() != 4 or a.shape != b.shape or mask.shape != (a.shape[0], 1, *a.shape[2:]):
        raise ValueError(
            f"a and b must be (B, C, H, W) and mask (B, 1, H, W), got {tuple(a.shape)}, {tuple(b.shape)} and "
            f"{tuple(mask.shape)}: resize them to one size"
        )
    weight = full_precision(mask)
    weighted = (full_precision(a) - full_precision(b)).abs() * weight
    if not over_mask:
        return weighted.mean()
    # An empty mask gives 0 / tiny = 0 rather than 0 / 0.
    return weighted.sum() / (weight.sum() * a.shape[1]).clamp_min(1e-6)


class ContextLoss(nn.Module):
    """L1 outside the mask: what is not painted shall stay.

    Schmidt et al. 2022 (ClimateGAN). Pointless (exactly 0) where the original is pasted outside the mask
    anyway.

    Args:
        over_mask: average over the dry pixels rather than the image (upstream: False).

    Shape:
        a, b: (B, C, H, W); mask: (B, 1, H, W), 1 = painted; returns a scalar.

    >>> import torch
    >>> float(ContextLoss()(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2)))
    0.0
    """

    def __init__(self, *, over_mask: bool = True) -> None:
        super().__init__()
        self.over_mask = over_mask

    def forward(self, a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
        return masked_l1(a, b, 1 - mask, over_mask=self.over_mask)


class ReconstructionLoss(nn.Module):
    """L1 inside the mask: what is painted shall match the original.

    Schmidt et al. 2022 (ClimateGAN).

    Args:
        over_mask: average over the painted pixels rather than the image (upstream: False).

    Shape:
        a, b: (B, C, H, W); mask: (B, 1, H, W), 1 = painted; returns a scalar.

    >>> import torch
    >>> float(ReconstructionLoss()(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2)))
    1.0
    """

    def __init__(self, *, over_mask: bool = True) -> None:
        super().__init__()
        self.over_mask = over_mask

    def forward(self, a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
        return masked_l1(a, b, mask, over_mask=self.over_mask)
