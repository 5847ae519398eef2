"""Folding batch norms into the convolutions before them, for inference."""

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

_Conv = nn.modules.conv._ConvNd


@torch.no_grad()
def fuse_batch_norms(module: nn.Module, *inputs: Any) -> nn.Module:
    """A copy in evaluation mode whose batch norms are folded into the convolutions that feed them.

    In evaluation a batch norm is an affine map of each channel (Ioffe & Szegedy 2015, algorithm 2, step 11), so
    that W' = s W and b' = beta + s (b - mean) with s = gamma / sqrt(var + eps). Which convolution feeds which norm
    is seen in a run on ``inputs``, not guessed from the order of registration; a norm fed by anything else, or a
    convolution with other readers, stays as it is. Spectral norms of fused convolutions become part of the
    weight. Upstream pairs neighbours in the order of registration and drops a convolution's own bias.

    Args:
        module: any network; it is left alone.
        inputs: what to call it with, of any size that it takes; batches of one will do.

    Returns:
        The copy; fused norms are ``nn.Identity``. Its outputs are those of ``module.eval()`` up to rounding.

    Raises:
        RuntimeError: the copy's outputs differ on ``inputs``: the network reads a convolution's output elsewhere,
            in a way that does not show.

    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    >>> fused = fuse_batch_norms(network, torch.zeros(1, 3, 8, 8))
    >>> type(fused[1]).__name__, torch.equal(network[1].weight, torch.ones(4))
    ('Identity', True)
    """
    fused = copy.deepcopy(module).eval()
    expected = _tensors(copy.deepcopy(fused)(*copy.deepcopy(inputs)))
    for conv, norm in _pairs(fused, inputs):
        _fold(conv, norm)
        _replace(fused, norm)
    found = _tensors(fused(*copy.deepcopy(inputs)))
    for new, old in zip(found, expected, strict=True):
        if not torch.allclose(new, old, rtol=1e-3, atol=1e-3 * float(old.abs().max()) + 1e-6):
            worst = float((new - old).abs().max())
            raise RuntimeError(
                f"outputs must stay the same, got a difference of {worst:.3g}: fuse the parts of this network one "
                "by one, without the part that reads a convolution's output twice"
            )
    return fused


def _pairs(module: nn.Module, inputs: tuple[Any, ...]) -> list[tuple[_Conv, nn.Module]]:
    """Convolutions and the norms that read their output, where neither meets anything else."""
    made: dict[int, tuple[_Conv, Tensor]] = {}  # the tensors are kept, so that no address is given twice
    calls: dict[nn.Module, int] = {}
    fed: dict[nn.Module, list[_Conv | None]] = {}

    def after_conv(conv: nn.Module, _: Any, output: Tensor) -> None:
        calls[conv] = calls.get(conv, 0) + 1
        made[id(output)] = cast(_Conv, conv), output

    def before_norm(norm: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        source = made.get(id(arguments[0]))
        fed.setdefault(norm, []).append(None if source is None else source[0])

    hooks = [
        layer.register_forward_hook(after_conv) for layer in module.modules() if isinstance(layer, _Conv)
    ]
    hooks += [layer.register_forward_pre_hook(before_norm) for layer in module.modules() if _is_norm(layer)]
    try:
        module(*copy.deepcopy(inputs))
    finally:
        for hook in hooks:
            hook.remove()
    readers = [conv for sources in fed.values() for conv in sources]
    return [
        (sources[0], norm)
        for norm, sources in fed.items()
        if len(sources) == 1
        and sources[0] is not None
        and calls[sources[0]] == 1 == readers.count(sources[0])
    ]


def scale_and_shift(
    mean: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """What a batch norm of these statistics multiplies each channel by, and then adds.

    Ioffe and Szegedy 2015, algorithm 2, line 11.

    >>> one = torch.ones(1)
    >>> scale_and_shift(3 * one, 4 * one, None, one, 0.0)
    (tensor([0.5000]), tensor([-0.5000]))
    """
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    return scale, -mean * scale if bias is None else bias - mean * scale


def _is_norm(layer: nn.Module) -> bool:
    """Batch norm of any kind that keeps running statistics, frozen ones included."""
    return isinstance(getattr(layer, "running_var", None), Tensor) and not isinstance(
        layer, nn.modules.instancenorm._InstanceNorm
    )


def _fold(conv: _Conv, norm: Any) -> None:
    if parametrize.is_parametrized(conv, "weight"):
        parametrize.remove_parametrizations(conv, "weight")
    scale, shift = scale_and_shift(norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.eps)
    transposed = isinstance(conv, nn.modules.conv._ConvTransposeNd)
    axes = [1] * conv.weight.dim()
    axes[1 if transposed else 0] = -1
    if transposed and conv.groups > 1:
        grouped = conv.weight.reshape(conv.groups, -1, *conv.weight.shape[1:])
        scales = scale.reshape(conv.groups, 1, -1, *[1] * (conv.weight.dim() - 2))
        weight = (grouped * scales).reshape(conv.weight.shape)
    else:
        weight = conv.weight * scale.reshape(axes)
    conv.weight = nn.Parameter(weight, requires_grad=False)
    bias = shift if conv.bias is None else shift + conv.bias * scale
    conv.bias = nn.Parameter(bias, requires_grad=False)


def _replace(module: nn.Module, norm: nn.Module) -> None:
    for parent in module.modules():
        for name, child in parent.named_children():
            if child is norm:
                setattr(parent, name, nn.Identity())


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for item in values for tensor in _tensors(item)]
