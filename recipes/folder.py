"""The folder of a run: what is in it, who may write to it, and where a run resumes."""

import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gancomponents.errors import InputError, unwritable
from gancomponents.training import checkpoint
from recipes import metrics_log
from recipes.lock import Lock

_FILES = (
    "config.gin",
    "operative_config.gin",
    "metrics.jsonl",
    "curves.png",
    "report.md",
    "final.json",
    "architecture.txt",
)
_FOLDERS = ("samples", "checkpoints", "events", "faults", "wandb", "evaluation")
_SET_ASIDE = "set_aside_"
#: In a folder of ``faults``, what was not finite where, and from which checkpoint it is reached.
FAULT_FILE = "fault.json"
_LOCK = ".lock"


class RunFolder:
    """The files of one run.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path):
        self.path = path
        self.config, self.operative_config, self.metrics, self.curves, self.report, self.final = (
            path / name for name in _FILES[:6]
        )
        self.architecture = path / _FILES[6]
        self.samples, self.checkpoints, self.events, self.faults = (path / name for name in _FOLDERS[:4])

        self._lock: Lock | None = None

    def lock(self) -> None:
        """Keep other runs out until `unlock`, or until this process ends; a folder that is not there yet, later.

        Raises:
            InputError: where another run is writing.
        """
        if self._lock is None and self.path.is_dir():
            self._lock = Lock(self.path / _LOCK)

    def unlock(self) -> None:
        """Let others write here."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def claim(self) -> None:
        """Make sure that a new run may write here: the folder is absent or empty, and can be written.

        Raises:
            InputError: otherwise.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(
                f"--output {self.path}", expected="a folder", got="a file", fix="choose another --output"
            )
        if self.path.is_dir() and any(entry.name != _LOCK for entry in self.path.iterdir()):
            got, fix = "one that holds other files", "choose another --output"
            if all(self._is_ours(entry) for entry in self.path.iterdir()):
                got = "one in which a run has begun"
                fix = "choose another --output, or begin again there with --resume auto"
            if self.config.exists():
                got = "one that holds a run"
                fix = "choose another --output, or continue that run with --resume auto"
            raise InputError(f"--output {self.path}", expected="a new or empty folder", got=got, fix=fix)
        self._check_writable()

    def claim_leftovers(self) -> None:
        """Like `claim`, but what a killed run left before its first whole checkpoint does not stand in the way.

        Nothing is touched yet: `create` sets it aside.

        Raises:
            InputError: when the folder holds anything that no run writes.
        """
        if self.path.is_dir():
            foreign = sorted(entry.name for entry in self.path.iterdir() if not self._is_ours(entry))
            if foreign:
                fix = "choose another --output"
                got = f"one that holds {foreign[0]!r}"
                raise InputError(
                    f"--output {self.path}", expected="a run or an empty folder", got=got, fix=fix
                )
            self._check_writable()
        else:
            self.claim()

    def _is_ours(self, entry: Path) -> bool:
        """Whether a run wrote this entry: by its name, and beside a config.gin unless it holds nothing."""
        name = entry.name
        if name == _LOCK or name.startswith(_SET_ASIDE) or entry.match(".*.partial"):
            return True
        return name in {*_FILES, *_FOLDERS} and (self.config.is_file() or _is_empty(entry))

    def links(self) -> Iterator[Path]:
        """Links among what a run writes here; a tracker's own folder is its affair."""
        for entry in sorted(self.path.iterdir()):
            if entry.is_symlink():
                yield entry
            elif entry.name in _FOLDERS and entry.name != "wandb":
                yield from (path for path in sorted(entry.rglob("*")) if path.is_symlink())

    def _check_writable(self) -> None:
        existing = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            fix = "choose an --output that you may write to"
            raise InputError(
                f"--output {self.path}", expected="a writable place", got=f"{existing} is not", fix=fix
            )

    def create(self, *, afresh: bool) -> None:
        """Make the folder and its parts.

        Args:
            afresh: set aside whatever a killed run left, in a folder of its own; nothing is lost.

        Raises:
            InputError: where another run is writing, or has begun here since `claim`.
        """
        if not self.path.is_dir():
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock()
            self.claim()
        self.lock()
        for pattern in (".*.partial", "*/.*.part", f"{self.checkpoints.name}/.*.partial"):
            for partial in self.path.glob(pattern):  # of a run that was killed, as no other is writing
                if partial.is_dir():
                    shutil.rmtree(partial, ignore_errors=True)
                else:
                    partial.unlink()
        if afresh:
            left = [e for e in self.path.iterdir() if e.name != _LOCK and not e.name.startswith(_SET_ASIDE)]
            # The configuration last: while it is there, the rest is known to be a run's.
            self._set_aside(sorted((e for e in left if not _is_empty(e)), key=lambda e: e == self.config))
        for folder in (self.path, self.samples, self.checkpoints, self.events):
            folder.mkdir(parents=True, exist_ok=True)

    def rewind(self, step: int) -> None:
        """Back to ``step``: later lines of metrics.jsonl go, later checkpoints are set aside."""
        self._set_aside(checkpoint.later_than(self.checkpoints, step))
        records = [record for record in self.read_metrics() if record["step"] <= step]
        self.write(self.metrics, metrics_log.text(records))

    def _set_aside(self, entries: Sequence[Path]) -> None:
        if not entries:
            return
        number = next(n for n in itertools.count(1) if not (self.path / f"{_SET_ASIDE}{n}").exists())
        aside = self.path / f"{_SET_ASIDE}{number}"
        for entry in entries:
            target = aside / entry.relative_to(self.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            entry.rename(target)
        what = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
        print(f"{what} of an earlier attempt, now in {aside}", file=sys.stderr)

    def write(self, path: Path, text: str) -> None:
        """Write a text file, the whole of it or not at all, whatever happens.

        Raises:
            InputError: where it cannot be written; what was there before is then still there.
        """
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with partial.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())  # otherwise a power cut may leave an empty file under the new name
            os.replace(partial, path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise unwritable(path, error) from error

    def before_fault(self) -> str | None:
        """The checkpoint that the last fault names, from which it can be reached again."""
        for path in sorted(self.faults.glob(f"step_*/{FAULT_FILE}"), reverse=True):
            with suppress(ValueError, KeyError, TypeError):
                return str(json.loads(path.read_text())["checkpoint before"])
        return None

    def record_config(self, text: str) -> None:
        """Write config.gin; where a run is continued with another configuration, say so and keep the first."""
        if self.config.exists():
            old, new = (_bindings(known) for known in (self.config.read_text(), text))
            changed = [line for line in new if line not in old] + [
                f"no longer {x}" for x in old if x not in new
            ]
            if not changed:
                return
            more = f" (lines changed: {len(changed)})" if len(changed) > 1 else ""
            print(f"continuing with another configuration: {changed[0]}{more}", file=sys.stderr)
            self._set_aside([self.config])
        self.write(self.config, text)

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Add one line to metrics.jsonl.

        Raises:
            InputError: where it cannot be written.
        """
        metrics_log.append(self.metrics, record)

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a line that a killed run left half-written is dropped."""
        return metrics_log.read(self.metrics)


def _is_empty(entry: Path) -> bool:
    if entry.is_symlink():
        return False
    return not (any(entry.iterdir()) if entry.is_dir() else entry.stat().st_size)


def _bindings(text: str) -> list[str]:
    """The lines of a configuration that say what is trained: no comments, not the total number of steps."""
    lines = [line.strip() for line in text.splitlines()]
    return [x for x in lines if x and not x.startswith(("#", "run.Recipe.steps ="))]
