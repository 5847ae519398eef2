"""The blocks inside a step, forward and backward, each on the inputs that it has there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.climategan.cases import Case, count
from benchmarks.climategan.steps import Steps
from gancomponents.losses import advent_input
from gancomponents.training import Batch
from recipes.climategan.critics import Critics
from recipes.climategan.model import ClimateGAN

#: What a block makes of its inputs: tensors, or a nest of lists and tuples of them.
Pass = Callable[[], Any]


class Passes:
    """A block's forward and backward passes; the first makes the graph that the second uses up.

    Args:
        forward: the block on inputs of its own.
        module: whose gradients are dropped between passes.
        inputs: whose gradients are, too.
        autocast: makes the context of the forward pass.
    """

    def __init__(
        self,
        forward: Pass,
        module: nn.Module,
        inputs: Sequence[Tensor],
        autocast: Callable[[], AbstractContextManager[Any]],
    ):
        self.run, self.module, self.inputs, self.autocast = forward, module, inputs, autocast
        self.outputs: list[Tensor] = []

    def forward(self) -> None:
        for tensor in (*self.module.parameters(), *self.inputs):
            tensor.grad = None
        with self.autocast():
            self.outputs = list(_tensors(self.run()))

    def backward(self) -> None:
        torch.autograd.backward(self.outputs, [torch.ones_like(output) for output in self.outputs])
        self.outputs = []


def blocks(steps: Steps) -> Iterator[Case]:
    """Every block of ours beside its plain form, forward and backward, and both optimisers."""
    losses = steps.generator.objective.painter
    ours = _passes(
        steps.recipe.system.model, steps.recipe.system.critics, losses, steps.batch, steps.runtime.autocast
    )
    plain = _passes(
        steps.plain.model, steps.plain.critics, steps.plain.painter_losses, steps.plain_batch, nullcontext
    )
    for name, mine in ours.items():
        twin = plain[name]
        flops = count(twin.forward)
        yield Case(f"{name} forward", mine.forward, twin.forward, flops)
        yield Case(f"{name} backward", mine.backward, twin.backward, count(twin.backward))
    players = {"generator": steps.generator, "critics": steps.critic}
    optimisers = {"generator": steps.plain.generator_optimiser, "critics": steps.plain.critic_optimiser}
    for name, player in players.items():
        mine_step = _optimiser_step(player.optimiser, player.parameters)
        yield Case(f"{name} optimiser", mine_step, _optimiser_step(optimisers[name], optimisers[name].params))


def _passes(
    model: ClimateGAN,
    critics: Critics,
    losses: Any,
    batch: Batch,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> Mapping[str, Passes]:
    masker, painter = model.masker, model.painter
    assert masker is not None
    assert painter is not None
    x, flooded, water = batch["s"]["x"], batch["rf"]["x"], batch["rf"]["m"]
    size = tuple(-(-side // masker.target_stride) for side in x.shape[-2:])
    with torch.no_grad(), autocast():
        features = [_leaf(t) for t in masker.encoder(x)]
        fusion = masker.depth(features, size=size)[1]  # type: ignore[misc]
        classes, depths = (batch["s"]["s"], torch.rand_like(x[:, :1, : size[0], : size[1]]))
    fusion = _leaf(fusion)
    one_hot = nn.functional.one_hot(classes, 11).movedim(-1, 1).float()
    entropies = {
        "segmentation": advent_input((one_hot + 1).softmax(1), depths),
        "mask": advent_input(torch.cat([water, 1 - water], 1) * 0.8 + 0.1),
    }
    fake = _leaf(flooded.flip(-1))

    def passes(forward: Pass, module: nn.Module | None, *inputs: Tensor) -> Passes:
        assert module is not None
        return Passes(forward, module, inputs, autocast)

    found = {
        "encoder": passes(lambda: masker.encoder(x), masker.encoder),
        "depth": passes(lambda: masker.depth(features, size=size), masker.depth, *features),  # type: ignore[misc]
        "segmentation": passes(
            lambda: masker.segmentation(features, fusion=fusion, size=size),  # type: ignore[misc]
            masker.segmentation,
            *features,
            fusion,
        ),
        "mask": passes(lambda: masker.mask(features, fusion=None), masker.mask, *features),  # type: ignore[misc]
        "painter": passes(lambda: painter(flooded * (1 - water)), painter),
        "VGG": passes(lambda: losses.perceptual(fake * water, flooded * water), losses.perceptual, fake),
        "painter critic": passes(
            lambda: critics.judge_painting(flooded, fake.detach(), water), critics.painter
        ),
    }
    for task in ("segmentation", "mask"):
        critic = getattr(critics, task)
        found[f"{task} critic"] = passes(lambda critic=critic, task=task: critic(entropies[task]), critic)
    return found


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.preserve_format).requires_grad_()


def _tensors(nest: Any) -> Iterator[Tensor]:
    if isinstance(nest, Tensor):
        yield nest
    elif nest is not None:
        for item in nest.values() if isinstance(nest, Mapping) else nest:
            yield from _tensors(item)


def _optimiser_step(optimiser: Any, parameters: Sequence[nn.Parameter]) -> Callable[[], None]:
    gradients = [torch.full_like(p, 1e-3) for p in parameters]

    def step() -> None:
        for p, gradient in zip(parameters, gradients, strict=True):
            p.grad = gradient
        optimiser.step()

    return step
