"""A recipe: a system, its data and how long to train; and the run it makes of them."""

import math
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from gancomponents.errors import InputError, check_whole
from gancomponents.training import AdversarialLoop, Batch, Player, Runtime, Tracker, Trackers, checkpoint
from recipes import config, pictures, restoring
from recipes.data import Data
from recipes.folder import RunFolder
from recipes.phases import Moment, Phases, Span, Timeline
from recipes.progress import Progress
from recipes.report import write_report
from recipes.stopping import StopRequest


class System(Protocol):
    """What a recipe trains. `recipes.climategan.System` is one."""

    model: nn.Module
    critics: nn.Module
    generator: Player
    critic: Player | None

    def parts(self) -> dict[str, nn.Module]: ...

    def load_pretrained(self) -> None: ...

    def domains(self, offered: Collection[str], *, pretraining: bool = False) -> tuple[str, ...]: ...

    def check_phases(self, phases: Phases) -> None: ...

    def enter(self, on: frozenset[str]) -> None: ...

    def example_batch(self, data: Data, generator: torch.Generator, domains: Collection[str]) -> Batch: ...

    def evaluate(self, data: Data, runtime: Runtime) -> dict[str, float]: ...

    def evaluate_baseline(self, data: Data, runtime: Runtime) -> dict[str, float]: ...

    def sample(self, data: Data, runtime: Runtime) -> pictures.Picture: ...

    def sheets(self, data: Data, runtime: Runtime) -> dict[str, pictures.Picture]: ...

    def show_events(self, data: Data, runtime: Runtime, folder: Path) -> list[Path]: ...

    def imagine(
        self, x: Tensor, runtime: Runtime, *, photo: Tensor | None = None, threshold: float = 0.5
    ) -> dict[str, Tensor]: ...


