"""At least fp32: tensors, and regions under autocast."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off on the device of ``x``; the meta device has none.

    >>> x = torch.ones(2, 2)
    >>> with torch.autocast("cpu", torch.bfloat16), without_autocast(x):
    ...     (x @ x).dtype
    torch.float32
    """
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def full_precision(x: Tensor) -> Tensor:
    """``x`` in at least fp32, the precision in which losses, metrics and norms reduce.

    >>> full_precision(torch.ones(2, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return x if x.dtype is torch.float64 else x.float()
