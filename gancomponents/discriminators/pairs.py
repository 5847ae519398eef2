"""One pass of a discriminator over real and fake, and which result belongs to which."""

from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

T = TypeVar("T")


def compared(critic: Callable[..., T], real: Tensor, fake: Tensor, *others: Tensor) -> tuple[T, T]:
    """What ``critic`` says of real and of fake, from one pass over both.

    Where fakes alone need a graph, as in a generator's step with the critic frozen, real samples pass by themselves
    and leave none; but for batch norms, which see both together. Spectral norms iterate once either way.

    Args:
        critic: from a batch to a tensor, or a nest of lists and tuples of tensors, batch first.
        real: real samples.
        fake: generated samples, of the same shape but for the batch.
        others: further arguments of ``critic``, one entry for each pair; real and fake then need one batch size.

    Raises:
        ValueError: samples of different shape, or others of another batch size.

    >>> compared(lambda x: [x.sum(1)], torch.ones(1, 3), torch.zeros(2, 3))
    ([tensor([3.])], [tensor([0., 0.])])
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"real and fake must have one shape, got {tuple(real.shape)} and {tuple(fake.shape)}: resize them"
        )
    for other in others:
        if not len(real) == len(fake) == len(other):
            raise ValueError(
                f"real, fake and mask must have one batch size, got {len(real)}, {len(fake)} and {len(other)}: "
                "pair them"
            )
    if _only_needed_by(fake, critic, real, *others):
        with parametrize.cached():
            return critic(real, *others), critic(fake, *others)
    both = critic(torch.cat([real, fake]), *(torch.cat([other, other]) for other in others))
    count = real.shape[0]
    return _part(both, slice(count)), _part(both, slice(count, None))


def _only_needed_by(fake: Tensor, critic: Callable[..., object], *rest: Tensor) -> bool:
    """Whether of all that takes part, only ``fake`` has gradients to pass on, and no layer mixes samples."""
    if torch.compiler.is_compiling() or not (isinstance(critic, nn.Module) and fake.requires_grad):
        return False
    mixes = any(isinstance(layer, _BatchNorm) for layer in critic.modules())
    return not mixes and not any(tensor.requires_grad for tensor in (*rest, *critic.parameters()))


def _part(nest: T, part: slice) -> T:
    if isinstance(nest, Tensor):
        return cast(T, nest[part])
    return cast(T, type(nest)(_part(item, part) for item in nest))  # type: ignore[call-arg, attr-defined]
