"""NovoGrad, from a package that keeps it."""

from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT


def novograd(
    params: ParamsT,
    lr: float = 5e-5,
    betas: tuple[float, float] = (0.9, 0.0),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    grad_averaging: bool = False,
    amsgrad: bool = False,
) -> Optimizer:
    """Stochastic gradient descent with each layer's gradient divided by its norm.

    Ginsburg et al. 2019 ("Stochastic Gradient Methods with Layer-wise Adaptive Moments"), Algorithm 1, as
    ``timm.optim.NvNovoGrad`` computes it. With the second beta at 0, the published setting of ClimateGAN, the
    norm is that of the current gradient alone.

    timm rather than pytorch-optimizer, because segmentation-models-pytorch installs it already, many projects
    depend on it, and it has kept these arguments for years. It reads one number per parameter on the host in
    every step, so it is not for XLA. torch's own Adam, RAdam and RMSprop need nothing of ours: they are called
    as this is.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: decay of the first moment and of the squared norm.
        eps: added to the norm.
        weight_decay: added to the normalised gradient, times the weight.
        grad_averaging: weight the gradient by 1 - beta1 in the first moment.
        amsgrad: use the running maximum of the squared norm.

    Raises:
        ValueError: a hyperparameter out of range.

    >>> import torch
    >>> p = torch.nn.Parameter(torch.zeros(2))
    >>> optimizer = novograd([p], lr=0.1)
    >>> p.grad = torch.tensor([3.0, 4.0])
    >>> optimizer.step(); p.detach()
    tensor([-0.0600, -0.0800])
    """
    if lr < 0:
        raise ValueError(f"lr must be at least 0, got {lr}: 5e-5 is the published one")
    if not (0 <= betas[0] < 1 and 0 <= betas[1] < 1):
        raise ValueError(f"betas must both be in [0, 1), got {betas}: (0.9, 0.0) is the published pair")
    if eps < 0:
        raise ValueError(f"eps must be at least 0, got {eps}: 1e-8 is usual")
    if weight_decay < 0:
        raise ValueError(f"weight_decay must be at least 0, got {weight_decay}: 0 switches it off")
    from timm.optim import NvNovoGrad  # 4.6 s to import

    return NvNovoGrad(
        params,
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        grad_averaging=grad_averaging,
        amsgrad=amsgrad,
    )
