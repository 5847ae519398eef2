"""ClimateGAN as a recipe trains it: model, critics, both players, what is judged and what is shown."""

import difflib
import os
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gancomponents.encoders import load_weights
from gancomponents.errors import InputError
from gancomponents.metrics import HealthRange
from gancomponents.optim import ExponentialMovingAverage, ExtraAdam
from gancomponents.training import Batch, Player, Runtime
from recipes import pictures
from recipes.climategan import evaluation, health, samples
from recipes.climategan.critics import Critics
from recipes.climategan.distances import PaintedDistances
from recipes.climategan.model import ClimateGAN
from recipes.climategan.objectives import CriticObjective, GeneratorObjective
from recipes.climategan.sheets import validation_sheets
from recipes.data import Data
from recipes.phases import PRETRAIN, Phases

OptimiserFactory = Callable[..., Optimizer]
Schedule = Callable[[int], float]

#: Phases that a run of this system may have, see `recipes.phases.Phases`: training on Virtual KITTI 2 alone,
#: pseudo-labels of classes and depth on r, and the painter's critic judging floods under the predicted mask.
PHASES = (PRETRAIN, "pseudo/s", "pseudo/d", "painter_for_masker")


class System:
    """Everything of ClimateGAN that a recipe needs.

    Args:
        model: the networks that are kept.
        critics: the networks that judge them.
        generator: builds the generator's objective from model and critics.
        critic: builds the critics' objective.
        generator_optimiser: builds the optimiser of the model's parameters.
        critic_optimiser: builds the optimiser of the critics' parameters.
        generator_schedule: factor on the generator's learning rate by step.
        critic_schedule: the same for the critics'.
        generator_rates: learning rates of parts of the model that shall not have the optimiser's own, such as
            ``{"masker.encoder": 1e-4, "painter": 1e-3}``.
        critic_rates: the same for ``segmentation``, ``mask`` and ``painter`` among the critics.
        pretrained: files of published weights to start from, by part of the model, such as
            ``{"masker.encoder": "resnet101.pth"}``; see `gancomponents.encoders.load_weights`. Environment
            variables and ``~`` in them are expanded. They are read when training starts, not when it resumes.
        distances: also score the painted floods as a set, by FID and KID; None for not.
        generator_average: builds averages of the model's weights, which are judged, shown and applied in their
            place, such as ``@optim.ExponentialMovingAverage``; None for none.
        shown_painter: run whose painter shows the floods of a model that has none of its own.
        shown: held-out frames of each domain in a sample grid.

    Raises:
        ValueError: a sample grid of nothing, or a part in the rates that is not there.
    """

    def __init__(
        self,
        model: ClimateGAN,
        critics: Critics,
        *,
        generator: Callable[[ClimateGAN, Critics], nn.Module] = GeneratorObjective,
        critic: Callable[[Critics], nn.Module] = CriticObjective,
        generator_optimiser: OptimiserFactory = ExtraAdam,
        critic_optimiser: OptimiserFactory = ExtraAdam,
        generator_schedule: Schedule | None = None,
        critic_schedule: Schedule | None = None,
        generator_rates: Mapping[str, float] | None = None,
        critic_rates: Mapping[str, float] | None = None,
        pretrained: Mapping[str, str] | None = None,
        distances: PaintedDistances | None = None,
        generator_average: Callable[[nn.Module], ExponentialMovingAverage] | None = None,
        shown_painter: str | None = None,
        shown: int = 2,
    ):
        if shown < 1:
            raise ValueError(f"shown must be >= 1, got {shown}: a sample grid needs a row of each domain")
        self.model = model
        self.critics = critics
        self.shown = shown
        self.shown_painter = shown_painter and os.path.expanduser(os.path.expandvars(shown_painter))
        if self.shown_painter is not None and not Path(self.shown_painter).exists():
            fix = "bind climategan.System.shown_painter to the run of a painter"
            raise InputError(f"shown_painter {shown_painter}", expected="a run", got="no such path", fix=fix)
        self.distances = distances
        self.pretrained = dict(pretrained or {})
        # A variant may lack a part that a shared recipe has weights for.
        self.pretrained = {part: f for part, f in self.pretrained.items() if not _is_absent(model, part)}
        known = [name for name, _ in model.named_modules() if name]
        if unknown := [part for part in self.pretrained if part not in known]:
            near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.0)[0]
            raise ValueError(
                f"pretrained must name parts of the model, got {unknown[0]!r}: did you mean {near!r}?"
            )
        self.generator = Player(
            generator(model, critics),
            generator_optimiser,
            generator_schedule,
            rates={f"model.{part}": rate for part, rate in (generator_rates or {}).items()},
            # Of the model alone: the objective also holds the networks of its losses, which never move.
            average=None if generator_average is None else lambda _: generator_average(model),
        )
        self.critic: Player | None = None
        if any(True for _ in critics.parameters()):
            self.critic = Player(
                critic(critics),
                critic_optimiser,
                critic_schedule,
                rates={f"critics.{part}": rate for part, rate in (critic_rates or {}).items()},
            )

    def fetch(self, *, afresh: bool) -> None:
        """Read what others have trained: the painter that is shown, and weights to start from, where training does.

        Raises:
            InputError: for a file or run that is not there, or does not fit its part.
        """
        _ = self._displayed
        if afresh:
            self._load_pretrained()

    def _load_pretrained(self) -> None:
        for part, name in self.pretrained.items():
            module = self.model.get_submodule(part)
            path = Path(os.path.expandvars(name)).expanduser()
            try:
                load_weights(module, path, keep=getattr(module, "published_without", ()))
            except (OSError, ValueError, RuntimeError) as error:
                got = " ".join(str(error).split())
                fix = "bind a file of that network's weights, or remove it from climategan.System.pretrained"
                raise InputError(f"pretrained {part} from {path}", got=got, fix=fix) from error

    def parts(self) -> dict[str, nn.Module]:
        """The networks by name, for counting parameters."""
        masker, critics = self.model.masker, self.critics
        of_masker: dict[str, nn.Module | None] = {}
        if masker is not None:
            of_masker = {
                "encoder": masker.encoder,
                "depth decoder": masker.depth,
                "segmentation decoder": masker.segmentation,
                "mask decoder": masker.mask,
            }
        parts = {
            **of_masker,
            "painter": self.model.painter,
            "segmentation critic": critics.segmentation,
            "mask critic": critics.mask,
            "painter critic": critics.painter,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def domains(self, offered: Collection[str], *, pretraining: bool = False) -> tuple[str, ...]:
        """Those of the offered domains that this system trains on, in their order.

        Raises:
            ValueError: when one is missing that it cannot do without.
        """
        if pretraining:
            needed, wanted = {"kitti"}, {"kitti"}
        else:
            needed = ({"s"} if self.model.masker else set()) | ({"rf"} if self.model.painter else set())
            wanted = needed | ({"r"} if self.model.masker else set())
        if missing := sorted(needed - set(offered)):
            got = ", ".join(offered)
            raise ValueError(
                f"train must list domain {missing[0]}, got {got}: bind data.Data.train[{missing[0]!r}]"
            )
        return tuple(domain for domain in offered if domain in wanted)

    def check_phases(self, phases: Phases, data: Data) -> None:
        """Raise a ValueError for phases that this system does not have, or cannot be in with these data."""
        phases.check(PHASES)
        masker, painter = self.model.masker, self.model.painter
        if masker is None and phases.spans:
            raise ValueError(
                f"phases must be {{}} without a masker, got {phases.spans}: they are the masker's"
            )
        for task in "sd":
            if f"pseudo/{task}" in phases.spans and task not in data.tasks["r"]:
                tasks = (*data.tasks["r"], task)
                raise ValueError(
                    f"phases must not have 'pseudo/{task}' where training reads no {task} from r: "
                    f"bind data.Data.tasks = {{'r': {tasks}}}"
                )
        whole = painter is not None and masker is not None and masker.mask is not None
        if "painter_for_masker" in phases.spans and not (whole and self.critics.painter is not None):
            raise ValueError(
                "phases must not have 'painter_for_masker' without mask decoder, painter and painter's critic: "
                "bind all three, or remove it"
            )

    def enter(self, on: frozenset[str]) -> None:
        """Switch to these phases; called between two steps."""
        self.generator.objective.on = on  # type: ignore[assignment]

    def example_batch(self, data: Data, generator: torch.Generator, domains: Collection[str]) -> Batch:
        """A random batch with the shapes of a real one, to rehearse a step without any data."""
        small = -(-data.size // data.target_stride)
        batch: dict[str, dict[str, Tensor]] = {}
        for domain in domains:
            count = data.batch_of(domain)
            image = torch.rand(count, 3, data.size, data.size, generator=generator) * 2 - 1
            labels = torch.randint(0, 11, (count, small, small), generator=generator)
            depth = torch.rand(count, 1, small, small, generator=generator)
            if data.depth_buckets:
                depth = torch.randint(0, data.depth_buckets, (count, small, small), generator=generator)
            mask = (torch.rand(count, 1, data.size, data.size, generator=generator) > 0.5).float()
            tasks = {"s": labels, "d": depth, "m": mask}
            batch[domain] = {"x": image} | {k: v for k, v in tasks.items() if k in data.tasks[domain]}
        return batch

    def evaluate(self, data: Data, runtime: Runtime) -> dict[str, float]:
        """Scores on held-out frames; see `evaluation.evaluate`."""
        with self.generator.settled():
            return evaluation.evaluate(self.model, data, runtime, distances=self.distances)

    def evaluate_baseline(self, data: Data, runtime: Runtime) -> dict[str, float]:
        """Scores of the trivial answer; see `evaluation.evaluate_baseline`."""
        return evaluation.evaluate_baseline(self.model, data, runtime)

    #: The healthy values of what `health` measures.
    health_ranges: Mapping[str, HealthRange] = health.RANGES

    def health(self, data: Data, runtime: Runtime) -> dict[str, float]:
        """Signals of collapse on a few held-out frames; see `recipes.climategan.health`."""
        with self.generator.settled():
            return health.health(self.model, self.critics, data, runtime)

    def sample(self, data: Data, runtime: Runtime) -> pictures.Picture | None:
        """A labelled grid of held-out frames of every domain with everything predicted, and the truth."""
        with self.generator.settled():
            return samples.overview(self._displayed, data, runtime, self.shown_domains(data), self.shown)

    def sheets(self, data: Data, runtime: Runtime) -> dict[str, pictures.Picture]:
        """A sheet of held-out frames for each domain and task; see `recipes.climategan.sheets`."""
        with self.generator.settled():
            return validation_sheets(self._displayed, data, runtime, self.shown_domains(data), self.shown)

    def show_events(self, data: Data, runtime: Runtime, folder: Path) -> list[Path]:
        """Write what can be made of held-out real frames into ``folder``; return the files."""
        if self.model.masker is None or "r" not in data.val_lists:
            return []
        with self.generator.settled():
            return samples.write_events(self._displayed, data, runtime, folder)

    @cached_property
    def _displayed(self) -> ClimateGAN:
        """The model, with another's painter where it has none."""
        if self.shown_painter is None or self.model.painter is not None:
            return self.model
        device = next(self.model.parameters()).device
        try:
            painter = ClimateGAN.from_run(self.shown_painter, device=str(device)).painter
        except InputError as error:
            what = f"climategan.System.shown_painter, {self.shown_painter}"
            raise InputError(what, expected=error.expected, got=error.got, fix=error.fix) from error
        if painter is None:
            fix = "bind climategan.System.shown_painter to the run of a painter"
            raise InputError(
                f"shown_painter {self.shown_painter}",
                expected="a run with a painter",
                got="none in it",
                fix=fix,
            )
        return ClimateGAN(self.model.masker, painter, paste_original=self.model.paste_original)

    def shown_domains(self, data: Data) -> list[str]:
        """The held-out domains that this system has something to show for."""
        wanted = {"s", "r", "kitti"} if self.model.masker is not None else set()
        wanted |= {"rf"} if self.model.painter is not None else set()
        return [domain for domain in data.val_lists if domain in wanted]


def _is_absent(model: nn.Module, part: str) -> bool:
    """Whether a model is built without this part, or without one that would hold it."""
    node: object = model
    for name in part.split("."):
        if not hasattr(node, name):
            return False
        node = getattr(node, name)
        if node is None:
            return True
    return False
