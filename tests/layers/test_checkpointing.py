"""Activation checkpointing changes memory and nothing else, bit for bit."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gancomponents.generators import SPADEPainter
from gancomponents.layers import ConvBlock, checkpointed, leaky_relu

_BATCH_NORM = partial(nn.BatchNorm2d, affine=False)
_BUFFERS = ("spectral", "batch", "shortcut")


def _painter(kind: str = "spectral", *, checkpointing: bool) -> SPADEPainter:
    torch.manual_seed(0)
    options = {
        "spectral": {},
        "batch": {"norm": _BATCH_NORM, "spectral": False},
        "shortcut": {"norm": _BATCH_NORM, "final_shortcut": True},
    }
    return SPADEPainter(
        8, upsamplings=2, hidden_channels=4, checkpointing=checkpointing, **options[kind]
    ).train()


def _pair(kind: str = "spectral") -> list[SPADEPainter]:
    return [_painter(kind, checkpointing=each) for each in (False, True)]


def _cond(step: int = 0) -> Tensor:
    return torch.randn(2, 3, 13, 10, generator=torch.Generator().manual_seed(step))


def _same(a: nn.Module, b: nn.Module) -> None:
    ours, theirs = a.state_dict(), b.state_dict()
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


@pytest.mark.parametrize("kind", _BUFFERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_and_buffers_after_three_steps_are_the_same(kind: str, precision: str) -> None:
    painters = _pair(kind)
    for painter in painters:
        optimiser = torch.optim.Adam(painter.parameters(), lr=1e-2)
        for step in range(3):
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                # Twice before one backward pass, as where a painter paints in two domains.
                loss = painter(_cond(step)).square().mean() + painter(_cond(step + 9)).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    _same(*painters)
    tracked = [n for n, b in painters[1].named_buffers() if n.endswith("num_batches_tracked")]
    assert all(painters[1].get_buffer(name).item() == 6 for name in tracked)


@pytest.mark.parametrize("kind", _BUFFERS)
def test_evaluation_is_the_same_with_and_without_gradients(kind: str) -> None:
    painters = _pair(kind)
    for grad in (nullcontext(), torch.no_grad()):
        with grad:
            images = [painter.eval()(_cond()) for painter in painters]
        assert torch.equal(*images)
    images = [painter(_cond()) for painter in painters]
    grads = [
        torch.autograd.grad(image.sum(), list(p.parameters()))
        for image, p in zip(images, painters, strict=True)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))
    _same(*painters)


@pytest.mark.parametrize("kind", _BUFFERS)
def test_gradients_of_gradients_are_the_same(kind: str) -> None:
    found = []
    for painter in _pair(kind):
        cond = _cond().requires_grad_()
        (slope,) = torch.autograd.grad(painter(cond).square().sum(), cond, create_graph=True)
        ((slope.norm() - 1) ** 2).backward()
        found.append((painter, [p.grad for p in painter.parameters() if p.grad is not None], cond.grad))
    (plain, grads, grad), (ours, our_grads, our_grad) = found
    assert len(grads) == len(our_grads)
    assert all(torch.equal(a, b) for a, b in zip([grad, *grads], [our_grad, *our_grads], strict=True))
    _same(plain, ours)


def test_parameters_frozen_in_the_pass_alone_are_so_in_the_second() -> None:
    painters = _pair()
    grads = []
    for painter in painters:
        cond = _cond().requires_grad_()
        painter.requires_grad_(False)
        image = painter(cond)
        painter.requires_grad_(True)
        image.square().sum().backward()
        grads.append(cond.grad)
        assert all(p.grad is None and p.requires_grad for p in painter.parameters())
    assert torch.equal(*grads)


def test_later_passes_do_not_disturb_an_earlier_graph() -> None:
    grads = []
    for painter in _pair("shortcut"):
        image = painter(_cond(0))
        painter(_cond(1))
        before = copy.deepcopy(painter.state_dict())
        grads.append(torch.autograd.grad(image.sum(), list(painter.parameters()), retain_graph=True))
        again = torch.autograd.grad(image.sum(), list(painter.parameters()))
        assert all(torch.equal(a, b) for a, b in zip(grads[-1], again, strict=True))
        assert all(torch.equal(before[name], value) for name, value in painter.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_random_numbers_are_drawn_once() -> None:
    block = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    found = []
    for call in (lambda x: block(x), lambda x: checkpointed(block, block, x)):
        torch.manual_seed(1)
        loss = call(torch.ones(3, 4)).sum()
        found.append((*torch.autograd.grad(loss, list(block.parameters())), torch.rand(2)))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def _kept_bytes(work: Callable[[], Tensor]) -> int:
    """Bytes of what the graph of a pass holds on to."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        work()
    return sum(kept.values())


def test_the_painter_keeps_a_fraction() -> None:
    cond = torch.randn(2, 3, 64, 64)
    plain, ours = (_kept_bytes(lambda p=painter: p(cond)) for painter in _pair())
    assert ours < plain / 5


@pytest.mark.parametrize("amp", [nullcontext(), torch.autocast("cpu", torch.bfloat16)], ids=["fp32", "bf16"])
def test_compiled_it_is_the_plain_pass(amp: AbstractContextManager[object]) -> None:
    painters = _pair()
    grads = []
    for painter in painters:
        with amp:
            image = torch.compile(painter, backend="aot_eager", fullgraph=True)(_cond())
        grads.append(torch.autograd.grad(image.sum(), list(painter.parameters())))
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))
    _same(*painters)


def test_any_block_can_be_checkpointed() -> None:
    block = ConvBlock(3, 4, norm=nn.BatchNorm2d, activation=leaky_relu, spectral=True)
    twin = copy.deepcopy(block)
    x = _cond()
    checkpointed(block, block, x).sum().backward()
    twin(x).sum().backward()
    _same(block, twin)
    assert all(
        torch.equal(a.grad, b.grad) for a, b in zip(block.parameters(), twin.parameters(), strict=True)
    )
