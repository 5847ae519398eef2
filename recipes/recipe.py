"""A recipe: a system, its data and how long to train."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gancomponents.data import DomainLoader
from gancomponents.errors import InputError, check_whole
from gancomponents.layers import synchronise_batch_norms
from gancomponents.training import AdversarialLoop, Runtime, Tracker
from recipes import determinism
from recipes.data import Data
from recipes.folder import RunFolder
from recipes.health import Health
from recipes.phases import Phases, Span, Timeline
from recipes.session import Session
from recipes.systems import System

#: What ``run.Recipe.compile`` may name: modes of Inductor, and backends of torch.compile that help to find a fault.
#: Modes with CUDA graphs are left out: their results live where the next call writes.
COMPILERS: Mapping[str, Callable[[nn.Module], Callable[..., Any]]] = {
    "default": torch.compile,
    "max-autotune-no-cudagraphs": partial(torch.compile, mode="max-autotune-no-cudagraphs"),
    "aot_eager": partial(torch.compile, backend="aot_eager"),
    "eager": partial(torch.compile, backend="eager"),
}


class Recipe:
    """Train a system on data, and leave a run folder that shows what it learnt.

    Args:
        system: the networks, their objectives and optimisers.
        data: the training and held-out data.
        steps: total number of steps; it changes no schedule. None where ``epochs`` says how long.
        epochs: total number of epochs, pre-training included; where there are ``steps`` too, they count.
        unit: what learning-rate schedules, phases, ``sample_every``, ``save_every`` and ``validate_every`` count:
            "step" or "epoch". The length of an epoch is the data's, see `gancomponents.data.DomainLoader`.
        phases: what is on from when, see `recipes.phases.Phases`; which there are is the system's affair.
        order: of the updates, see `gancomponents.training.AdversarialLoop`.
        on_fault: after a loss or gradient that is not finite: "stop" with a message, or "skip" the step; either way
            the weights stay as they were, and ``faults/`` in the run folder names the files.
        accumulate: play every batch in so many parts, see `gancomponents.training.AdversarialLoop` and
            docs/throughput.md; every batch size must be a multiple of it.
        seed: of the weights, the order of the data, the augmentation and the label noise.
        device: see `gancomponents.training.Runtime`.
        precision: see `gancomponents.training.Runtime`.
        channels_last: see `gancomponents.training.Runtime`.
        deterministic: use operations that repeat bit for bit alone, see docs/determinism.md.
        compile: compile both objectives, see docs/throughput.md: True, or a name among those of `COMPILERS`.
        sync_batch_norm: normalise by the batches of all processes, see `gancomponents.layers.SyncBatchNorm`.
        log_every: steps between lines of metrics.jsonl; the first and the last step are always there.
        sample_every: steps (epochs) between sample grids.
        save_every: steps (epochs) between checkpoints; the last step always has one.
        validate_every: steps (epochs) between losses and scores on the held-out lists; None for none in between.
        keep: how many checkpoints to keep.
        keep_every: checkpoints of every so many steps (epochs) stay for good, beside those; None for none.
        keep_from: they do from this step (epoch) on.
        load_paths: where ``--resume`` without a path starts from: paths by "m" (masker), "p" (painter) and "pm"
            (both), see docs/recipes.md; the newest checkpoint in ``--output`` where all are None.
        health: builds the watch over what is logged, see `recipes.health.Health`, whose thresholds may be bound.
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
        on_fault: str = "stop",
        accumulate: int = 1,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        channels_last: bool = True,
        deterministic: bool = False,
        compile: bool | str = False,
        sync_batch_norm: bool = False,
        log_every: int = 10,
        sample_every: int = 100,
        save_every: int = 100,
        validate_every: int | None = None,
        keep: int = 2,
        keep_every: int | None = None,
        keep_from: int = 0,
        load_paths: Mapping[str, str | None] | None = None,
        health: Callable[..., Health] = Health,
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
        system.check_phases(self.phases, data)
        self.domains = system.domains(data.domains)
        self.pretraining = system.domains(data.domains, pretraining=True) if self.phases.pretraining else ()
        self.log_every, self.sample_every, self.save_every = log_every, sample_every, save_every
        self.validate_every, self.keep = validate_every, keep
        self.keep_every, self.keep_from, self.load_paths = keep_every, keep_from, load_paths
        self.runtime = Runtime(device, precision, channels_last=channels_last)
        if compile and self.runtime.device.type == "xla":
            fix = "leave it out: XLA compiles every step as it is"
            raise InputError("run.Recipe.compile", expected="False on XLA", got=repr(compile), fix=fix)
        self.on_fault, self.deterministic = on_fault, deterministic
        check_whole("accumulate", accumulate, minimum=1)
        for domain in {*self.domains, *self.pretraining}:
            if (size := data.batch_of(domain)) % accumulate:
                raise InputError(
                    f"data.Data.batch_size of {domain}",
                    expected=f"a multiple of run.Recipe.accumulate, {accumulate}",
                    got=str(size),
                    fix="bind one of the two to fit the other",
                )
        if sync_batch_norm:
            if data.incomplete == "keep":
                # A process whose rows lack a task would pass by norms at which the others wait for it.
                expected, fix = "'error' or 'skip' with run.Recipe.sync_batch_norm", "bind one of these"
                raise InputError("data.Data.incomplete", expected=expected, got="'keep'", fix=fix)
            for player in (system.generator, system.critic):
                if player is not None:
                    synchronise_batch_norms(player.objective)
        self.loop = AdversarialLoop(
            system.generator,
            system.critic,
            self.runtime,
            order=order,
            on_fault=on_fault,
            accumulate=accumulate,
            compile=_compiler(compile),
        )
        self.health, self.tracker = health, tuple(tracker)

    def rehearse(self) -> None:
        """Run both objectives once on random images of the size asked for, and leave no trace.

        Raises:
            InputError: when the networks cannot take that size, or do not fit each other.
        """
        with determinism.deterministic(self.deterministic):
            self._rehearse()

    def _rehearse(self) -> None:
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
            if determinism.lacking(error) is not None:
                raise
            # Nothing but the configuration went in, so whatever does not fit is its fault.
            fix = "bind networks, losses and data that fit each other, or another data.Data.size"
            got = " ".join(str(error).split())
            what = f"a rehearsal of the recipe at data.Data.size = {self.data.size}"
            raise InputError(what, got=got, fix=fix) from error
        self.loop.train()

    @property
    def length(self) -> str:
        """How long the recipe trains, in words."""
        return f"{self.epochs} epochs" if self.steps is None else f"{self.steps} steps"

    def timeline(self) -> Timeline:
        """The phases over the steps of the data, which must be prepared."""
        before = self.loader(pretraining=True).steps_per_epoch if self.pretraining else 1
        return self.phases.timeline(
            steps_per_epoch=self.loader().steps_per_epoch,
            pretrain_steps_per_epoch=before,
        )

    def loader(self, *, pretraining: bool = False) -> DomainLoader:
        """This process's part of the training data, which must be prepared."""
        processes = self.runtime.processes
        domains = self.pretraining if pretraining else self.domains
        return self.data.loader(
            self.seed,
            domains,
            rank=processes.rank,
            world_size=processes.count,
            pin_memory=self.runtime.device.type == "cuda",
        )

    def run(self, name: str, folder: RunFolder, start: Mapping[str, Path]) -> None:
        """Train, evaluate, report.

        Args:
            name: the recipe's.
            folder: where to write.
            start: the checkpoints to start from (`recipes.resuming.Plan`), if any.

        Raises:
            InputError: for data, folders or checkpoints that cannot be used.
        """
        with determinism.deterministic(self.deterministic):
            Session(name, self, folder).run(start)


def _compiler(name: bool | str) -> Callable[[nn.Module], Callable[..., Any]] | None:
    if isinstance(name, bool):
        return COMPILERS["default"] if name else None
    if name not in COMPILERS:
        expected = f"True, False or one of {', '.join(COMPILERS)}"
        raise InputError(
            "compile", expected=expected, got=repr(name), fix="bind run.Recipe.compile to one of these"
        )
    return COMPILERS[name]
