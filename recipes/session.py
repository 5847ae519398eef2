"""One run of a recipe in a folder: started or resumed, trained, logged, saved, shown, reported."""

import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gancomponents.errors import InputError
from gancomponents.training import Batch, Trackers, checkpoint
from recipes import config, metrics_log, pictures, restoring
from recipes.damage import blamed_on
from recipes.faults import Faults
from recipes.folder import RunFolder
from recipes.phases import Moment, Timeline
from recipes.progress import Clock, Progress
from recipes.report import write_report
from recipes.resuming import named
from recipes.stopping import StopRequest, let_others_speak, terminable

if TYPE_CHECKING:
    from recipes.recipe import Recipe


class Session:
    """A run.

    Args:
        name: the recipe's.
        recipe: what to train, and for how long.
        folder: where to write.
    """

    def __init__(self, name: str, recipe: "Recipe", folder: RunFolder):
        self.name, self.recipe, self.folder = name, recipe, folder
        self.processes = recipe.runtime.processes
        self.trackers = Trackers(recipe.tracker)
        self.before: dict[str, float] = {}

    def run(self, start: Mapping[str, Path]) -> None:
        """Everything, from the checkpoints to start from, if any, to the report.

        Raises:
            InputError: for data, folders or checkpoints that cannot be used.
        """
        self.processes.first_does(self.folder.lock)
        try:
            with terminable():
                self._run(start)
        except KeyboardInterrupt as stop:
            if stop.args:
                raise
            raise KeyboardInterrupt(f"interrupted; {self._left('')}") from None
        except RuntimeError as error:
            if not (self.processes.first and self.processes.has_lost_another(error)):
                raise
            let_others_speak()
            expected, got = "one that lives as long as the run", "one that has ended"
            fix = "see what it said; if nothing, the system has killed it, often for want of memory"
            lost = InputError("another process", expected=expected, got=got, fix=fix)
            raise self._with_way_on(lost) from error
        finally:
            self.folder.unlock()

    def _run(self, start: Mapping[str, Path]) -> None:
        recipe, folder, system = self.recipe, self.folder, self.recipe.system
        found = self._read(start)
        self._prepare()
        self.timeline = recipe.timeline()
        self.total = recipe.steps if recipe.steps is not None else self.timeline.steps(recipe.epochs or 0)
        where = f"from {named(start)}" if start else "from the start"
        what = f"{self.name}: {recipe.length} {where} on {recipe.runtime}"
        print(f"{what}; pictures in {folder.samples}", flush=True)
        if found is not None:
            self._check_step(start, found.step, self.total)
        system.fetch(afresh=found is None)
        recipe.runtime.diverge(recipe.seed)
        if found is not None:
            with blamed_on(named(start)):
                recipe.loop.load_state_dict(found.loop)
        self.processes.broadcast(player.objective for player in recipe.loop.players.values())
        first = 0 if found is None else found.step
        self.health = recipe.health(system.health_ranges)
        self.clock = Clock(0.0, self.processes.count)
        try:
            if self.processes.first_does(lambda: self._open(found)):
                self._save(first)  # so that --resume auto goes on from here, whatever happens next
            self._train(first)
            self.processes.first_does(self._finish)
        except InputError as error:
            raise self._with_way_on(error) from error
        finally:
            if self.processes.first:
                self.trackers.finish()

    def _with_way_on(self, error: InputError) -> InputError:
        """The same, saying what is left and how to go on."""
        fix = f"{error.fix}; {self._left(error.fix)}"
        return InputError(error.what, expected=error.expected, got=error.got, fix=fix)

    def _left(self, said: str) -> str:
        """The last whole checkpoint, unless it has been said, and how to go on from it."""
        last = checkpoint.newest(self.folder.checkpoints)
        whole = "" if last is None or str(last) in said else f"{last} is whole; "
        return whole + self._way_on()

    def _way_on(self) -> str:
        return f"go on with the same command and --output {self.folder.path} --resume auto"

    def _prepare(self) -> None:
        """Find or render the data: the first process does, before all others look."""
        recipe = self.recipe
        domains, shown = (*recipe.pretraining, *recipe.domains), recipe.system.shown_domains(recipe.data)

        def prepare() -> None:
            recipe.data.prepare(domains, shown, validate=recipe.validate_every is not None)

        self.processes.first_does(prepare)
        if not self.processes.first:
            prepare()

    def _open(self, found: restoring.Start | None) -> bool:
        """Make the folder, evaluate where nobody has, start the trackers; return whether a checkpoint is due."""
        recipe, folder, system = self.recipe, self.folder, self.recipe.system
        folder.create(afresh=found is None)
        before = None
        if found is not None:
            before = found.before
            folder.rewind(found.step)
        records = folder.read_metrics()
        self.health.replay(records)
        self.clock = Clock(
            max((record.get("time") or 0.0 for record in records), default=0.0), self.processes.count
        )
        if before is None:
            which = "untrained networks" if found is None else "networks as they were loaded"
            print(f"evaluating the {which}", flush=True)
            before = system.evaluate(recipe.data, recipe.runtime)
        self.before = before
        folder.record_config(config.parsed_text())
        folder.write(folder.operative_config, config.operative_text())
        folder.write(folder.architecture, _architecture(system.parts()))
        self.trackers.start(self.name, folder.path, config.parsed_text())
        return found is not None and checkpoint.newest(folder.checkpoints) is None

    def _read(self, start: Mapping[str, Path]) -> restoring.Start | None:
        """What to resume from, known to fit before anything is rendered or written."""
        if not start:
            return None
        recipe, folder = self.recipe, self.folder
        found = restoring.read(start, recipe.loop)
        if recipe.steps is not None:
            self._check_step(start, found.step, recipe.steps)
        if found.afresh and folder.config.exists():
            expected, fix = (
                "a new folder for what starts from another's weights",
                "pass an --output of its own",
            )
            raise InputError(f"--output {folder.path}", expected=expected, got="that run's own", fix=fix)
        if found.partial and folder.config.exists():
            expected = "a new folder for a model that has only a part of the run's"
            fix = "choose another --output"
            raise InputError(f"--output {folder.path}", expected=expected, got="the run's own", fix=fix)
        for note in found.notes:
            print(note, file=sys.stderr)
        return found

    def _check_step(self, start: Mapping[str, Path], step: int, total: int) -> None:
        if step > total:
            fix = f"pass --steps {step} or more"
            expected = f"a checkpoint of at most {total} steps"
            raise InputError(named(start), expected=expected, got=f"one at step {step}", fix=fix)

    def _batches(self, first: int) -> Generator[Batch]:
        recipe = self.recipe
        for pretraining, start, stop in self.timeline.stages(first, self.total):
            yield from recipe.loader(pretraining=pretraining).iterate(start, stop)

    def _train(self, first: int) -> None:
        recipe, loop, due = self.recipe, self.recipe.loop, self.timeline.due
        loop.train()
        if first >= self.total:
            print(f"already at step {first} of {self.total}: nothing left to train")
            return
        progress = Progress(first, self.total)
        faults = Faults(loop, self.folder, skip=recipe.on_fault == "skip", record=self._record)
        on: frozenset[str] | None = None
        processes = self.processes
        with (
            StopRequest(patient=processes.count > 1) as stop,
            closing(progress),
            closing(self._batches(first)) as loaded,
            closing(recipe.runtime.feed(loaded)) as batches,
        ):
            for step, batch in enumerate(batches, start=first + 1):
                moment = self.timeline.moment(step - 1)
                if moment.on != on:
                    on = moment.on
                    recipe.system.enter(on)
                if step == 1 or moment.on != self.timeline.moment(step - 2).on:
                    self._announce(step, moment)
                losses = loop.step(batch, step - 1, lambda done: self.timeline.moment(done).time)
                self.clock.count(batch)
                last, stopping = step == self.total, processes.any(stop.asked)
                due_log = step == 1 or step % recipe.log_every == 0 or last
                logs = due_log or step == first + 1 or stopping
                saves = due(step, recipe.save_every) or last or stopping
                faults.check(step, batch, now=logs or saves)
                if logs:
                    progress.show(step, self._log(losses, step, record=due_log))
                else:
                    progress.tick(step)
                if processes.first and (due(step, recipe.sample_every) or last):
                    self._sample(step)
                if processes.first and recipe.validate_every and due(step, recipe.validate_every):
                    self._validate(step)
                if saves:  # last, so that a run that goes on from there has all that belongs to the step
                    self._save(step)
                if stopping and not last:
                    said = f"stopped at step {step}; saved in {self.folder.checkpoints}"
                    raise KeyboardInterrupt(f"{said}; {self._way_on()}")

    def _announce(self, step: int, moment: Moment) -> None:
        """Say in the terminal and in metrics.jsonl which phases are on now; a first step without any is no news."""
        if moment.on or step > 1:
            names = ", ".join(sorted(moment.on)) or "none"
            print(f"step {step}{self._epoch(step)}: phases on: {names}", file=sys.stderr, flush=True)
            self._record(step, {"phases": sorted(moment.on)})

    def _epoch(self, step: int) -> str:
        """In words, where epochs are counted."""
        by_epoch = self.timeline.phases.unit == "epoch"
        return f" (epoch {self.timeline.moment(step - 1).epoch})" if by_epoch else ""

    def _record(self, step: int, entries: Mapping[str, object]) -> None:
        if self.processes.first:
            self.folder.append_metrics({"step": step, "time": round(self.clock.elapsed(), 3), **entries})

    def _log(self, losses: Mapping[str, Tensor], step: int, *, record: bool) -> dict[str, float]:
        """The scalars of a step, for the terminal; on record as well where a run that never stopped has them."""
        norms = {f"grad_norm/{name}": norm for name, norm in self.recipe.loop.gradient_norms.items()}
        # One transfer for all of them: the only place where a step waits for the device.
        found = {**losses, **norms}
        values = torch.stack([value.float().reshape(()) for value in found.values()]).tolist()
        named = _mean_over(self.processes.gather(dict(zip(found, values, strict=True))))
        measured = {name: named.pop(name) for name in norms}
        rates = self.recipe.loop.rates()
        scalars = {**named, **_totals(named), **measured, **rates}
        if self.timeline.phases.unit == "epoch":
            scalars["epoch"] = self.timeline.moment(step - 1).epoch
        scalars["images_per_second"] = self.clock.images_per_second()
        if record:
            self._record(step, scalars)
        if record and self.processes.first:
            self._watch(step, scalars)
            self.trackers.log(step, scalars)
        return scalars

    def _watch(self, step: int, scalars: Mapping[str, float]) -> None:
        """Write down what has left its healthy range, and say so the first time."""
        events = self.health.observe(step, scalars)
        if events:
            self._record(step, {"health": [event.as_dict() for event in events]})
        for event in (event for event in events if event.first):
            print(f"step {step}: {event.text}", file=sys.stderr, flush=True)

    def _validate(self, step: int) -> None:
        """Losses and scores on the held-out lists, under ``val/``, and sheets of them; training's draws stay."""
        recipe, system = self.recipe, self.recipe.system
        recipe.loop.train(False)
        with torch.random.fork_rng(devices=[]), torch.no_grad(), system.generator.settled():
            means: dict[str, _Mean] = {}
            for batch in recipe.data.validation_batches((*recipe.pretraining, *recipe.domains)):
                for name, loss in recipe.loop.rehearse(batch).items():
                    first = name.rsplit("/", 1)[-1].split("+")[0]  # the domain, or the first of several
                    means.setdefault(name, _Mean()).add(loss, len(batch[first]["x"]))
            for name, sheet in system.sheets(recipe.data, recipe.runtime).items():
                self._show(step, name, sheet)
        found = {name: mean.value() for name, mean in means.items()}
        found |= _totals(found)
        found |= system.evaluate(recipe.data, recipe.runtime)
        recipe.loop.train()
        scalars = {f"val/{name}": value for name, value in found.items()}
        self._record(step, scalars)
        self.trackers.log(step, scalars)

    def _save(self, step: int) -> None:
        recipe = self.recipe
        state = {"step": step, "before": self.before, "loop": recipe.loop.state_dict()}
        listed = Stays(self.timeline, recipe.keep_every, recipe.keep_from)

        def write() -> None:
            folder, named = self.folder.checkpoints, self.folder.before_fault()
            metrics_log.sync(self.folder.metrics)
            checkpoint.save(
                folder,
                step,
                state,
                self._weights(),
                recipe.keep,
                stays=lambda step: listed(step) or f"step_{step:08d}" == named,
            )

        self.processes.first_does(write)

    def _weights(self) -> dict[str, dict[str, Tensor]]:
        """The sets of weights of a checkpoint, never look-ahead ones: as trained, averaged, the critics'."""
        system, weights = self.recipe.system, {}
        with system.generator.settled(averaged=False):
            weights["model"] = _copied(system.model)
        if system.generator.average is not None:
            with system.generator.settled():
                weights["averaged"] = _copied(system.model)
        if system.critic is not None:
            with system.critic.settled():
                weights["critics"] = _copied(system.critics)
        return weights

    def _sample(self, step: int) -> None:
        # Sampling draws nothing that training would miss.
        system, data, runtime = self.recipe.system, self.recipe.data, self.recipe.runtime
        with torch.random.fork_rng(devices=[]):
            overview = system.sample(data, runtime)
            signals = system.health(data, runtime)
        if overview is not None:
            self._show(step, "step", overview)
        if signals:
            self._record(step, signals)
            self._watch(step, signals)
            self.trackers.log(step, signals)

    def _show(self, step: int, name: str, picture: pictures.Picture) -> None:
        from gancomponents.data import write_image

        path = self.folder.samples / f"{name}_{step:06d}.png"
        write_image(path, picture)
        self.trackers.image(step, "samples" if name == "step" else f"val/{name}", path)

    def _finish(self) -> None:
        data, runtime, system, folder = self.recipe.data, self.recipe.runtime, self.recipe.system, self.folder
        print("evaluating on held-out frames", flush=True)
        table = {
            "before": self.before,
            "after": system.evaluate(data, runtime),
            "baseline": system.evaluate_baseline(data, runtime),
        }
        events = system.show_events(data, runtime, folder.events)
        folder.write(folder.operative_config, config.operative_text())
        write_report(self.name, folder, table, events, health=self.health)