class Recipe:
    """Train a system on data, and leave a run folder that shows what it learnt.

    Args:
        system: the networks, their objectives and optimisers.
        data: the training and held-out data.
        steps: total number of steps; it changes no schedule. None where ``epochs`` says how long.
        epochs: total number of epochs, pre-training included.
        unit: what learning-rate schedules, phases, ``sample_every``, ``save_every`` and ``validate_every`` count:
            "step" or "epoch". The length of an epoch is the data's, see `gancomponents.data.DomainLoader`.
        phases: what is on from when, see `recipes.phases.Phases`; which there are is the system's affair.
        order: of the updates, see `gancomponents.training.AdversarialLoop`.
        seed: of the weights, the order of the data, the augmentation and the label noise.
        device: see `gancomponents.training.Runtime`.
        precision: see `gancomponents.training.Runtime`.
        channels_last: see `gancomponents.training.Runtime`.
        log_every: steps between lines of metrics.jsonl; the first and the last step are always there.
        sample_every: steps (epochs) between sample grids.
        save_every: steps (epochs) between checkpoints; the last step always has one.
        validate_every: steps (epochs) between losses and scores on the held-out lists; None for none in between.
        keep: how many checkpoints to keep.
        keep_every: checkpoints of every so many steps (epochs) stay for good, beside those; None for none.
        keep_from: they do from this step (epoch) on.
        load_paths: where ``--resume`` without a path starts from: paths by "m" (masker), "p" (painter) and "pm"
            (both), see docs/recipes.md; the newest checkpoint in ``--output`` where all are None.
        tracker: trackers that record the run as well, such as ``[@trackers.WandB()]``.
    """

    def __init__(
        self,
        system: System,
        data: Data,
        *,
        steps: int | None = None,
        epochs: int | None = None,
        unit: str = "step",
        phases: Mapping[str, Span] | None = None,
        order: str = "simultaneous",
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        channels_last: bool = True,
        log_every: int = 10,
        sample_every: int = 100,
        save_every: int = 100,
        validate_every: int | None = None,
        keep: int = 2,
        keep_every: int | None = None,
        keep_from: int = 0,
        load_paths: Mapping[str, str | None] | None = None,
        tracker: Sequence[Tracker] = (),
    ):
        if steps is None and epochs is None:
            raise ValueError("steps or epochs must be given, got neither: pass --steps, or bind one of them")
        whole = {"steps": steps, "epochs": epochs, "validate_every": validate_every, "keep_every": keep_every}
        whole |= {
            "log_every": log_every,
            "sample_every": sample_every,
            "save_every": save_every,
            "keep": keep,
        }
        for name, value in whole.items():
            if value is not None:
                check_whole(name, value, minimum=1, fix="pass --steps 1 or more" if name == "steps" else "")
        check_whole("seed", seed, minimum=0)
        check_whole("keep_from", keep_from, minimum=0)
        self.system, self.data, self.seed = system, data, seed
        self.steps, self.epochs = steps, epochs
        self.phases = Phases(phases, unit=unit)
        system.check_phases(self.phases)
        self.domains = system.domains(data.domains)
        self.pretraining = system.domains(data.domains, pretraining=True) if self.phases.pretraining else ()
        self.log_every, self.sample_every, self.save_every = log_every, sample_every, save_every
        self.validate_every, self.keep = validate_every, keep
        self.keep_every, self.keep_from, self.load_paths = keep_every, keep_from, load_paths
        self.runtime = Runtime(device, precision, channels_last=channels_last)
        self.loop = AdversarialLoop(system.generator, system.critic, self.runtime, order=order)
        self.trackers = Trackers(tracker)

    def rehearse(self) -> None:
        """Run both objectives once on random images of the size asked for, and leave no trace.

        Raises:
            InputError: when the networks cannot take that size, or do not fit each other.
        """
        domains = (*self.pretraining, *self.domains)
        batch = self.system.example_batch(self.data, torch.Generator().manual_seed(0), domains)
        single = {
            domain: {task: value[:1] for task, value in fields.items()} for domain, fields in batch.items()
        }
        self.loop.train(False)
        try:
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                self.system.enter(frozenset(self.phases.spans))
                self.loop.rehearse(single)
        except (ValueError, TypeError, RuntimeError, LookupError, AttributeError) as error:
            # Nothing but the configuration went in, so whatever does not fit is its fault.
            fix = "bind another data.Data.size, or networks and losses that fit it and each other"
            got = " ".join(str(error).split())
            raise InputError(f"data.Data.size = {self.data.size}", got=got, fix=fix) from error
        self.loop.train()

    def run(self, name: str, folder: RunFolder, start: Mapping[str, Path]) -> None:
        """Train, evaluate, report.

        Args:
            name: the recipe's.
            folder: where to write.
            start: the checkpoints to start from (`recipes.resuming.Plan`), if any.

        Raises:
            InputError: for data, folders or checkpoints that cannot be used.
        """
        found = self._read(start, folder)
        self.data.prepare((*self.pretraining, *self.domains))
        timeline, total = self._schedule()
        self._stays = Stays(timeline, self.keep_every, self.keep_from)
        if found is None:
            self.system.load_pretrained()
        folder.create(afresh=found is None)
        first, before = 0, None
        if found is not None:
            first, before = found.step, found.before
            self.loop.load_state_dict(found.loop)
            folder.rewind(first)
        if before is None:
            which = "untrained networks" if found is None else "networks as they were loaded"
            print(f"evaluating the {which}", flush=True)
            before = self.system.evaluate(self.data, self.runtime)
        folder.record_config(config.parsed_text())
        folder.write(folder.operative_config, config.operative_text())
        if found is not None and checkpoint.newest(folder.checkpoints) is None:
            self._save(
                folder, first, before
            )  # so that --resume auto goes on from here, whatever happens next
        self.trackers.start(name, folder.path, config.parsed_text())
        try:
            self._train(folder, first, total, timeline, before)
            self._finish(name, folder, before)
        finally:
            self.trackers.finish()

    def _read(self, start: Mapping[str, Path], folder: RunFolder) -> restoring.Start | None:
        """What to resume from, known to fit before anything is rendered or written."""
        if not start:
            return None
        found = restoring.read(start, self.loop)
        if self.steps is not None and found.step > self.steps:
            got, fix = f"one at step {found.step}", f"pass --steps {found.step} or more"
            name = " and ".join(str(path) for path in start.values())
            raise InputError(name, expected=f"a checkpoint of at most {self.steps} steps", got=got, fix=fix)
        if found.partial and folder.config.exists():
            expected = "a new folder for a model that has only a part of the run's"
            fix = "choose another --output"
            raise InputError(f"--output {folder.path}", expected=expected, got="the run's own", fix=fix)
        for note in found.notes:
            print(note, file=sys.stderr)
        return found

    def _schedule(self) -> tuple[Timeline, int]:
        """The phases over the steps of this data, and how many steps there are."""
        timeline = self.phases.timeline(
            steps_per_epoch=self.data.loader(self.seed, self.domains).steps_per_epoch,
            pretrain_steps_per_epoch=(
                self.data.loader(self.seed, self.pretraining).steps_per_epoch if self.pretraining else 1
            ),
        )
        total = self.steps
        if total is None:
            assert self.epochs is not None  # one of them is there, see __init__
            total = timeline.steps(self.epochs)
        return timeline, total

    def _batches(self, timeline: Timeline, first: int, total: int) -> Iterator[Batch]:
        for pretraining, start, stop in timeline.stages(first, total):
            domains = self.pretraining if pretraining else self.domains
            yield from self.data.loader(self.seed, domains).iterate(start, stop)

    def _train(
        self, folder: RunFolder, first: int, total: int, timeline: Timeline, before: dict[str, float]
    ) -> None:
        self.loop.train()
        if first >= total:
            print(f"already at step {first} of {total}: nothing left to train")
            return
        progress = Progress(first, total)
        on: frozenset[str] | None = None
        clock = _Clock(max((record["time"] for record in folder.read_metrics()), default=0.0))
        with StopRequest() as stop, closing(progress):
            for step, batch in enumerate(self._batches(timeline, first, total), start=first + 1):
                moment = timeline.moment(step - 1)
                if moment.on != on:
                    on = moment.on
                    self.system.enter(on)
                if step == 1 or moment.on != timeline.moment(step - 2).on:
                    self._announce(folder, step, moment, clock)
                losses = self.loop.step(batch, moment.time)
                clock.count(batch)
                last = step == total
                if step == first + 1 or step % self.log_every == 0 or last or stop.asked:
                    progress.show(step, self._log(folder, losses, step, clock))
                else:
                    progress.tick(step)
                due = _Due(timeline, step)
                if due.every(self.save_every) or last or stop.asked:
                    path = self._save(folder, step, before)
                if due.every(self.sample_every) or last:
                    self._sample(folder, step)
                if self.validate_every is not None and due.every(self.validate_every):
                    self._validate(folder, step, clock)
                if stop.asked and not last:
                    print(f"\nstopped at step {step}; saved {path}", file=sys.stderr)
                    print(
                        f"continue with the same command and --output {folder.path} --resume auto",
                        file=sys.stderr,
                    )
                    raise KeyboardInterrupt

    def _announce(self, folder: RunFolder, step: int, moment: Moment, clock: "_Clock") -> None:
        """Say in the terminal and in metrics.jsonl which phases are on now; a first step without any is no news."""
        if moment.on or step > 1:
            names = ", ".join(sorted(moment.on)) or "none"
            print(f"step {step} (epoch {moment.epoch}): phases on: {names}", file=sys.stderr, flush=True)
            record = {"step": step, "time": round(clock.elapsed(), 3), "phases": sorted(moment.on)}
            folder.append_metrics(record)

    def _validate(self, folder: RunFolder, step: int, clock: "_Clock") -> None:
        """Losses and scores on the held-out lists, under ``val/``, and sheets of them; training's draws stay."""
        self.loop.train(False)
        with torch.random.fork_rng(devices=[]), torch.no_grad(), self.system.generator.settled():
            sums: dict[str, list[Tensor]] = {}
            for batch in self.data.validation_batches(self.domains):
                for name, loss in self.loop.rehearse(batch).items():
                    sums.setdefault(name, []).append(loss)
            for name, sheet in self.system.sheets(self.data, self.runtime).items():
                self._show(folder, step, name, sheet)
        means = {f"val/{name}": torch.stack(values).mean().item() for name, values in sums.items()}
        scores = self.system.evaluate(self.data, self.runtime)
        self.loop.train()
        found = {**means, **{f"val/{name}": value for name, value in scores.items()}}
        folder.append_metrics({"step": step, "time": round(clock.elapsed(), 3), **found})
        self.trackers.log(step, found)

    def _log(
        self, folder: RunFolder, losses: dict[str, Tensor], step: int, clock: "_Clock"
    ) -> dict[str, float]:
        # One transfer for all of them: the only place where a step waits for the device.
        values = torch.stack([loss.float().reshape(()) for loss in losses.values()]).tolist()
        named = dict(zip(losses, values, strict=True))
        bad = [name for name, value in named.items() if not math.isfinite(value)]
        if bad:
            raise InputError(
                f"step {step}",
                expected="finite losses",
                got=f"{bad[0]} = {named[bad[0]]}",
                fix="lower the learning rate, or use --precision fp32; the last checkpoint is intact",
            )
        scalars = {**named, **self.loop.learning_rates(), "images_per_second": clock.images_per_second()}
        folder.append_metrics({"step": step, "time": round(clock.elapsed(), 3), **scalars})
        self.trackers.log(step, scalars)
        return scalars

    def _save(self, folder: RunFolder, step: int, before: dict[str, float]) -> Path:
        state = {"step": step, "before": before, "loop": self.loop.state_dict()}
        return checkpoint.save(folder.checkpoints, step, state, self._weights(), self.keep, stays=self._stays)

    def _weights(self) -> dict[str, dict[str, Tensor]]:
        """The sets of weights of a checkpoint, never look-ahead ones: as trained, averaged, the critics'."""
        system, weights = self.system, {}
        with system.generator.settled(averaged=False):
            weights["model"] = _copied(system.model)
        if system.generator.average is not None:
            with system.generator.settled():
                weights["averaged"] = _copied(system.model)
        if system.critic is not None:
            with system.critic.settled():
                weights["critics"] = _copied(system.critics)
        return weights

    def _sample(self, folder: RunFolder, step: int) -> None:
        # Sampling draws nothing that training would miss.
        with torch.random.fork_rng(devices=[]):
            self._show(folder, step, "step", self.system.sample(self.data, self.runtime))

    def _show(self, folder: RunFolder, step: int, name: str, picture: pictures.Picture) -> None:
        from gancomponents.data import write_image

        path = folder.samples / f"{name}_{step:06d}.png"
        write_image(path, picture)
        self.trackers.image(step, "samples" if name == "step" else f"val/{name}", path)

    def _finish(self, name: str, folder: RunFolder, before: dict[str, float]) -> None:
        print("evaluating on held-out frames", flush=True)
        table = {
            "before": before,
            "after": self.system.evaluate(self.data, self.runtime),
            "baseline": self.system.evaluate_baseline(self.data, self.runtime),
        }
        events = self.system.show_events(self.data, self.runtime, folder.events)
        folder.write(folder.operative_config, config.operative_text())
        write_report(name, folder, table, events)


