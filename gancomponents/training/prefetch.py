"""The next batch on its way to the device while it trains on this one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
U = TypeVar("U")

_Batch = Mapping[str, Any]


def one_ahead(items: Iterable[T], start: Callable[[T], U]) -> Iterator[U]:
    """``start(item)`` of every item, always called for the next one before this one is given.

    An error on the way to the next one is raised after this one, as without looking ahead.

    >>> list(one_ahead([1, 2], lambda item: print("start", item) or 10 * item))
    start 1
    start 2
    [10, 20]
    """
    waiting: list[U] = []
    iterator = iter(items)
    while True:
        try:
            started = start(next(iterator))
        except StopIteration:
            yield from waiting
            return
        except Exception:
            yield from waiting
            raise
        yield from waiting
        waiting = [started]


def to_cuda(
    batches: Iterable[_Batch], move: Callable[[_Batch], dict[str, Any]], device: torch.device
) -> Iterator[dict[str, Any]]:
    """Batches moved on a CUDA stream of their own, each beside the step before it.

    Only what lies in pinned memory (`gancomponents.data.DomainLoader`) is copied without the host waiting for it.

    Args:
        batches: from the loader.
        move: starts moving one, such as `Runtime.to_device`.
        device: a CUDA device.
    """
    stream = torch.cuda.Stream(device)

    def start(batch: _Batch) -> tuple[dict[str, Any], torch.cuda.Event]:
        with torch.cuda.stream(stream):
            moved = move(batch)
            arrived = torch.cuda.Event()
            arrived.record(stream)
        return moved, arrived

    for moved, arrived in one_ahead(batches, start):
        training = torch.cuda.current_stream(device)
        training.wait_event(arrived)
        for tensor in _tensors(moved):
            # Allocated on the other stream: its memory is not given away before the step is through.
            tensor.record_stream(training)
        yield moved


def _tensors(batch: Mapping[str, Any]) -> Iterator[Tensor]:
    for value in batch.values():
        if isinstance(value, Mapping):
            yield from _tensors(value)
        elif isinstance(value, Tensor):
            yield value
