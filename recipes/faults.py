"""What a run does about losses and gradients that are not finite: names them, keeps the batch, stops or goes on."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from gancomponents.errors import InputError, unwritable
from gancomponents.training import AdversarialLoop, Batch, Fault, checkpoint
from gancomponents.training.faults import ELSEWHERE
from recipes.folder import FAULT_FILE, RunFolder

_IN_A_ROW = 10

Files = dict[str, list[str]]
#: From every process: the terms that it found, and its files.
Told = Sequence[tuple[Sequence[str], Files]]
#: Writes an entry of metrics.jsonl, given a step and what is to stand there.
Record = Callable[[int, Mapping[str, object]], None]


class Faults:
    """The faults of a run, and the batches to tell them by.

    Args:
        loop: which finds them.
        folder: where ``faults/step_<step>/`` goes: ``fault.json`` names the terms and the files, and
            ``batch.safetensors`` is the batch as the networks saw it; of several processes, ``batch_<rank>`` of
            each that has found something.
        skip: go on, up to ten times in a row, instead of stopping.
        record: writes a line of metrics.jsonl.
    """

    def __init__(self, loop: AdversarialLoop, folder: RunFolder, *, skip: bool, record: Record):
        self._loop, self._folder, self._skip, self._record = loop, folder, skip, record
        self._batches: dict[int, Batch] = {}
        self._last, self._in_a_row = -1, 0

    def check(self, step: int, batch: Batch, *, now: bool) -> None:
        """Deal with the faults that are known after a step, or with ``now`` with that step's own as well.

        Args:
            step: steps done, this one included.
            batch: of this step.
            now: wait for the device.

        Raises:
            InputError: for a fault, where the run shall stop, or the eleventh in a row.
        """
        self._batches = {n: known for n, known in self._batches.items() if n >= step - 1} | {step: batch}
        while (fault := self._loop.fault(now=now)) is not None:
            self._deal(fault)

    def _deal(self, fault: Fault) -> None:
        step = fault.step + 1  # as steps are counted in logs
        self._in_a_row = self._in_a_row + 1 if step == self._last + 1 else 1
        self._last = step
        processes = self._loop.runtime.processes
        told = processes.gather((fault.names, _files(self._batches[step])))
        where = self._folder.faults / f"step_{step:08d}"
        guilty = [rank for rank, (names, _) in enumerate(told) if set(names) - {ELSEWHERE}]
        processes.first_does(lambda: self._write(where, step, [told[rank] for rank in guilty]))
        if processes.rank in guilty:
            of_many = f"_{processes.rank}" if processes.count > 1 else ""
            _write_batch(where / f"batch{of_many}.safetensors", self._batches[step])
        what = f"step {step}"
        names = _names(told)
        got = f"{_summary(names)} not finite; the batch and its files are in {where}"
        if not self._skip or self._in_a_row > _IN_A_ROW:
            fix = "look at those files, lower the learning rate, or use --precision fp32"
            if not self._skip:
                fix += "; bind run.Recipe.on_fault = 'skip' to leave such steps out"
            raise InputError(what, expected="finite losses and gradients", got=got, fix=fix)
        print(f"{what} is left out: {got}", file=sys.stderr, flush=True)
        self._record(step, {"skipped": ", ".join(names)})

    def _write(self, folder: Path, step: int, told: Told) -> None:
        """``told`` is what those processes know that have found something: their terms and their files."""
        newest = checkpoint.newest(self._folder.checkpoints)
        record: dict[str, Any] = {
            "step": step,
            "not finite": _names(told),
            "files": {d: [file for _, files in told for file in files[d]] for d in told[0][1]},
            "checkpoint before": None if newest is None else newest.name,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from error
        self._folder.write(folder / FAULT_FILE, json.dumps(record, indent=2) + "\n")


def _write_batch(path: Path, batch: Batch) -> None:
    tensors = {
        f"{domain}/{task}": value.detach().cpu().contiguous()
        for domain, fields in batch.items()
        for task, value in fields.items()
        if isinstance(value, Tensor)
    }
    try:
        save_file(tensors, path)
    except (OSError, SafetensorError) as error:
        raise unwritable(path, error) from error


def _files(batch: Batch) -> Files:
    """The files of every domain."""
    return {domain: list(fields.get("paths", [])) for domain, fields in batch.items()}


def _names(told: Told) -> list[str]:
    """Whatever any process found, once."""
    return list(dict.fromkeys(name for names, _ in told for name in names if name != ELSEWHERE))


def _summary(names: Sequence[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{names[0]} and {len(names) - 1} more are"
