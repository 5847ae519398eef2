"""Ground intersection: water shall cover the ground."""

from torch import Tensor, nn
from torch.nn import functional

from gancomponents.layers.precision import full_precision


def ground_intersection(pred: Tensor, target: Tensor, *, threshold: float | None = None) -> Tensor:
    """How much of the ground the predicted water leaves dry.

    Schmidt et al. 2022 (ClimateGAN), section 3.1: in every image the water should cover at least the ground.
    The default is mean max(0, target - pred), which has a gradient wherever ground lacks water.

    Args:
        pred: probability of water in [0, 1].
        target: 1 on ground, 0 elsewhere; may be soft.
        threshold: as upstream at 0.5: count the pixels with target - pred > threshold; no gradient at
            all.

    Shape:
        pred, target: the same (B, 1, H, W); returns a scalar.

    Raises:
        ValueError: the shapes differ.

    >>> import torch
    >>> pred, target = torch.tensor([0.25, 1.0]), torch.tensor([1.0, 0.0])
    >>> float(ground_intersection(pred, target)), float(ground_intersection(pred, target, threshold=0.5))
    (0.375, 0.5)
    """
    if pred.shape != target.shape:
        raise ValueError(
            f"target must have the shape of pred, got {tuple(target.shape)} and {tuple(pred.shape)}: resize "
            "one"
        )
    missing = full_precision(target) - full_precision(pred)
    if threshold is None:
        return functional.relu(missing).mean()
    return (missing > threshold).to(missing.dtype).mean()


class GroundIntersectionLoss(nn.Module):
    """``ground_intersection`` as a Module, Schmidt et al. 2022, section 3.1.

    Args:
        threshold: None for the differentiable form, 0.5 for upstream's step function.

    Shape:
        pred, target: the same (B, 1, H, W), in [0, 1]; returns a scalar.

    >>> import torch
    >>> float(GroundIntersectionLoss()(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)))
    1.0
    """

    def __init__(self, *, threshold: float | None = None) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        return ground_intersection(pred, target, threshold=self.threshold)
