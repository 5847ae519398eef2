"""Parts that stay as they are while the rest trains, their batch statistics included."""

from functools import partial
from typing import TypeVar

from torch import nn
from torch.nn.utils import parametrize

Module = TypeVar("Module", bound=nn.Module)


def freeze(module: Module) -> Module:
    """Stop all training of ``module``: no gradient for any parameter, evaluation mode for good; returns it.

    Batch norm keeps its statistics and normalises by them, dropout stays off, spectral norm stops iterating,
    and a later ``train()``, of the module, of a part or of the whole that holds it, changes none of that.
    Gradients still pass through to the input. Freeze before the optimiser is made.

    Args:
        module: any network, usually an encoder with pretrained weights.

    >>> encoder = freeze(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    >>> encoder.train()[1].training, encoder[0].weight.requires_grad
    (False, False)
    """
    module.requires_grad_(False)
    for layer in module.modules():
        layer.training = False
        # Parametrised layers pickle themselves their own way and have no mode of their own; their parts do.
        if not parametrize.is_parametrized(layer):
            layer.train = partial(_stay, layer)  # type: ignore[method-assign]
    return module


class FrozenBatchNorm(nn.BatchNorm2d):
    """Batch norm whose scale and shift are constants, and by default its statistics too.

    Ioffe and Szegedy 2015, in evaluation for good: what fine-tuning with small batches needs. Scale and
    shift are buffers under their usual keys, so they load from any checkpoint and no switching of gradients
    can train them.

    Args:
        channels: channels of the input.
        statistics: freeze the statistics too; False normalises by the batch in training and lets the running
            statistics move, as upstream's DeepLab-v2 does.

    Shape: (B, channels, H, W) to the same.

    Raises:
        ValueError: fewer than one channel.

    >>> import torch
    >>> norm = FrozenBatchNorm(2).train()
    >>> norm.training, len(list(norm.parameters())), float(norm(torch.ones(1, 2, 1, 1)).mean()) > 0.99
    (False, 0, True)
    """

    def __init__(self, channels: int, *, statistics: bool = True) -> None:
        if channels < 1:
            raise ValueError(f"channels must be >= 1, got {channels}: give the width of the input")
        super().__init__(channels)
        self.statistics = statistics
        for name in ("weight", "bias"):
            value = getattr(self, name).detach()
            delattr(self, name)
            self.register_buffer(name, value)
        self.train()

    def train(self, mode: bool = True) -> "FrozenBatchNorm":
        return super().train(mode and not self.statistics)


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:
    return module