def _mean_over(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of every term over the processes that have it."""
    names = dict.fromkeys(name for scalars in found for name in scalars)
    known = {name: [scalars[name] for scalars in found if name in scalars] for name in names}
    return {name: sum(values) / len(values) for name, values in known.items()}


def _totals(losses: Mapping[str, float]) -> dict[str, float]:
    """The sum of the losses of each part: masker, painter, critic."""
    totals: dict[str, float] = {}
    for name, value in losses.items():
        part = name.split("/", 1)[0]
        totals[part] = totals.get(part, 0.0) + value
    return totals


class _Mean:
    """A mean of losses, weighted by how many samples each is of."""

    def __init__(self) -> None:
        self.sum: Tensor | float = 0.0
        self.count = 0

    def add(self, loss: Tensor, count: int) -> None:
        self.sum, self.count = self.sum + loss * count, self.count + count

    def value(self) -> float:
        return float(self.sum) / self.count


class Stays:
    """Whether the checkpoint of a step stays for good: every so many units, from a first one on.

    Args:
        timeline: tells what a unit is.
        count: None for none.
        first: the first unit, a step or an epoch.
    """

    def __init__(self, timeline: Timeline, count: int | None, first: int):
        self.timeline, self.count, self.first = timeline, count, first

    def __call__(self, step: int) -> bool:
        if self.count is None or not self.timeline.due(step, self.count):
            return False
        return self.timeline.units(step) >= self.first


def _architecture(parts: Mapping[str, nn.Module]) -> str:
    """Every network layer by layer, with its number of parameters."""
    described = []
    for name, part in parts.items():
        count = sum(p.numel() for p in part.parameters())
        described.append(f"{name}: {count:,} parameters\n{part}\n")
    return "\n".join(described)


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}
