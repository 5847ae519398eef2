"""Conformance cases of `gancomponents.layers`."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from gancomponents import layers
from tests.case import Case, Elsewhere


def _x(batch: int) -> tuple[torch.Tensor]:
    return (torch.randn(batch, 3, 7, 6),)


def _x_cond(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(batch, 4, 7, 6), torch.randn(batch, 3, 14, 9)


def _x_styles(layers: int, channels: int) -> Callable[[int], tuple[torch.Tensor, ...]]:
    """Features, and a weight and a bias for each of so many styled norms."""
    return lambda b: (*_x(b), *(torch.randn(b, channels) for _ in range(2 * layers)))


def _drawn(block: nn.Module) -> nn.Module:
    """With weights where construction leaves zeros."""
    return layers.initialise(block, "kaiming")


_NORMS = {
    "plain": None,
    "batch": nn.BatchNorm2d,
    "instance": layers.InstanceNorm,
    "layer": layers.ChannelLayerNorm,
}

_FREE_BATCH_NORM = partial(nn.BatchNorm2d, affine=False)

CASES: list[Case | Elsewhere] = [
    *(
        Case(
            "layers.ConvBlock",
            lambda norm=norm, spectral=spectral: layers.ConvBlock(
                3, 4, norm=norm, spectral=spectral, activation=layers.leaky_relu, padding_mode="reflect"
            ),
            _x,
            lambda b: (b, 4, 7, 6),
            label=f"{name}{'-spectral' * spectral}",
        )
        for name, norm in _NORMS.items()
        for spectral in (False, True)
    ),
    Case(
        "layers.AtrousConv2d",
        lambda: layers.AtrousConv2d(3, 4, 3, padding=6, dilation=6),
        _x,
        lambda b: (b, 4, 7, 6),
    ),
    Case("layers.SyncBatchNorm", lambda: layers.SyncBatchNorm(3), _x, lambda b: (b, 3, 7, 6)),
    Case(
        "layers.ConvBlock",
        lambda: layers.ConvBlock(3, 4, 4, stride=2, padding=2, norm=layers.AdaptiveInstanceNorm),
        _x_styles(1, 4),
        lambda b: (b, 4, 4, 4),
        label="adaptive",
    ),
    Case(
        "layers.ConvBlock",
        lambda: layers.ConvBlock(3, 4, dilation=2, activation=nn.PReLU, padding_mode="replicate"),
        _x,
        lambda b: (b, 4, 7, 6),
        label="dilated",
    ),
    *(
        Case(
            "layers.ResidualBlock",
            lambda norm=norm, spectral=spectral: layers.ResidualBlock(3, norm=norm, spectral=spectral),
            _x,
            lambda b: (b, 3, 7, 6),
            label=f"{name}{'-spectral' * spectral}",
        )
        for name, norm, spectral in (("plain", None, False), ("batch", nn.BatchNorm2d, True))
    ),
    Case(
        "layers.ResidualBlock",
        lambda: layers.ResidualBlock(3, norm=layers.AdaptiveInstanceNorm, padding_mode="reflect"),
        _x_styles(2, 3),
        lambda b: (b, 3, 7, 6),
        label="adaptive",
    ),
    Case(
        "layers.PreActivationBlock",
        lambda: _drawn(layers.PreActivationBlock(3, 5)),
        _x,
        lambda b: (b, 5, 7, 6),
    ),
    Case(
        "layers.PreActivationBlock",
        lambda: _drawn(layers.PreActivationBlock(3, 3, norm=nn.BatchNorm2d, spectral=True)),
        _x,
        lambda b: (b, 3, 7, 6),
        label="batch-spectral",
    ),
    Case("layers.SPADE", lambda: layers.SPADE(4, 3, hidden_channels=4), _x_cond, lambda b: (b, 4, 7, 6)),
    Case(
        "layers.SPADE",
        lambda: layers.SPADE(4, 3, hidden_channels=4, kernel_size=5, norm=_FREE_BATCH_NORM),
        _x_cond,
        lambda b: (b, 4, 7, 6),
        label="batch",
    ),
    Case(
        "layers.SPADEResidualBlock",
        lambda: layers.SPADEResidualBlock(4, 2, 3, hidden_channels=4),
        _x_cond,
        lambda b: (b, 2, 7, 6),
    ),
    Case(
        "layers.SPADEResidualBlock",
        lambda: layers.SPADEResidualBlock(
            4, 4, 3, hidden_channels=4, norm=_FREE_BATCH_NORM, spectral=False, activate_output=True
        ),
        _x_cond,
        lambda b: (b, 4, 7, 6),
        label="batch-activated",
    ),
    Case("layers.InstanceNorm", lambda: layers.InstanceNorm(3), _x, lambda b: (b, 3, 7, 6)),
    Case(
        "layers.AdaptiveInstanceNorm",
        lambda: layers.AdaptiveInstanceNorm(3),
        _x_styles(1, 3),
        lambda b: (b, 3, 7, 6),
    ),
    Case("layers.ChannelLayerNorm", lambda: layers.ChannelLayerNorm(3), _x, lambda b: (b, 3, 7, 6)),
    Case(
        "layers.SpectralNorm",
        lambda: layers.SpectralNorm(torch.ones(3, 4)),
        lambda b: (torch.randn(3, 4),),
        lambda b: (3, 4),
    ),
    Case(
        "layers.spectral_norm",
        lambda: layers.spectral_norm(nn.Linear(6, 5)),
        _x,
        lambda b: (b, 3, 7, 5),
    ),
    Case("layers.UpsampleNearest", lambda: layers.UpsampleNearest(3), _x, lambda b: (b, 3, 21, 18)),
    Case(
        "layers.upsample_nearest",
        lambda: layers.upsample_nearest,
        _x,
        lambda b: (b, 3, 9, 5),
        call=lambda f, x: f(x, (9, 5)),
    ),
    *(
        Case(
            "layers.resize",
            lambda: layers.resize,
            _x,
            lambda b: (b, 3, 9, 5),
            call=lambda f, x, mode=mode: f(x, (9, 5), mode=mode),
            label=mode,
        )
        for mode in ("bilinear", "bicubic")
    ),
    Case("layers.leaky_relu", layers.leaky_relu, _x, lambda b: (b, 3, 7, 6)),
    Elsewhere("layers.PaddingMode", "tests/reference/test_blocks.py"),
    Elsewhere("layers.checkpointed", "tests/layers/test_checkpointing.py"),
    Elsewhere("layers.fuse_batch_norms", "tests/layers/test_fusion.py"),
    Elsewhere("layers.initialise", "tests/layers/test_initialisation.py"),
    Elsewhere("layers.raw_weight", "tests/layers/test_spectral.py"),
    Elsewhere("layers.spectral_norms", "tests/layers/test_spectral.py"),
    Elsewhere("layers.synchronise_batch_norms", "tests/layers/test_sync_norm.py"),
    Elsewhere("layers.update_spectral_norms_in_eval", "tests/layers/test_spectral.py"),
]
