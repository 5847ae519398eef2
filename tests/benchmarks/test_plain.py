"""The plain form does the same as ours: equal losses, gradients, weights and pictures, within rounding."""

import doctest
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.plain import networks
from benchmarks.plain.events import dense_blur, grown, plain_infer_all
from benchmarks.plain.networks import in_our_names, plain_copy
from benchmarks.plain.optimiser import PlainExtraAdam
from benchmarks.plain.step import PlainStep
from gancomponents.events.blur import gaussian_blur, grow
from gancomponents.optim import ExtraAdam
from gancomponents.training import Batch
from recipes import config
from recipes.recipe import Recipe
from tests.recipes.tiny import TINY

#: Largest difference of two tensors over the largest value, in fp64. In fp32 the order of additions alone changes
#: gradients by a thousandth here, where batch norms see few values.
TOLERANCE = 1e-9


def _recipe(order: str = "simultaneous") -> Recipe:
    runtime = ("precision = 'fp32'", "device = 'cpu'", f"order = {order!r}")
    config.parse("recipes/climategan.gin", [*TINY, *(f"run.Recipe.{binding}" for binding in runtime)])
    torch.manual_seed(0)
    recipe = config.build(Recipe)
    for player in recipe.loop.players.values():
        player.objective.double()
    recipe.loop.train()
    return recipe


def _batches(recipe: Recipe, count: int) -> list[Batch]:
    batches = (
        recipe.system.example_batch(recipe.data, torch.Generator().manual_seed(seed), recipe.domains)
        for seed in range(count)
    )
    return [
        {
            domain: {task: t.double() if t.is_floating_point() else t for task, t in fields.items()}
            for domain, fields in batch.items()
        }
        for batch in batches
    ]


def _assert_close(ours: dict[str, torch.Tensor], plain: dict[str, torch.Tensor], tolerance: float) -> None:
    assert ours.keys() == plain.keys()
    for name, value in ours.items():
        value, other = value.detach().double(), plain[name].detach().double()
        scale = max(float(value.abs().max()), 1e-3)  # a gradient may be zero but for rounding
        assert float((value - other).abs().max()) < tolerance * scale, name


@pytest.mark.parametrize("order", ["simultaneous", "strict"])
def test_a_step_has_the_same_losses_gradients_and_buffers(order: str) -> None:
    recipe = _recipe(order)
    plain = PlainStep(recipe.system, order)
    (batch,) = _batches(recipe, 1)
    torch.manual_seed(1)
    ours = recipe.loop.step(batch, 0)
    torch.manual_seed(1)
    _assert_close(ours, plain(batch), TOLERANCE)
    for mine, theirs in ((recipe.system.model, plain.model), (recipe.system.critics, plain.critics)):
        gradients, plains = (
            {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
            for net in (mine, theirs)
        )
        _assert_close(gradients, _named(theirs, plains), TOLERANCE)
        buffers = dict(mine.named_buffers())
        _assert_close(buffers, _named(theirs, dict(theirs.named_buffers())), TOLERANCE)


@pytest.mark.parametrize("order", ["simultaneous", "strict"])
def test_losses_stay_together_over_steps(order: str) -> None:
    recipe = _recipe(order)
    plain = PlainStep(recipe.system, order)
    for index, batch in enumerate(_batches(recipe, 4)):  # two pairs of an extrapolation and an update
        torch.manual_seed(index)
        ours = recipe.loop.step(batch, index)
        torch.manual_seed(index)
        _assert_close(ours, plain(batch), 1e-6)


def _named(net: nn.Module, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    vectors = {name: buffer for name, buffer in net.named_buffers() if name.endswith((".u", ".v"))}
    found = in_our_names({**vectors, **tensors})
    return {
        name: tensor
        for name, tensor in found.items()
        if name.rpartition(".")[-1] not in ("_u", "_v") or vectors.keys() <= tensors.keys()
    }


def test_extra_adam_moves_alike() -> None:
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.randn(4))]
    copies = [nn.Parameter(p.detach().clone()) for p in weights]
    ours, plain = ExtraAdam(weights, lr=0.1, betas=(0.5, 0.9)), PlainExtraAdam(copies, 0.1, (0.5, 0.9))
    for _ in range(5):
        for p, copy in zip(weights, copies, strict=True):
            p.grad = torch.randn_like(p)
            copy.grad = p.grad.clone()
        ours.step()
        plain.step()
        for p, copy in zip(weights, copies, strict=True):
            torch.testing.assert_close(copy, p, rtol=1e-5, atol=1e-6)


def test_events_are_the_same_pictures() -> None:
    model = _recipe().system.model.float().eval()
    photos = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    model.masker.segmentation.classify.bias.data[9] = 1  # some sky
    ours = model.infer_all(photos, size="full")
    plain = plain_infer_all(plain_copy(model), photos)
    for name, picture in plain.items():
        levels = np.abs(picture.astype(int) - getattr(ours, name).astype(int))
        # A pixel of the mask or of the sky may lie on the threshold.
        assert (levels > 1).mean() < 0.001, name
    assert plain["wildfire"].std() > 10


@pytest.mark.parametrize("size", [33, 64])
def test_blur_and_growth_are_those_of_ours(size: int) -> None:
    mask = (torch.rand(2, 1, size, size, generator=torch.Generator().manual_seed(0)) > 0.98).float()
    for dim in (2, 3):
        assert torch.equal(grown(mask, dim), grow(mask, int(0.18 * size) - 1, dim))
    torch.testing.assert_close(dense_blur(mask, 15, 5.0), gaussian_blur(mask, 15, 5.0), rtol=1e-4, atol=1e-6)


def test_nothing_fast_is_left_in_the_plain_form() -> None:
    plain = PlainStep(_recipe().system)
    kinds = {type(module).__name__ for net in (plain.model, plain.critics) for module in net.modules()}
    assert not kinds & {
        "SPADE",
        "SPADEResidualBlock",
        "SPADEPainter",
        "ConvBlock",
        "InstanceNorm",
        "SpectralNorm",
    }
    every = itertools.chain(plain.model.parameters(), plain.critics.parameters())
    assert all(p.is_contiguous() and p.dtype is torch.float64 for p in every)
    assert {"PlainSPADE", "PlainSpectralConv", "PlainConvBlock", "PlainBottleneck", "InstanceNorm2d"} <= kinds


def test_examples() -> None:
    assert doctest.testmod(networks).failed == 0
