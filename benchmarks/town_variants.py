"""The parts of ClimateGAN that `benchmarks.town_parts` measures, as data: a recipe, and bindings on top of it."""

import hashlib
from dataclasses import dataclass

from recipes import config


@dataclass(frozen=True)
class Variant:
    """One configuration.

    Attributes:
        name: in the table.
        group: masker or painter; equal data, steps and batches within.
        recipe: the .gin file.
        bindings: on top of the recipe.
        base: the name of the variant from which it differs by what it adds; None for the first of its group.
        what: it adds, or leaves out.
    """

    name: str
    group: str
    recipe: str
    bindings: tuple[str, ...]
    base: str | None
    what: str


_MSD = "recipes/climategan/msd.gin"
_PAINTER = "recipes/climategan/painter.gin"

# Without a critic nothing builds its objective and optimiser: left as they are,
# their bindings would count as mistakes.
_NO_CRITICS = (
    "climategan.Critics.segmentation = None",
    "climategan.Critics.mask = None",
    "climategan.System.critic = None",
    "climategan.System.critic_optimiser = None",
    "climategan.System.critic_schedule = None",
)
_NO_FUSION = ("climategan.Masker.fuse_segmentation = False",)
_S_ALONE = (
    "data.Data.train = {'s': 'train_s.json', 'rf': 'train_rf.json'}",  # a masker does not read rf
)


def _masker(*off: str) -> tuple[str, ...]:
    return (f"climategan.MaskerLosses.weights = {dict.fromkeys(off, 0.0)}",)


_GROUND, _ENTROPY = ("m/ground_intersection",), ("s/min_entropy", "m/min_entropy")
_ADVENT = ("s/advent", "m/advent")

VARIANTS = (
    Variant(
        "source only",
        "masker",
        _MSD,
        (*_masker(*_GROUND, *_ENTROPY, *_ADVENT), *_NO_CRITICS, *_NO_FUSION, *_S_ALONE),
        None,
        "supervised on simulated streets; no real frame is seen",
    ),
    Variant(
        "+ real frames",
        "masker",
        _MSD,
        (*_masker(*_GROUND, *_ENTROPY, *_ADVENT), *_NO_CRITICS, *_NO_FUSION),
        "source only",
        "batch norm statistics of real frames, a smooth mask on them (m/tv)",
    ),
    Variant(
        "+ min-entropy",
        "masker",
        _MSD,
        (*_masker(*_GROUND, *_ADVENT), *_NO_CRITICS, *_NO_FUSION),
        "+ real frames",
        "s/min_entropy and m/min_entropy",
    ),
    Variant(
        "+ AdvEnt",
        "masker",
        _MSD,
        (*_masker(*_GROUND), *_NO_FUSION),
        "+ min-entropy",
        "critics of both entropy maps, s/advent and m/advent",
    ),
    Variant(
        "+ DADA",
        "masker",
        _MSD,
        _masker(*_GROUND),
        "+ AdvEnt",
        "depth fused into segmentation; its critic's maps weighted by depth",
    ),
    Variant(
        "+ ground intersection",
        "masker",
        _MSD,
        (),
        "+ DADA",
        "m/ground_intersection with the pseudo ground of real frames: recipes/climategan/msd.gin",
    ),
    Variant(
        "SPADE mask",
        "masker",
        "recipes/climategan/mask_spade15.gin",
        (),
        "+ ground intersection",
        "SPADE mask decoder, 15 channels of condition, in place of the plain one",
    ),
    Variant(
        "painter",
        "painter",
        _PAINTER,
        (),
        None,
        "p/gan, p/vgg, p/feature_matching: recipes/climategan/painter.gin",
    ),
    Variant(
        "- VGG",
        "painter",
        _PAINTER,
        ("climategan.PainterLosses.weights = {'p/vgg': 0.0}", "climategan.PainterLosses.perceptual = None"),
        "painter",
        "without p/vgg",
    ),
    Variant(
        "- feature matching",
        "painter",
        _PAINTER,
        ("climategan.PainterLosses.weights = {'p/feature_matching': 0.0}",),
        "painter",
        "without p/feature_matching",
    ),
    Variant(
        "+ DiffAugment",
        "painter",
        "recipes/climategan/diffaugment.gin",
        (),
        "painter",
        "the critic sees augmented pictures",
    ),
)

#: What makes a run short: frames of 96 pixels, three of each domain in a batch, the masker's depth and classes at a
#: third of that size, and the generator's learning rate halved after each third of the run, as the recipes do.
SIZE = 96
_STRIDE, _BATCH = 3, 3


def named(name: str) -> Variant:
    """The variant of this name."""
    return next(variant for variant in VARIANTS if variant.name == name)


def bindings_of(variant: Variant, steps: int) -> list[str]:
    """Everything that is bound on top of the variant's recipe in a run of so many steps."""
    scale = [
        f"SIZE = {SIZE}",
        f"data.Data.target_stride = {_STRIDE}",
        f"data.Data.batch_size = {_BATCH}",
        f"run.Recipe.steps = {steps}",
        f"generator/optim.StepDecay.every = {-(-steps // 3)}",
        "run.Recipe.device = 'cpu'",
    ]
    if variant.group == "masker":
        scale.append(f"climategan.Masker.target_stride = {_STRIDE}")
    return [*scale, *variant.bindings]


def digest(variant: Variant, steps: int) -> str:
    """A short hash of all that is configured, recipe files included; the seed is not part of it.

    A comment or another order of lines in a recipe changes nothing.
    """
    config.parse(variant.recipe, bindings_of(variant, steps))
    lines = [line for line in config.parsed_text().splitlines() if not line.startswith("#")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
