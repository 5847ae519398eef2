"""One pass of a discriminator over real and fake, and which result belongs to which."""

from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor

T = TypeVar("T")


def compared(critic: Callable[..., T], real: Tensor, fake: Tensor, *others: Tensor) -> tuple[T, T]:
    """What ``critic`` says of real and of fake, from one pass over both.

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
    both = critic(torch.cat([real, fake]), *(torch.cat([other, other]) for other in others))
    count = real.shape[0]
    return _part(both, slice(count)), _part(both, slice(count, None))


def _part(nest: T, part: slice) -> T:
    if isinstance(nest, Tensor):
        return cast(T, nest[part])
    return cast(T, type(nest)(_part(item, part) for item in nest))  # type: ignore[call-arg, attr-defined]
