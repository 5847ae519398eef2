"""What a run does about losses and gradients that are not finite: names them, keeps the batch, stops or goes on."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from gancomponents.errors import InputError
from gancomponents.training import AdversarialLoop, Batch, Fault, checkpoint
from recipes.folder import RunFolder

_IN_A_ROW = 10
_FILE, _TENSORS = "fault.json", "batch.safetensors"

#: Writes an entry of metrics.jsonl, given a step and what is to stand there.
Record = Callable[[int, Mapping[str, object]], None]


class Faults:
    """The faults of a run, and the batches to tell them by.

    Args:
        loop: which finds them.
        folder: where ``faults/step_<step>/`` goes: ``fault.json`` names the terms and the files, and
            ``batch.safetensors`` is the batch as the networks saw it.
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
        where = self._write(step, fault)
        what = f"step {step}"
        got = f"{_named(fault)} not finite; the batch and its files are in {where}"
        if not self._skip or self._in_a_row > _IN_A_ROW:
            fix = "look at those files, lower the learning rate, or use --precision fp32"
            if not self._skip:
                fix += "; bind run.Recipe.on_fault = 'skip' to leave such steps out"
            raise InputError(what, expected="finite losses and gradients", got=got, fix=fix)
        print(f"{what} is left out: {got}", file=sys.stderr, flush=True)
        self._record(step, {"skipped": list(fault.names)})

    def _write(self, step: int, fault: Fault) -> str:
        folder = self._folder.faults / f"step_{step:08d}"
        folder.mkdir(parents=True, exist_ok=True)
        batch = self._batches[step]
        newest = checkpoint.newest(self._folder.checkpoints)
        told: dict[str, Any] = {
            "step": step,
            "not finite": list(fault.names),
            "files": {domain: fields.get("paths", []) for domain, fields in batch.items()},
            "checkpoint before": None if newest is None else newest.name,
        }
        tensors = {
            f"{domain}/{task}": value.detach().cpu().contiguous()
            for domain, fields in batch.items()
            for task, value in fields.items()
            if isinstance(value, Tensor)
        }
        save_file(tensors, folder / _TENSORS)
        self._folder.write(folder / _FILE, json.dumps(told, indent=2) + "\n")
        return str(folder)


def _named(fault: Fault) -> str:
    more = len(fault.names) - 1
    return f"{fault.names[0]} is" if not more else f"{fault.names[0]} and {more} more are"
