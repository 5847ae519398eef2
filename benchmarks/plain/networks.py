"""From our networks to their plain form: the same weights, in layers that do nothing cleverly."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from benchmarks.plain.layers import (
    PlainBottleneck,
    PlainConvBlock,
    PlainSPADE,
    PlainSPADEBlock,
    PlainSpectralConv,
)
from benchmarks.plain.painter import PlainPainter
from gancomponents.discriminators import MultiScalePatchDiscriminator
from gancomponents.encoders.bottleneck import Bottleneck
from gancomponents.generators import SPADEPainter
from gancomponents.layers import (
    SPADE,
    AtrousConv2d,
    ConvBlock,
    InstanceNorm,
    SPADEResidualBlock,
    UpsampleNearest,
)
from gancomponents.layers.spectral import spectral_norms

M = TypeVar("M", bound=nn.Module)


def _plain_conv(conv: AtrousConv2d) -> nn.Conv2d:
    plain = copy.copy(conv)
    plain.__class__ = nn.Conv2d
    return plain


def together(critic: MultiScalePatchDiscriminator, real: Tensor, fake: Tensor) -> Any:
    """Real and fake in one batch, whichever needs a graph."""
    scales = [[features.chunk(2) for features in scale] for scale in critic(torch.cat([real, fake]))]
    return [[[pair[side] for pair in scale] for scale in scales] for side in range(2)]


_TWINS: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    SPADE: PlainSPADE,
    SPADEResidualBlock: PlainSPADEBlock,
    SPADEPainter: PlainPainter,
    ConvBlock: PlainConvBlock,
    AtrousConv2d: _plain_conv,
    Bottleneck: PlainBottleneck,
    InstanceNorm: lambda norm: nn.InstanceNorm2d(norm.channels, eps=norm.eps),
    UpsampleNearest: lambda up: nn.Upsample(scale_factor=up.factor, mode="nearest"),
}


def plain_copy(module: M) -> M:
    """A copy of a network or a loss in plain layers and contiguous memory.

    >>> from gancomponents.layers import SPADE
    >>> ours = SPADE(4, 3, hidden_channels=8)
    >>> x, cond = torch.randn(1, 4, 6, 6), torch.randn(1, 3, 12, 12)
    >>> torch.allclose(plain_copy(ours)(x, cond), ours(x, cond), atol=1e-5)
    True
    """
    module = _plain(copy.deepcopy(module))
    for tensor in [*module.parameters(), *module.buffers()]:
        # A copy, since a kernel of one pixel is contiguous in either order, and its strides would spread the other.
        tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
        tensor.grad = None
    return module


def _plain(module: M) -> M:
    if isinstance(module, nn.Conv2d) and parametrize.is_parametrized(module, "weight"):
        ((_, norm),) = spectral_norms(module)
        return cast(M, PlainSpectralConv.of(module, norm))
    for name, child in list(module.named_children()):
        setattr(module, name, _plain(child))
    if isinstance(module, MultiScalePatchDiscriminator):
        module.compare = partial(together, module)  # type: ignore[method-assign]
    twin = next((twin for kind, twin in _TWINS.items() if type(module) is kind), None)
    return module if twin is None else cast(M, twin(module).train(module.training))


def in_our_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by the names of the plain form's parameters and buffers, by those of ours.

    >>> sorted(in_our_names({"a.gamma.bias": torch.ones(2), "a.beta.bias": torch.ones(2)}))
    ['a.gamma_beta.bias']
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        before, _, last = name.rpartition(".")
        if before.endswith(".gamma"):
            both = [tensor, tensors[f"{before.removesuffix('gamma')}beta.{last}"]]
            found[f"{before.removesuffix('gamma')}gamma_beta.{last}"] = torch.cat(both)
        elif last == "weight" and f"{before}.u" in tensors:
            found[f"{before}.parametrizations.weight.original"] = tensor
        elif last in ("u", "v"):
            found[f"{before}.parametrizations.weight.0._{last}"] = tensor
        elif not before.endswith(".beta"):
            found[name] = tensor
    return found
