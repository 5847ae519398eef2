"""Kill a run at random moments, go on with it, and compare what it leaves with a run that nobody killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import torch
from safetensors.torch import load_file

from gancomponents.training import checkpoint
from tests.recipes.tiny import flags

KEEP, SAVE_EVERY = 2, 2
_MORE = (
    f"run.Recipe.save_every = {SAVE_EVERY}",
    "run.Recipe.log_every = 1",
    "run.Recipe.sample_every = 5",
    "run.Recipe.validate_every = 7",
    "climategan.System.generator_average = @optim.ExponentialMovingAverage",
    f"run.Recipe.keep = {KEEP}",
)
_TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node")
_MARK = "SURVIVAL_MARK"

#: What is killed: every process at once, the one that was started, or under torchrun one of those that train.
VICTIMS = ("all", "main", "rank")
#: When: while it starts, around a step, inside a save.
MOMENTS = ("start", "step", "save")


class Trial:
    """A run that is killed and resumed.

    Args:
        data: see `write_data`.
        output: the run folder.
        steps: how long it trains in all.
        workers, processes: the setting.
        seed: decides when it is killed.
    """

    def __init__(
        self, data: Path, output: Path, *, steps: int, workers: int = 0, processes: int = 1, seed: int = 0
    ):
        module = ["recipes.run"] if processes == 1 else [*_TORCHRUN, str(processes), "-m", "recipes.run"]
        more = (*_MORE, f"data.Data.workers = {workers}")
        self.command = [sys.executable, "-m", *module, *flags(data, output, steps=steps, more=more)]
        self.command += ["--resume", "auto"]
        self.output, self.steps, self.processes = output, steps, processes
        self.log = output.with_name(f"{output.name}.log")
        self.random = random.Random(seed)
        self.mark = uuid.uuid4().hex

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command, or go on with it."""
        with self.log.open("ab") as log:
            environment = {**os.environ, _MARK: self.mark}
            return subprocess.Popen(self.command, stdout=log, stderr=log, env=environment)

    def finish(self) -> None:
        """Go on to the end."""
        assert self.start().wait(600) == 0, self.log.read_text()[-5000:]
        self.wait_for_orphans(0.0)

    def wait_for_checkpoint(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until there is one."""
        _wait(process, lambda: self.saved() > 0)

    def kill(self, moment: str, victim: str) -> None:
        """Start, kill at a random instant of such a moment, and see that what is left is whole and nobody lives."""
        base = self.saved()
        process = self.start()
        await_ = {"start": self._await_start, "step": self._await_step, "save": self._await_save}[moment]
        await_(process, base)
        before = self.living()
        if victim == "all":
            victims = before
        elif victim == "main":
            victims = [psutil.Process(process.pid)]
        else:
            ranks = [p for p in before if p.ppid() == process.pid]
            victims = [self.random.choice(ranks)] if ranks else before
        for one in victims:
            one.send_signal(signal.SIGKILL)
        code = process.wait(90)
        assert code != 0, f"the run ended before it was killed\n{self.log.read_text()[-3000:]}"
        begun = time.monotonic()
        self.wait_for_orphans(2.0 if victim == "all" else 40.0)
        print(
            f"{moment}, {victim}: from step {base}, killed {len(victims)} of {len(before)} processes near step "
            f"{self._logged()}, saved {self.saved()}, {len(self._partials())} half-written, "
            f"the rest gone after {time.monotonic() - begun:.1f} s",
            flush=True,
        )
        self.check_whole(KEEP + 1)  # one more where the oldest was about to be dropped

    def check_whole(self, most: int) -> None:
        """Every checkpoint can be read, no more are there than should be, no line but the last may be torn."""
        folders = list((self.output / "checkpoints").glob("step_*"))
        assert len(folders) <= most
        for folder in folders:
            checkpoint.load(folder)
        partial = list((self.output / "checkpoints").glob(".*"))
        assert len(partial) <= 2, partial
        metrics = self.output / "metrics.jsonl"
        lines = metrics.read_text().split("\n")[:-1] if metrics.exists() else []
        assert all(isinstance(json.loads(line), dict) for line in lines)

    def living(self) -> list[psutil.Process]:
        """The processes of this trial, whoever their parents are now."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(_MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def wait_for_orphans(self, seconds: float) -> None:
        """Fail where a process of this trial lives on for longer."""
        deadline = time.monotonic() + seconds
        while left := self.living():
            if time.monotonic() > deadline:
                told = [process.cmdline() for process in left]
                for process in left:
                    process.kill()
                raise AssertionError(f"still there after {seconds} s: {told}\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def _await_start(self, process: subprocess.Popen[bytes], base: int) -> None:
        if self.processes > 1 and self.random.random() < 0.7:  # torchrun alone takes a while
            _wait(process, lambda: len(psutil.Process(process.pid).children()) >= self.processes)
        time.sleep(self.random.uniform(0.0, 8.0))

    def _await_step(self, process: subprocess.Popen[bytes], base: int) -> None:
        target = base + (1 if base > self.steps - 8 else self.random.randint(1, 4))
        metrics = self.output / "metrics.jsonl"
        before = metrics.stat().st_ino if metrics.exists() else None

        def reached() -> bool:
            """In lines that this process wrote: it writes the file anew when it goes on."""
            return metrics.exists() and metrics.stat().st_ino != before and self._logged() >= target

        _wait(process, reached)
        time.sleep(self.random.uniform(0.0, 0.2))

    def _await_save(self, process: subprocess.Popen[bytes], base: int) -> None:
        left = 1 if base > self.steps - 8 else self.random.randint(1, 3)
        seen = self._partials()

        def saving() -> bool:
            nonlocal left
            new = {name for name in self._partials() - seen if "replaced" not in name}
            seen.update(new)
            left -= len(new)
            return left <= 0

        _wait(process, saving)
        time.sleep(self.random.uniform(0.0, 0.03))

    def _partials(self) -> set[str]:
        try:
            names = os.listdir(self.output / "checkpoints")
        except FileNotFoundError:
            return set()
        return {name for name in names if name.endswith(".partial")}

    def saved(self) -> int:
        """The step of the newest whole checkpoint."""
        found = checkpoint.newest(self.output / "checkpoints")
        return 0 if found is None else checkpoint.step_of(found)

    def _logged(self) -> int:
        try:
            lines = (self.output / "metrics.jsonl").read_text().split("\n")[:-1]
        except FileNotFoundError:
            return 0
        return json.loads(lines[-1])["step"] if lines else 0


def _wait(process: subprocess.Popen[bytes], happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened() and process.poll() is None:
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def assert_same(killed: Trial, whole: Trial) -> None:
    """Both have ended, and left the same."""
    for trial in (killed, whole):
        trial.check_whole(KEEP)
        assert not list(trial.output.rglob("*.partial")), "rubbish"
        assert not list(trial.output.rglob("*.part")), "rubbish"
    names = [sorted(os.listdir(trial.output / "checkpoints")) for trial in (killed, whole)]
    assert names[0] == names[1]
    assert len(names[0]) == KEEP
    for name in names[0]:
        ours, theirs = (trial.output / "checkpoints" / name for trial in (killed, whole))
        for file in sorted(path.name for path in theirs.glob("*.safetensors")):
            ones, others = load_file(ours / file), load_file(theirs / file)
            assert ones.keys() == others.keys()
            different = [key for key in ones if not torch.equal(ones[key], others[key])]
            assert not different, f"{name}/{file}: {different[:5]} of {len(different)}"
        states = [json.loads((path / "state.json").read_text()) for path in (ours, theirs)]
        assert states[0] == states[1]
    records = [metrics(trial.output) for trial in (killed, whole)]
    assert records[0] == records[1]
    steps = [record["step"] for record in records[0] if "lr/generator" in record]
    assert steps == list(range(1, whole.steps + 1))  # every step once
    tables = [(trial.output / "final.json").read_text() for trial in (killed, whole)]
    assert tables[0] == tables[1]


def metrics(folder: Path) -> list[dict]:
    """The lines of metrics.jsonl without what differs from run to run; each is whole."""
    text = (folder / "metrics.jsonl").read_text()
    assert text.endswith("\n")
    records = [json.loads(line) for line in text.split("\n")[:-1]]
    for record in records:
        record.pop("time"), record.pop("images_per_second", None)
    return records
