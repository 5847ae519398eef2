"""The scale- and shift-invariant depth loss with gradient matching (SIGM)."""

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision
from gancomponents.losses.depth import check_maps


def _normalise(depth_NP: Tensor) -> Tensor:
    """Each row minus its lower median, divided by its mean absolute deviation from it."""
    # By sorting: XLA has no median. The gradient goes to the selected element.
    middle = (depth_NP.shape[1] - 1) // 2
    shift = depth_NP.sort(dim=1).values[:, middle : middle + 1]
    centred = depth_NP - shift
    scale = centred.abs().mean(dim=1, keepdim=True)
    return centred / scale.clamp_min(1e-6)  # a constant map gives zeros


def _gradient_sum(r: Tensor) -> Tensor:
    """Sum of |Sobel x| + |Sobel y| over the inner pixels of each image; (B, H, W) -> (B,)."""
    smooth_rows = r[:, :-2] + 2 * r[:, 1:-1] + r[:, 2:]
    smooth_columns = r[:, :, :-2] + 2 * r[:, :, 1:-1] + r[:, :, 2:]
    horizontal = smooth_rows[:, :, :-2] - smooth_rows[:, :, 2:]
    vertical = smooth_columns[:, :-2] - smooth_columns[:, 2:]
    return horizontal.abs().sum(dim=(1, 2)) + vertical.abs().sum(dim=(1, 2))


def sigm_loss(
    pred: Tensor,
    target: Tensor,
    *,
    gradient_weight: float = 0.5,
    scales: int = 4,
    batch_coupled: bool = False,
) -> Tensor:
    """Scale- and shift-invariant depth loss with multi-scale gradient matching.

    Ranftl et al. 2020 (MiDaS), Eqs. (1), (5) and (11): both maps are shifted by their median and scaled by
    their mean absolute deviation; the residual R is penalised by ``1/2 mean |R|`` and by its Sobel gradients (the
    paper has plain differences) at ``scales`` resolutions, each one half of the last. Statistics are those of
    each image, and the loss is the mean over the batch. The gradient flows through the statistics of the
    prediction.

    Args:
        pred: predicted inverse depth, any scale and shift.
        target: inverse depth, any scale and shift.
        gradient_weight: weight of the gradient term.
        scales: number of resolutions of the gradient term.
        batch_coupled: as upstream: one median and scale for the whole batch, the data term summed over
            it and the gradient term summed and multiplied by B. Equal to the default for a batch of one.

    Shape:
        pred, target: the same (B, 1, H, W), H and W at least 3 * 2**(scales - 1), that is 24; returns a
            scalar.

    Raises:
        ValueError: shapes differ or are too small, or fewer than one scale.

    >>> import torch
    >>> target = torch.rand(2, 1, 24, 32)
    >>> bool(sigm_loss(3 * target + 1, target) < 1e-4)
    True
    """
    check_maps(pred, target)
    if scales < 1:
        raise ValueError(f"scales must be at least 1, got {scales}: 4 is the published number")
    batch, _, height, width = pred.shape
    smallest = 3 * 2 ** (scales - 1)
    if min(height, width) < smallest:
        raise ValueError(
            f"pred must have H and W of at least {smallest} for {scales} scales, got {height} x {width}: "
            "use a larger depth map or fewer scales"
        )
    pred, target = full_precision(pred), full_precision(target)
    rows = 1 if batch_coupled else batch
    residual_NP = _normalise(pred.reshape(rows, -1)) - _normalise(target.reshape(rows, -1))
    residual = residual_NP.reshape(batch, height, width)
    data = 0.5 * residual.abs().sum(dim=(1, 2))  # per image
    gradient = torch.zeros_like(data)
    for k in range(scales):
        step = 2**k  # nearest sampling: every step-th pixel of the floor(size / step) whole cells
        coarse = residual[:, ::step, ::step][:, : height // step, : width // step]
        gradient = gradient + _gradient_sum(coarse)
    if batch_coupled:
        return (data.sum() + gradient_weight * batch * gradient.sum()) / (height * width)
    return (data + gradient_weight * gradient).mean() / (height * width)


class SIGMLoss(nn.Module):
    """``sigm_loss`` as a Module, Ranftl et al. 2020 (MiDaS), Eqs. (1), (5) and (11).

    Args:
        gradient_weight: weight of the gradient term.
        scales: number of resolutions of the gradient term.
        batch_coupled: as upstream: statistics and sums over the whole batch.

    Shape:
        pred, target: the same (B, 1, H, W), H and W at least 3 * 2**(scales - 1); returns a scalar.

    Raises:
        ValueError: fewer than one scale.

    >>> import torch
    >>> float(SIGMLoss()(torch.ones(1, 1, 24, 24), torch.ones(1, 1, 24, 24)))
    0.0
    """

    def __init__(self, *, gradient_weight: float = 0.5, scales: int = 4, batch_coupled: bool = False) -> None:
        super().__init__()
        if scales < 1:
            raise ValueError(f"scales must be at least 1, got {scales}: 4 is the published number")
        self.gradient_weight = gradient_weight
        self.scales = scales
        self.batch_coupled = batch_coupled

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        return sigm_loss(
            pred,
            target,
            gradient_weight=self.gradient_weight,
            scales=self.scales,
            batch_coupled=self.batch_coupled,
        )
