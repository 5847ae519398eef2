"""Peak memory above the static state, each piece of work in a process of its own."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from benchmarks.climategan.inference import photos
from benchmarks.climategan.settings import Settings, build, contiguous, example
from benchmarks.climategan.steps import full_step, plain_step
from benchmarks.plain.events import plain_infer_all
from benchmarks.plain.networks import plain_copy
from benchmarks.plain.step import PlainStep
from benchmarks.timing import Work, memory_mebibytes
from recipes.recipe import Recipe

#: The variants of each piece of work: the plain form, ours in fp32, and ours in the precision asked for.
PLAIN = "plain"


def step(settings: Settings, variant: str) -> Work:
    """A full step, after one."""
    return plain_step(settings) if variant == PLAIN else full_step(settings, _precision(variant))


def critics(settings: Settings, variant: str) -> Work:
    """The critics' gradients: from what the generator step handed over, or in the plain form from the pictures."""
    if variant == PLAIN:
        recipe = build(settings, _precision("fp32"))
        plain, batch = PlainStep(recipe.system), contiguous(example(recipe))
        return lambda: plain.backward_critics(batch)
    recipe = build(settings, _precision(variant))
    batch, (generator, critic) = example(recipe), recipe.loop.players.values()
    with recipe.runtime.autocast():
        shown = generator.objective.present(batch)  # type: ignore[operator]

    def work() -> None:
        with recipe.runtime.autocast():
            losses, _ = critic.objective(batch, shown)
        critic.backward(losses)

    return work


def painter(settings: Settings, variant: str) -> Work:
    """The painter's forward and backward pass."""
    plain = variant == PLAIN
    recipe = build(settings, _precision("fp32" if plain else variant))
    batch = example(recipe)
    network: Any = recipe.system.model.painter
    if plain:
        network, batch = plain_copy(network), contiguous(batch)

    def work() -> None:
        with recipe.runtime.autocast():
            picture = network(batch["rf"]["x"])
        picture.float().mean().backward()

    return work


def inference(settings: Settings, variant: str) -> Work:
    """All events of the photos."""
    plain = variant == PLAIN
    recipe = build(settings, _precision("fp32" if plain else variant))
    model, pictures, kind = recipe.system.model, photos(settings), recipe.runtime.autocast_dtype
    if plain:
        twin = plain_copy(model).eval()
        return lambda: plain_infer_all(twin, pictures)
    return lambda: model.infer_all(pictures, size="full", autocast=kind)


WORKS: dict[str, Callable[[Settings, str], Work]] = {
    "step": step,
    "critics": critics,
    "painter": painter,
    "inference": inference,
}


def peaks(settings: Settings) -> dict[str, dict[str, dict[str, float] | None]]:
    """By work and variant, MiB as `benchmarks.timing.memory_mebibytes` tells them."""
    variants = list(dict.fromkeys([PLAIN, "fp32", settings.precision]))
    return {
        name: {v: memory_mebibytes(make, settings, v, device=settings.device) for v in variants}
        for name, make in WORKS.items()
    }


def static_mebibytes(recipe: Recipe) -> dict[str, float]:
    """MiB of what stays from step to step, computed from the shapes."""
    players = recipe.loop.players.values()
    trained = [p for player in players for p in player.parameters]
    constants: list[Tensor] = [b for player in players for b in player.objective.buffers()]
    return {
        "weights": _mebibytes(trained),
        "moments": 2 * _mebibytes(trained),
        "look-ahead": _mebibytes(trained),
        "gradients": _mebibytes(trained),
        "constants": _mebibytes(constants),
    }


def _mebibytes(tensors: Iterable[Tensor]) -> float:
    return sum({id(t): t.nbytes for t in tensors}.values()) / 2**20


def _precision(name: str) -> str:
    return f"run.Recipe.precision = {name!r}"
