"""Smoothness of maps and images."""

from torch import Tensor, nn

from gancomponents.layers.precision import full_precision


def total_variation(x: Tensor) -> Tensor:
    """Squared differences of neighbours, twice the mean of the vertical plus the mean of the horizontal ones.

    The quadratic form of total variation (Mahendran & Vedaldi 2015, section 3, with beta = 2), averaged
    rather than summed so that it depends neither on the size nor on the batch.

    Shape:
        x: (B, C, H, W), H and W at least 2; returns a scalar.

    Raises:
        ValueError: ``x`` has another shape.

    >>> import torch
    >>> x = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> float(total_variation(x))  # vertical steps of 2, horizontal steps of 1
    10.0
    """
    if x.dim() != 4 or min(x.shape[2:]) < 2:
        raise ValueError(f"x must be (B, C, H, W) with H, W >= 2, got {tuple(x.shape)}: pass a batch of maps")
    x = full_precision(x)
    vertical = (x[:, :, 1:] - x[:, :, :-1]).square().mean()
    horizontal = (x[..., 1:] - x[..., :-1]).square().mean()
    return 2 * (vertical + horizontal)


class TotalVariationLoss(nn.Module):
    """``total_variation`` as a Module, Mahendran & Vedaldi 2015.

    Shape:
        x: (B, C, H, W); returns a scalar.

    >>> import torch
    >>> float(TotalVariationLoss()(torch.ones(1, 1, 4, 4)))
    0.0
    """

    def forward(self, x: Tensor) -> Tensor:
        return total_variation(x)
