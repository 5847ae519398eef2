"""Batches of several domains, a pure function of the step."""

import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gancomponents.data.dataset import DomainDataset
from gancomponents.errors import InputError

__all__ = ["DomainLoader"]

Batch = dict[str, dict[str, Any]]


class DomainLoader:
    """One batch per domain and step, from data sets of different lengths.

    Each domain is shuffled anew whenever it has been gone through, by its own count of epochs, so that the
    longer ones are seen whole. ``batch(step)`` depends on the step and the seed alone: the step is all the
    state there is, and a run resumes exactly by starting at another one.

    Args:
        datasets: data set of each domain; batches keep this order.
        batch_size: samples per domain and step, one number or one for each domain.
        seed: decides the order of samples.
        workers: processes that load; 0 loads in a thread of this process.
        prefetch: batches prepared ahead (by each worker); 0, without workers, loads each when asked for.

    Raises:
        ValueError: no data sets, batch sizes below one or for other domains.
        InputError: a list shorter than its batch.

    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from gancomponents.data import DomainDataset, DomainLoader, JointTransform, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(Path(folder, "a.png"), np.zeros((32, 32, 3), np.uint8))
    ...     _ = Path(folder, "train_r.json").write_text(json.dumps([{"x": "a.png"}] * 6))
    ...     real = DomainDataset(Path(folder, "train_r.json"), "r", tasks=["x"], transform=JointTransform(32))
    ...     loader = DomainLoader({"r": real}, 2)
    ...     [tuple(batch["r"]["x"].shape) for batch in loader.iterate(0, loader.steps_per_epoch)]
    [(2, 3, 32, 32), (2, 3, 32, 32), (2, 3, 32, 32)]
    """

    def __init__(
        self,
        datasets: Mapping[str, DomainDataset],
        batch_size: int | Mapping[str, int],
        *,
        seed: int = 0,
        workers: int = 0,
        prefetch: int = 2,
    ):
        if not datasets:
            raise ValueError("datasets must hold one or more domains, got none: name a list")
        sizes = dict(batch_size) if isinstance(batch_size, Mapping) else dict.fromkeys(datasets, batch_size)
        if set(sizes) != set(datasets) or min(sizes.values()) < 1:
            raise ValueError(
                f"batch_size must be >= 1 for each of {list(datasets)}, got {batch_size}: give one number"
            )
        if seed < 0 or workers < 0 or prefetch < 0 or (workers and not prefetch):
            given = f"seed {seed}, workers {workers}, prefetch {prefetch}"
            raise ValueError(
                f"seed, workers and prefetch must be >= 0, got {given}: workers need a prefetch >= 1"
            )
        for name, dataset in datasets.items():
            if len(dataset) < sizes[name]:
                what = str(getattr(dataset.rows, "source", None) or f"the list of domain {name!r}")
                expected, got = f"at least one batch of {sizes[name]} rows", f"{len(dataset)}"
                raise InputError(
                    what, expected=expected, got=got, fix="list more samples or lower batch_size"
                )
        self.datasets, self.batch_size = dict(datasets), sizes
        self.seed, self.workers, self.prefetch = seed, workers, prefetch
        self._orders: dict[str, tuple[int, npt.NDArray[np.int64]]] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Steps until the shortest domain has been gone through; a last incomplete batch is left out."""
        return min(len(dataset) // self.batch_size[name] for name, dataset in self.datasets.items())

    def check(self, limit: int | None = None) -> None:
        """Check the files of every domain, see ``DomainDataset.check``.

        Raises:
            InputError: a file that is not right.
        """
        for dataset in self.datasets.values():
            dataset.check(limit)

    def batch(self, step: int) -> Batch:
        """The batches of one step: ``{domain: {task: (B, ...), "paths": image files}}``.

        Raises:
            InputError: a file that cannot be read.
            ValueError: a negative step.
        """
        if step < 0:
            raise ValueError(f"step must be >= 0, got {step}: steps are counted from 0")
        out: Batch = {}
        for name, dataset in self.datasets.items():
            size = self.batch_size[name]
            epoch, place = divmod(step, len(dataset) // size)
            indices = self._order(name, epoch)[place * size : (place + 1) * size].tolist()
            samples = [dataset.sample(index, epoch) for index in indices]
            out[name] = {task: torch.stack([sample[task] for sample in samples]) for task in dataset.tasks}
            out[name]["paths"] = [dataset.path(index) for index in indices]
        return out

    def iterate(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches ``start`` to ``stop - 1``, in order, loaded ahead in the background.

        Closing the generator, or an error, ends the thread or the processes. torch's global generator stays
        where it is.
        """
        if self.workers:
            yield from self._from_processes(start, stop)
        elif self.prefetch:
            yield from self._from_thread(start, stop)
        else:
            yield from map(self.batch, range(start, stop))

    def _order(self, name: str, epoch: int) -> npt.NDArray[np.int64]:
        """The domain's permutation in one of its epochs; the last one is kept."""
        known = self._orders.get(name)  # read once: two threads may load at the same time
        if known is None or known[0] != epoch:
            generator = np.random.default_rng([self.seed, zlib.crc32(name.encode()), epoch])
            known = epoch, generator.permutation(len(self.datasets[name]))
            self._orders[name] = known
        return known[1]

    def _from_thread(self, start: int, stop: int) -> Iterator[Batch]:
        pool = ThreadPoolExecutor(1, thread_name_prefix="loader")
        ahead: deque[Future[Batch]] = deque()
        steps = iter(range(start, stop))
        try:
            for step in steps:
                ahead.append(pool.submit(self.batch, step))
                if len(ahead) > self.prefetch:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _from_processes(self, start: int, stop: int) -> Iterator[Batch]:
        from torch.utils.data import DataLoader

        loader = DataLoader(
            _Steps(partial(_guarded, self)),
            sampler=range(start, stop),
            batch_size=None,
            num_workers=self.workers,
            prefetch_factor=self.prefetch,
            generator=torch.Generator(),  # otherwise the global one is drawn from
        )
        for batch in loader:
            if isinstance(batch, InputError):
                raise batch
            yield batch


class _Steps(torch.utils.data.Dataset[Any]):
    def __init__(self, load: Callable[[int], Any]):
        self.load = load

    def __getitem__(self, step: int) -> Any:
        return self.load(step)


def _guarded(loader: DomainLoader, step: int) -> Batch | InputError:
    """The batch, or the mistake in the user's files: raised in a worker it comes wrapped in a traceback."""
    try:
        return loader.batch(step)
    except InputError as error:
        return error
