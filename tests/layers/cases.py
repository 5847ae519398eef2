"""Conformance cases of `gancomponents.layers`."""

import torch
from torch import nn

from gancomponents import layers
from tests.case import Case, Elsewhere


def _x(batch: int) -> tuple[torch.Tensor]:
    return (torch.randn(batch, 3, 7, 6),)


def _x_cond(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(batch, 4, 7, 6), torch.randn(batch, 3, 14, 9)


_NORMS = {
    "plain": None,
    "batch": nn.BatchNorm2d,
    "instance": layers.InstanceNorm,
    "layer": layers.ChannelLayerNorm,
}

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
    Case("layers.ResidualBlock", lambda: layers.ResidualBlock(3), _x, lambda b: (b, 3, 7, 6)),
    Case("layers.SPADE", lambda: layers.SPADE(4, 3, hidden_channels=4), _x_cond, lambda b: (b, 4, 7, 6)),
    Case(
        "layers.SPADEResidualBlock",
        lambda: layers.SPADEResidualBlock(4, 2, 3, hidden_channels=4),
        _x_cond,
        lambda b: (b, 2, 7, 6),
    ),
    Case("layers.InstanceNorm", lambda: layers.InstanceNorm(3), _x, lambda b: (b, 3, 7, 6)),
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
    Case("layers.leaky_relu", layers.leaky_relu, _x, lambda b: (b, 3, 7, 6)),
    Elsewhere("layers.PaddingMode", "tests/reference/test_blocks.py"),
    Elsewhere("layers.initialise", "tests/layers/test_initialisation.py"),
    Elsewhere("layers.raw_weight", "tests/layers/test_spectral.py"),
    Elsewhere("layers.spectral_norms", "tests/layers/test_spectral.py"),
    Elsewhere("layers.update_spectral_norms_in_eval", "tests/layers/test_spectral.py"),
]