@dataclass(frozen=True)
class _Due:
    """Whether something that happens every so many units is due after a step."""

    timeline: Timeline
    step: int

    def every(self, count: int) -> bool:
        if self.timeline.phases.unit == "step":
            return self.step % count == 0
        return self.timeline.ends_epoch(self.step) and self.timeline.moment(self.step).epoch % count == 0


@dataclass(frozen=True)
class Stays:
    """Whether the checkpoint of a step stays for good: every so many units, from a first one on."""

    timeline: Timeline
    count: int | None
    first: int

    def __call__(self, step: int) -> bool:
        if self.count is None or not _Due(self.timeline, step).every(self.count):
            return False
        by_step = self.timeline.phases.unit == "step"
        return (step if by_step else self.timeline.moment(step).epoch) >= self.first


class _Clock:
    """Seconds and images of a run, samples and checkpoints included; ``before`` is what earlier parts took."""

    def __init__(self, before: float):
        self._mark = time.perf_counter()
        self._start = self._mark - before
        self._images = 0

    def count(self, batch: Batch) -> None:
        self._images += sum(len(fields["x"]) for fields in batch.values())

    def elapsed(self) -> float:
        return time.perf_counter() - self._start

    def images_per_second(self) -> float:
        """The rate since the last call."""
        now = time.perf_counter()
        rate = self._images / max(now - self._mark, 1e-9)
        self._mark, self._images = now, 0
        return round(rate, 3)


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}
