"""ClimateGAN as a recipe trains it: model, critics, both players, what is judged and what is shown."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gancomponents.optim import ExtraAdam
from gancomponents.training import Batch, Player, Runtime
from recipes import pictures
from recipes.climategan import evaluation
from recipes.climategan.critics import Critics
from recipes.climategan.events import EVENTS, Options, imagine
from recipes.climategan.inference import evaluating
from recipes.climategan.model import ClimateGAN
from recipes.climategan.objectives import CriticObjective, GeneratorObjective
from recipes.data import Data

OptimiserFactory = Callable[..., Optimizer]
Schedule = Callable[[int], float]

_COLUMNS = (
    "input",
    "depth",
    "segmentation",
    "mask",
    "masked (rf: true mask)",
    "painted (rf: true mask)",
    "true depth",
    "true classes",
    "true mask",
    "true flood",
)


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
        shown: held-out frames of each domain in a sample grid.
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
        shown: int = 2,
    ):
        if shown < 1:
            raise ValueError(f"shown must be >= 1, got {shown}: a sample grid needs a row of each domain")
        self.model = model
        self.critics = critics
        self.shown = shown
        self.generator = Player(
            generator(model, critics),
            generator_optimiser,
            generator_schedule,
            rates={f"model.{part}": rate for part, rate in (generator_rates or {}).items()},
        )
        self.critic = Player(
            critic(critics),
            critic_optimiser,
            critic_schedule,
            rates={f"critics.{part}": rate for part, rate in (critic_rates or {}).items()},
        )

    def parts(self) -> dict[str, nn.Module]:
        """The networks by name, for counting parameters."""
        masker, critics = self.model.masker, self.critics
        return {
            "encoder": masker.encoder,
            "depth decoder": masker.depth,
            "segmentation decoder": masker.segmentation,
            "mask decoder": masker.mask,
            "painter": self.model.painter,
            "segmentation critic": critics.segmentation,
            "mask critic": critics.mask,
            "painter critic": critics.painter,
        }

    def example_batch(self, data: Data, generator: torch.Generator) -> Batch:
        """A random batch with the shapes of a real one, to rehearse a step without any data."""
        small = -(-data.size // data.target_stride)
        batch: dict[str, dict[str, Tensor]] = {}
        for domain in data.domains:
            count = data.batch_size if isinstance(data.batch_size, int) else data.batch_size[domain]
            image = torch.rand(count, 3, data.size, data.size, generator=generator) * 2 - 1
            labels = torch.randint(0, 11, (count, small, small), generator=generator)
            depth = torch.rand(count, 1, small, small, generator=generator)
            mask = (torch.rand(count, 1, data.size, data.size, generator=generator) > 0.5).float()
            tasks = {"s": labels, "d": depth, "m": mask}
            batch[domain] = {"x": image} | {k: v for k, v in tasks.items() if k in data.tasks[domain]}
        return batch

    def evaluate(self, data: Data, runtime: Runtime) -> dict[str, float]:
        """Scores on held-out frames; see `evaluation.evaluate`."""
        with self.generator.settled():
            return evaluation.evaluate(self.model, data, runtime)

    def evaluate_baseline(self, data: Data, runtime: Runtime) -> dict[str, float]:
        """Scores of the trivial answer; see `evaluation.evaluate_baseline`."""
        return evaluation.evaluate_baseline(data, runtime)

    def sample(self, data: Data, runtime: Runtime) -> pictures.Picture:
        """A labelled grid of held-out frames of every domain with everything predicted, and the truth."""
        rows: list[list[pictures.Picture | None]] = []
        names: list[str] = []
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad(), self.generator.settled():
            for domain in data.val_lists:
                frames = data.held_out(domain)
                for index in range(min(self.shown, len(frames))):
                    flooded = data.flooded().sample(index)["x"] if domain == "rf" else None
                    rows.append(self._row(frames.sample(index), flooded, runtime))
                    names.append(f"{domain} {index}")
        self.model.train(was_training)
        return pictures.grid(rows, _COLUMNS, names)

    def _row(
        self, frame: dict[str, Tensor], flooded: Tensor | None, runtime: Runtime
    ) -> list[pictures.Picture | None]:
        x = frame["x"][None].to(runtime.device)
        with runtime.autocast():
            seen = self.model(x)
            mask = seen.mask.float().sigmoid()
            # A flooded pair tests the painter alone, so it gets the true mask.
            where = (mask > 0.5).float() if flooded is None else frame["m"][None].to(x)
            painted = self.model.paint(x, where)
        return [
            pictures.of_image(x[0]),
            pictures.of_depth(seen.depth[0]),
            pictures.of_labels(seen.segmentation[0].argmax(0)),
            pictures.of_mask(mask[0]),
            pictures.of_image((x * (1 - where))[0]),
            pictures.of_image(painted[0]),
            pictures.of_depth(frame["d"]) if "d" in frame else None,
            pictures.of_labels(frame["s"]) if "s" in frame else None,
            pictures.of_mask(frame["m"]) if "m" in frame else None,
            None if flooded is None else pictures.of_image(flooded),
        ]

    def show_events(self, data: Data, runtime: Runtime, folder: Path, *, count: int = 4) -> list[Path]:
        """Write flood, wildfire and smog of held-out real frames into ``folder``; return the files."""
        from gancomponents.data import write_image

        if "r" not in data.val_lists:
            return []
        frames = data.held_out("r")
        written = []
        for index in range(min(count, len(frames))):
            x = frames.sample(index)["x"][None].to(runtime.device)
            for name, picture in {"input": x, **self.imagine(x, runtime)}.items():
                path = folder / f"r_{index:02d}_{name}.png"
                write_image(path, pictures.of_image(picture[0]))
                written.append(path)
        return written

    @torch.no_grad()
    def imagine(
        self, x: Tensor, runtime: Runtime, *, photo: Tensor | None = None, threshold: float = 0.5
    ) -> dict[str, Tensor]:
        """Flood, wildfire, smog and mask of images, with the settled weights, as far as the model makes them.

        Args:
            x: images (B, 3, h, w) in [-1, 1], of a size that suits the networks.
            runtime: where to compute.
            photo: the same images (B, 3, H, W) at the size of the results; what is not painted keeps its detail.
            threshold: water probability that floods a pixel.

        Returns:
            Each (B, 3, H, W) in [-1, 1].
        """
        photo = x if photo is None else photo
        with self.generator.settled(), evaluating(self.model), runtime.autocast():
            found = imagine(self.model, photo, x, Options(threshold=threshold))
        made = {name: getattr(found, name) for name in EVENTS if getattr(found, name) is not None}
        if found.mask is not None:
            made["mask"] = (found.mask.float() * 2 - 1).expand_as(photo)
        return made
