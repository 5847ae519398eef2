"""Batch norm over the batches of all processes, on any device."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gancomponents.layers.fusion import scale_and_shift
from gancomponents.layers.precision import full_precision


class _Synchronised(_BatchNorm):
    """What makes a batch norm, of any kind, one of all processes in training."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and _several():
            return _normalise(self, input)
        return super().forward(input)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # Most of these classes are made at run time, where pickle doesn't find them.
        return _rebuild, (type(self).__mro__[2], self.__dict__)


class SyncBatchNorm(_Synchronised, nn.BatchNorm2d):
    """Batch norm whose mean and variance, in training, are those of the batches of all processes together.

    Ioffe and Szegedy 2015, algorithm 1, over torch.distributed. Torch's class of that name needs CUDA; this one
    runs wherever the process group does, gloo on CPUs included, with batches of different sizes, and has exact
    second derivatives for gradient penalties. Alone, or in evaluation, it is ``nn.BatchNorm2d`` itself. Every
    process must pass through it as often, forward and backward, or the others wait for ever.

    Args:
        num_features, eps, momentum, affine, track_running_stats: as of ``nn.BatchNorm2d``.

    Shape: (B, num_features, H, W) to the same; B, H and W may differ between processes.

    >>> x = torch.randn(2, 3, 4, 5)
    >>> torch.equal(SyncBatchNorm(3)(x), nn.BatchNorm2d(3)(x))
    True
    """


def synchronise_batch_norms(module: nn.Module) -> nn.Module:
    """Turn every batch norm inside ``module``, in place, into one of all processes; returns the module.

    The layers stay the same objects with the same parameters, buffers and keys: optimisers go on, checkpoints fit
    either way. Subclasses of torch's batch norms keep what they do alone and in evaluation.

    Args:
        module: any network; torch's own ``nn.SyncBatchNorm`` is left as it is.

    >>> network = synchronise_batch_norms(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    >>> type(network[1]).__name__
    'SyncBatchNorm'
    """
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and not isinstance(layer, (_Synchronised, nn.SyncBatchNorm)):
            layer.__class__ = _kind(type(layer))
    return module


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _normalise(norm: _BatchNorm, x: Tensor) -> Tensor:
    norm._check_input_dim(x)
    wide = full_precision(x)
    count = x.numel() // x.shape[1]
    own_variance, own_mean = torch.var_mean(wide, [0, *range(2, x.dim())], correction=0)
    # mean = sum_p n_p mean_p / n, variance = sum_p n_p (variance_p + (mean_p - mean)^2) / n, over processes p
    sums: Tensor = _Sum.apply(torch.cat([own_mean * count, own_mean.new_full((1,), count)]))
    total = sums[-1].detach()
    mean = sums[:-1] / total
    variance: Tensor = _Sum.apply((own_variance + (own_mean - mean).square()) * count) / total
    _track(norm, mean.detach(), variance.detach() * (total / (total - 1)))
    scale, shift = scale_and_shift(mean, variance, norm.weight, norm.bias, norm.eps)
    axes = [1, -1, *[1] * (x.dim() - 2)]
    return torch.addcmul(shift.reshape(axes), wide, scale.reshape(axes)).to(x.dtype)


@torch.no_grad()
def _track(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    momentum = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), momentum)
    norm.running_var.lerp_(variance.to(norm.running_var.dtype), momentum)


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is that of the sum of all their losses."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return _Sum.apply(grads[0].contiguous())


#: The synchronised class of every class of batch norm that has been met.
_KINDS: dict[type[nn.Module], type[_BatchNorm]] = {nn.BatchNorm2d: SyncBatchNorm}


def _kind(kind: type[nn.Module]) -> type[_BatchNorm]:
    if kind not in _KINDS:
        _KINDS[kind] = type(f"Sync{kind.__name__}", (_Synchronised, kind), {})
    return _KINDS[kind]


def _rebuild(kind: type[nn.Module], state: dict[str, Any]) -> nn.Module:
    made = _kind(kind)
    module: nn.Module = made.__new__(made)
    module.__dict__.update(state)
    return module
