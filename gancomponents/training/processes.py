"""Several processes that train together, one device each, as torchrun starts them."""

import datetime
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gancomponents.errors import InputError

T = TypeVar("T")

# While the first process renders, evaluates or shows, the others wait for it.
_PATIENCE = datetime.timedelta(hours=12)
_BUCKET = 25 * 2**20  # bytes; large enough to hide latency, small enough to begin early


class Processes:
    """This process among those that train together; alone where torch.distributed has not been started.

    Nothing wraps a module. State is broadcast at the start and gradients are averaged before every update, so an
    objective may use other networks, freeze them, and pass through them as often as it likes; every process must
    call the same methods in the same order.

    Attributes:
        rank: this process's number.
        count: how many there are.

    >>> processes = Processes()
    >>> processes.rank, processes.count, processes.first
    (0, 1, True)
    """

    def __init__(self) -> None:
        started = dist.is_available() and dist.is_initialized()
        self.rank, self.count = (dist.get_rank(), dist.get_world_size()) if started else (0, 1)

    @classmethod
    def join(cls) -> "Processes":
        """Meet the others, where torchrun has started this process with some.

        Raises:
            InputError: when they cannot be reached.
        """
        if cls.started_as_one_of() > 1 and not dist.is_initialized():
            # Tensors of either kind: the host's answers go by gloo while gradients go by NCCL.
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            try:
                dist.init_process_group(backend, timeout=_PATIENCE)
            except (RuntimeError, ValueError) as error:
                fix = "start every process with torchrun, and let them reach each other"
                raise InputError("torch.distributed", got=" ".join(str(error).split()), fix=fix) from error
        return cls()

    @staticmethod
    def started_as_one_of() -> int:
        """How many processes torchrun has started, joined or not."""
        return _number("WORLD_SIZE", 1)

    @staticmethod
    def local_rank() -> int:
        """This process's number on its machine, which picks its device."""
        return _number("LOCAL_RANK", 0)

    def leave(self) -> None:
        """Part from the others."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def has_lost_another(self, error: RuntimeError) -> bool:
        """Whether an error says that another process no longer answers: gloo and NCCL only have words for it."""
        return self.count > 1 and any(name in str(error).lower() for name in ("gloo", "nccl"))

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def broadcast(self, modules: Iterable[nn.Module]) -> None:
        """Give every process the first one's parameters and buffers."""
        if self.count == 1:
            return
        for module in modules:
            for tensor in (*module.parameters(), *module.buffers()):
                dist.broadcast(tensor.detach(), 0)

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors, as many of the same shapes in every process, by their mean over all of them."""
        if self.count == 1:
            return
        pending = []
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            pending.append((bucket, flat, dist.all_reduce(flat, async_op=True)))
        for bucket, flat, work in pending:
            work.wait()
            flat /= self.count
            parts = flat.split([tensor.numel() for tensor in bucket])
            torch._foreach_copy_(bucket, [p.view(t.shape) for p, t in zip(parts, bucket, strict=True)])

    def average_gradients(self, parameters: Sequence[nn.Parameter], *more: Tensor) -> None:
        """Average gradients. A parameter without one counts as zero, where any process has one for it.

        Args:
            parameters: the same in every process.
            more: other tensors to average, such as a flag.
        """
        if self.count == 1:
            return
        present = torch.tensor([p.grad is not None for p in parameters], dtype=torch.uint8)
        dist.all_reduce(present, dist.ReduceOp.MAX)
        moving = [p for p, here in zip(parameters, present.tolist(), strict=True) if here]
        for p in moving:
            if p.grad is None:
                p.grad = torch.zeros_like(p, memory_format=torch.preserve_format)
        self.average([*(p.grad for p in moving if p.grad is not None), *more])

    def average_statistics(self, modules: Iterable[nn.Module]) -> None:
        """Average the running statistics of batch norms, each of which has seen its own process's images."""
        if self.count == 1:
            return
        found = []
        for layer in (layer for module in modules for layer in module.modules()):
            if isinstance(layer, _BatchNorm) and layer.training and layer.running_mean is not None:
                found += [layer.running_mean, layer.running_var]
        self.average([tensor for tensor in found if tensor is not None])

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        if self.count == 1:
            return flag
        said = torch.tensor([flag], dtype=torch.uint8)
        dist.all_reduce(said, dist.ReduceOp.MAX)
        return bool(said)

    def gather(self, value: T) -> list[T]:
        """What every process gives, in the order of their ranks; anything that pickles."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def first_does(self, work: Callable[[], T]) -> T:
        """What the first process's ``work()`` returns, in every process; the others wait.

        Raises:
            InputError: in every process, when the first one's work raises it.
        """
        if self.count == 1:
            return work()
        told: list[Any] = [None, None]
        if self.first:
            try:
                told[0] = work()
            except InputError as error:
                told[1] = error
        dist.broadcast_object_list(told, 0)
        if told[1] is not None:
            raise told[1]
        return told[0]


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdecimal():
        fix = "unset it, or start with torchrun, which sets it"
        raise InputError(variable, expected="a whole number", got=repr(text), fix=fix)
    return int(text)


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors of one device and dtype, up to a bucket's size together."""
    open_: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    sizes: dict[tuple[torch.device, torch.dtype], int] = {}
    for tensor in tensors:
        kind = tensor.device, tensor.dtype
        size = tensor.numel() * tensor.element_size()
        if kind in open_ and sizes[kind] + size > _BUCKET:
            yield open_.pop(kind)
            del sizes[kind]
        open_.setdefault(kind, []).append(tensor)
        sizes[kind] = sizes.get(kind, 0) + size
    yield from open_.values()
