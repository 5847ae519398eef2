"""Scale, shift and activation of normalised features in few passes, with a backward that keeps little."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def modulate(normalised: Tensor, gamma_beta: Tensor, slope: float | None = None) -> Tensor:
    """normalised (1 + gamma) + beta, and leaky ReLU of it where there is a slope.

    Park et al. 2019 (SPADE), eq. 1. The backward pass needs both arguments and the result, which whatever follows
    keeps anyway; written out, it would keep two maps more.

    Args:
        normalised: features.
        gamma_beta: gamma in the first half of the channels, beta in the second.
        slope: of the leaky ReLU; None for none.

    Shape: (B, C, H, W) and (B, 2 C, H, W) to (B, C, H, W).

    >>> x = torch.tensor([[[[-1.0, 2.0]]]])
    >>> modulate(x, torch.cat([x * 0 + 1, x * 0 + 0.5], 1), slope=0.1)
    tensor([[[[-0.1500,  4.5000]]]])
    """
    dtype = torch.promote_types(normalised.dtype, gamma_beta.dtype)
    y: Tensor = _Modulated.apply(normalised.to(dtype), gamma_beta.to(dtype), slope)
    return y


class _Modulated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, normalised: Tensor, gamma_beta: Tensor, slope: float | None) -> Tensor:
        gamma, beta = gamma_beta.chunk(2, 1)
        y = torch.addcmul(beta, normalised, gamma).add_(normalised)
        if slope is not None:
            F.leaky_relu_(y, slope)
        ctx.save_for_backward(normalised, gamma_beta, *([] if slope is None else [y]))
        ctx.slope = slope
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        normalised, gamma_beta, *result = ctx.saved_tensors
        gamma, _ = gamma_beta.chunk(2, 1)
        if result:
            # The sign of the result is that of what went into the leaky ReLU.
            gradient = torch.ops.aten.leaky_relu_backward(gradient, result[0], ctx.slope, True)
        of_both = torch.cat([gradient * normalised, gradient], 1) if ctx.needs_input_grad[1] else None
        of_features = torch.addcmul(gradient, gradient, gamma) if ctx.needs_input_grad[0] else None
        return of_features, of_both, None
