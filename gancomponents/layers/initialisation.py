"""Weight initialisation over a whole network, spectrally normalised layers included."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gancomponents.layers.spectral import raw_weight, spectral_norms


def _kaiming_fan_out(weight: Tensor, gain: float) -> None:
    nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


SCHEMES: dict[str, Callable[[Tensor, float], object]] = {
    "normal": lambda weight, gain: nn.init.normal_(weight, 0.0, gain),
    "xavier": lambda weight, gain: nn.init.xavier_normal_(weight, gain),
    "xavier_uniform": lambda weight, gain: nn.init.xavier_uniform_(weight),
    "kaiming": lambda weight, gain: nn.init.kaiming_normal_(weight),
    "kaiming_fan_out": _kaiming_fan_out,
    "orthogonal": lambda weight, gain: nn.init.orthogonal_(weight, gain),
}


@torch.no_grad()
def initialise(
    module: nn.Module, scheme: str = "xavier", gain: float = 0.02, *, spectral: bool = True
) -> nn.Module:
    """Draw the weights of every convolution, linear layer and batch norm anew; returns the module.

    Glorot and Bengio 2010 ("xavier"), He et al. 2015 ("kaiming"), Saxe et al. 2014 ("orthogonal"). Biases
    become 0; batch-norm scales N(1, gain), except with a "kaiming" scheme, which has no gain: exactly 1.
    Spectrally normalised layers are reached through the parametrisation and their singular vectors restarted;
    upstream passes over them without meaning to.

    Args:
        module: any network.
        scheme: "normal", "xavier", "xavier_uniform", "kaiming", "kaiming_fan_out" or "orthogonal".
        gain: standard deviation of "normal", factor of "xavier" and "orthogonal".
        spectral: False leaves spectrally normalised layers as they are. Their scale has no effect on the output,
            yet the smaller it is, the more an optimiser's step turns them.

    Raises:
        ValueError: an unknown scheme.

    >>> layer = initialise(nn.Conv2d(3, 4, 3), "normal", gain=0.5)
    >>> layer.bias.abs().max().item()
    0.0
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {sorted(SCHEMES)}, got {scheme!r}: choose one")
    normalised = dict(spectral_norms(module))
    for layer in module.modules():
        if isinstance(layer, (nn.modules.conv._ConvNd, nn.Linear)):
            norm = normalised.get(layer)
            if norm is not None and not spectral:
                continue
            weight = raw_weight(layer)
            SCHEMES[scheme](weight, gain)
            if norm is not None:
                norm.restart(weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, 0.0 if scheme.startswith("kaiming") else gain)
            nn.init.zeros_(layer.bias)
    return module
