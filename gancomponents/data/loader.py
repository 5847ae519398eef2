"""Batches of several domains, a pure function of the step."""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from gancomponents.data._workers import from_processes
from gancomponents.data.dataset import DomainDataset
from gancomponents.data.mixing import Mixing
from gancomponents.data.sampler import DomainSampler, sizes_by_domain
from gancomponents.errors import InputError

__all__ = ["DomainLoader"]

Batch = dict[str, dict[str, Any]]


class DomainLoader:
    """Batches of several domains, from data sets of different lengths.

    ``batch(step)`` depends on the arguments and the step alone, see `DomainSampler`: the step is all the state
    there is, and a run resumes exactly by starting at another one, with any number of workers. Either count
    steps yourself and use ``iterate(start, stop)``, or loop over the loader, an epoch at a time; the loader then
    counts, and ``state_dict()`` holds its count:

        for epoch in range(loader.epoch, epochs):
            for batch in loader:
                ...

    Args:
        datasets: data set of each domain, under any names: ``{"photos": ..., "paintings": ...}`` does as well,
            and two may be of one ``DomainDataset.domain``. Batches have these names, in this order unless the
            mixing shuffles it.
        batch_size: samples per domain, step and process, one number or one for each domain.
        mixing: which domains share a step, and where an epoch ends; `StopAtShortest` where None.
        seed: decides the order of samples.
        rank: which piece of the batches is this process's.
        world_size: number of processes.
        workers: processes that load; 0 loads in a thread of this process.
        prefetch: batches prepared ahead (by each worker); 0, without workers, loads each when asked for.
        pin_memory: put what is iterated over into page-locked memory, from which CUDA copies in the background.

    Raises:
        ValueError: no data sets, batch sizes below one or for other domains, numbers out of range, no mixing.
        InputError: a list shorter than the batch of all processes.

    >>> import json, tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from gancomponents.data import DomainDataset, DomainLoader, JointTransform, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(Path(folder, "a.png"), np.zeros((32, 32, 3), np.uint8))
    ...     _ = Path(folder, "train_r.json").write_text(json.dumps([{"x": "a.png"}] * 6))
    ...     real = DomainDataset(Path(folder, "train_r.json"), "r", tasks=["x"], transform=JointTransform(32))
    ...     loader = DomainLoader({"r": real}, 2)
    ...     [tuple(batch["r"]["x"].shape) for batch in loader]
    [(2, 3, 32, 32), (2, 3, 32, 32), (2, 3, 32, 32)]
    """

    def __init__(
        self,
        datasets: Mapping[str, DomainDataset],
        batch_size: int | Mapping[str, int],
        *,
        mixing: Mixing | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
        prefetch: int = 2,
        pin_memory: bool = False,
    ):
        if not datasets:
            raise ValueError("datasets must hold one or more domains, got none: name a list")
        if seed < 0 or workers < 0 or prefetch < 0 or (workers and not prefetch):
            given = f"seed {seed}, workers {workers}, prefetch {prefetch}"
            raise ValueError(
                f"seed, workers and prefetch must be >= 0, got {given}: workers need a prefetch >= 1"
            )
        for name, size in sizes_by_domain(batch_size, datasets).items():
            if len(datasets[name]) < size * world_size:
                what = str(datasets[name].rows.source or f"the list of domain {name!r}")
                among = f" ({world_size} processes with {size})" if world_size > 1 else ""
                expected = f"at least one batch of {size * world_size} rows{among}"
                fix = "list more samples or lower batch_size"
                raise InputError(what, expected=expected, got=f"{len(datasets[name])}", fix=fix)
        lengths = {name: len(dataset) for name, dataset in datasets.items()}
        self.sampler = DomainSampler(
            lengths, batch_size, mixing=mixing, seed=seed, rank=rank, world_size=world_size
        )
        self.datasets = dict(datasets)
        self.workers, self.prefetch, self.pin_memory = workers, prefetch, pin_memory
        self.step = 0

    @property
    def steps_per_epoch(self) -> int:
        """Steps until an epoch ends, see the mixing; last incomplete batches are left out."""
        return self.sampler.steps_per_epoch

    @property
    def epoch(self) -> int:
        """The epoch, counted from 0, of the batch that iterating gives next."""
        return self.step // self.steps_per_epoch

    def __len__(self) -> int:
        return self.steps_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        """The batches from where the last loop ended to the end of the epoch."""
        for batch in self.iterate(self.step, (self.epoch + 1) * self.steps_per_epoch):
            self.step += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Where the loop over the loader is, and what must be the same to go on there (it fits in JSON).

        The batch in hand counts as used. One state serves all processes, and any number of them that keeps
        ``world_size * batch_size``. It tells this loader's domains, rows (paths as their lists have them), seeds,
        batch sizes and mixing (by its repr) from others. Transforms and how files are read it does not cover:
        keep those the same yourself.
        """
        sampler = self.sampler
        turns = sampler.schedule.turns(self.step)
        return {
            "step": self.step,
            "seed": sampler.seed,
            # Without the address in the repr of an object that has none of its own.
            "mixing": re.sub(r" at 0x[0-9a-fA-F]+", "", repr(sampler.mixing)),
            "domains": [
                [name, dataset.domain] for name, dataset in self.datasets.items()
            ],  # their order counts
            "dataset_seeds": {name: dataset.seed for name, dataset in self.datasets.items()},
            "samples": dict(sampler.lengths),
            "batch": {name: sampler.whole_batch(name) for name in sampler.lengths},
            "rows": {name: dataset.digest for name, dataset in self.datasets.items()},
            "next": [[turn.domain, turn.epoch, turn.place] for turn in turns],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state_dict`` was called.

        Raises:
            ValueError: a state of other domains, rows, seeds, mixing or batches: what follows would not be what
                it was. Transforms are not compared, see ``state_dict``.
        """
        if absent := sorted(self.state_dict().keys() - state.keys()):
            raise ValueError(f"state must come from state_dict(), got one without {absent}: pass it whole")
        before, self.step = self.step, int(state["step"])
        own = self.state_dict()
        different = [key for key in own if own[key] != state[key]]
        if different:
            self.step = before
            key, theirs, ours = different[0], state[different[0]], own[different[0]]
            if (
                isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys()
            ):  # tell what differs alone
                names = [name for name in ours if ours[name] != theirs[name]]
                theirs, ours = ({name: values[name] for name in names} for values in (theirs, ours))
            raise ValueError(
                f"state must be of the same loader, got {key} {theirs} where this one has {ours}: use the same "
                "lists in the same order, seeds, batch sizes and mixing"
            )

    def check(self, limit: int | None = None) -> None:
        """Check the files of every domain, see ``DomainDataset.check``.

        Raises:
            InputError: a file that is not right.
        """
        for dataset in self.datasets.values():
            dataset.check(limit)

    def batch(self, step: int) -> Batch:
        """The batches of one step: ``{domain: {task: (B, ...), "paths": image files}}``; see `collate`.

        Raises:
            InputError: a file that cannot be read.
            ValueError: a negative step.
        """
        out: Batch = {}
        for name, (epoch, indices) in self.sampler.draw(step).items():
            dataset = self.datasets[name]
            samples = [dataset.sample(index, epoch) for index in indices]
            out[name] = collate(samples, dataset.tasks)
            out[name]["paths"] = [dataset.path(index) for index in indices]
        return out

    def iterate(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches ``start`` to ``stop - 1``, in order, loaded ahead in the background.

        Closing the generator, or an error, ends the thread or the processes. torch's global generator stays
        where it is.

        Raises:
            InputError: a file that cannot be read; a worker that has died.
        """
        if self.workers:
            yield from self._from_processes(start, stop)
        elif self.prefetch:
            yield from self._from_thread(start, stop)
        else:
            yield from map(self._load, range(start, stop))

    def _load(self, step: int) -> Batch:
        batch = self.batch(step)
        return {name: _pinned(fields) for name, fields in batch.items()} if self.pin_memory else batch

    def _from_thread(self, start: int, stop: int) -> Iterator[Batch]:
        pool = ThreadPoolExecutor(1, thread_name_prefix="loader")
        ahead: deque[Future[Batch]] = deque()
        steps = iter(range(start, stop))
        try:
            for step in steps:
                ahead.append(pool.submit(self._load, step))
                if len(ahead) > self.prefetch:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _from_processes(self, start: int, stop: int) -> Iterator[Batch]:
        yield from from_processes(
            self.batch, range(start, stop), self.workers, self.prefetch, self.pin_memory
        )


def collate(samples: Sequence[Mapping[str, Tensor]], tasks: Sequence[str]) -> dict[str, Any]:
    """Samples of one domain as a batch.

    Where only some samples have a task (`DomainDataset` with ``partial``), ``<task>_rows`` says which; where none
    has it, it is missing.

    Args:
        samples: what ``DomainDataset.sample`` gives.
        tasks: of the data set.

    Shape: {task: (...)} each to {task: (B, ...), task_rows: (B,)}, with B the number of samples that have the task.

    >>> batch = collate([{"x": torch.zeros(3)}, {"x": torch.ones(3), "m": torch.ones(1)}], ["x", "m"])
    >>> batch["x"].shape, batch["m"].shape, batch["m_rows"]
    (torch.Size([2, 3]), torch.Size([1, 1]), tensor([1]))
    """
    batch: dict[str, Any] = {}
    for task in tasks:
        rows = [row for row, sample in enumerate(samples) if task in sample]
        if rows:
            batch[task] = torch.stack([samples[row][task] for row in rows])
        if 0 < len(rows) < len(samples):
            batch[f"{task}_rows"] = torch.tensor(rows)
    return batch


def _pinned(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value.pin_memory() if isinstance(value, Tensor) else value for key, value in fields.items()}
