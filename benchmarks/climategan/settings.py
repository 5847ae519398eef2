"""What is measured: the published configuration at one size, batch, width and precision."""

from dataclasses import dataclass

import torch

from gancomponents.errors import InputError
from gancomponents.training import Batch
from recipes import config
from recipes.recipe import Recipe

GIN = "recipes/climategan_paper.gin"
_LISTS = ("TRAIN_S", "TRAIN_R", "TRAIN_RF", "VAL_S", "VAL_R", "VAL_RF")
#: The published configuration without files: batches are random, so are weights.
_WITHOUT_FILES = (
    "DATA = '.'",
    *(f"{name} = 'none.json'" for name in _LISTS),
    "DEEPLAB_WEIGHTS = None",
    "VGG_WEIGHTS = None",
    "climategan.System.pretrained = {}",
    "climategan.System.distances = None",
    "data.Data.crop = None",
)


@dataclass(frozen=True)
class Settings:
    """Size and batch of the work, and how ours does it; the plain form is always fp32.

    Attributes:
        width: of the painter; None for the published 640.
        bindings: further ones, such as those that make every network small.
    """

    device: str = "cpu"
    size: int = 256
    batch: int = 1
    precision: str = "fp32"
    width: int | None = None
    bindings: tuple[str, ...] = ()

    def bound(self, more: tuple[str, ...] = ()) -> list[str]:
        """The bindings of these settings."""
        own = (
            f"SIZE = {self.size}",
            f"data.Data.batch_size = {self.batch}",
            f"run.Recipe.precision = {self.precision!r}",
            f"run.Recipe.device = {self.device!r}",
        )
        width = () if self.width is None else (f"generators.SPADEPainter.width = {self.width}",)
        return [*_WITHOUT_FILES, *own, *width, *self.bindings, *more]


def build(settings: Settings, *more: str) -> Recipe:
    """The recipe, ready to train.

    Raises:
        InputError: settings that no such recipe can have.
    """
    config.parse(GIN, settings.bound(more))
    torch.manual_seed(0)
    recipe: Recipe = config.build(Recipe)
    painter, critic = recipe.system.model.painter, recipe.system.critics.painter
    stride = 2 ** int(getattr(painter, "upsamplings", 0))
    smallest = max(2 * stride, int(getattr(critic, "min_size", 1)))
    if settings.size % stride or settings.size < smallest:
        expected = f"a multiple of {stride} of at least {smallest}"
        raise InputError("--size", expected=expected, got=str(settings.size), fix="256 is the default")
    recipe.loop.train()
    return recipe


def example(recipe: Recipe) -> Batch:
    """A random batch on the recipe's device."""
    generator = torch.Generator().manual_seed(0)
    batch = recipe.system.example_batch(recipe.data, generator, recipe.domains)
    return recipe.runtime.to_device(batch)


def contiguous(batch: Batch) -> Batch:
    """The same batch in the memory order of the plain form."""
    return {
        domain: {task: value.clone(memory_format=torch.contiguous_format) for task, value in fields.items()}
        for domain, fields in batch.items()
    }
