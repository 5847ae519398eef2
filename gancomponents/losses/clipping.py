"""Clipping of the critic's weights, the Wasserstein GAN's first means to bound its slope."""

import torch
from torch import nn


@torch.no_grad()
def clip_weights(critic: nn.Module, bound: float = 0.01) -> None:
    """Clamp every parameter of the critic to [-bound, bound], in place.

    Arjovsky et al. 2017, Algorithm 1, line 7. Call it after each optimiser step of the critic, and of no other
    network. Parameters that are not trained, and buffers, stay as they are.

    Args:
        critic: the network to clip.
        bound: the largest magnitude that a weight may keep.

    Raises:
        ValueError: a bound that is not positive.

    >>> import torch
    >>> critic = torch.nn.Linear(2, 1)
    >>> clip_weights(critic, 0.001)
    >>> bool(critic.weight.abs().max() <= 0.001)
    True
    """
    if bound <= 0:
        raise ValueError(f"bound must be positive, got {bound}: 0.01 is the published value")
    for parameter in critic.parameters():
        if parameter.requires_grad:
            parameter.clamp_(-bound, bound)
