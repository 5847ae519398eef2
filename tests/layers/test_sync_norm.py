"""Batch norm over two real processes is that of one process with both batches."""

import copy
import pickle
from functools import partial
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from gancomponents.decoders import ASPP
from gancomponents.encoders import FrozenBatchNorm
from gancomponents.layers import ConvBlock, SyncBatchNorm, fuse_batch_norms, synchronise_batch_norms
from tests.training.gloo import in_two

#: Rows of the first process in a batch of six: as many as the second has, fewer, one.
CUTS = (3, 2, 1)
_NORMS = {
    "usual": {},
    "cumulative": {"momentum": None},
    "free": {"affine": False},
    "untracked": {"track_running_stats": False},
}


def _pictures() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(6, 3, 5, 4, generator=generator, dtype=torch.float64)
    return pictures * 3 + 100  # far from zero, where E[x^2] - E[x]^2 has no digits left in fp32


def _drawn(norm: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    return norm.double()


def _passes(norm: nn.Module, x: Tensor) -> dict[str, Any]:
    """Two passes, gradients, and gradients of gradients, all of a sum over the rows of all processes."""
    x = x.clone().requires_grad_()
    norm(x.flip(2))
    y = norm(x)
    (slope,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
    slope.square().sum().backward()
    buffers = {name: b.clone() for name, b in norm.named_buffers()}
    return {
        "y": y.detach(),
        "slope": slope.detach(),
        "grad": x.grad,
        "grads": [p.grad for p in norm.parameters()],
        "buffers": buffers,
    }


def _in_parts() -> dict[str, Any]:
    rank = dist.get_rank()
    found: dict[str, Any] = {}
    for cut in CUTS:
        part = _pictures()[:cut] if rank == 0 else _pictures()[cut:]
        for name, options in _NORMS.items():
            found[f"{name}/{cut}"] = _passes(_drawn(SyncBatchNorm(3, **options)), part)
    half = _pictures()[rank * 3 : rank * 3 + 3].float()
    image = half.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        low = _drawn(SyncBatchNorm(3)).float()(image.bfloat16())
    found["bf16"] = (low.detach(), low.is_contiguous(memory_format=torch.channels_last))
    found["fp32"] = _drawn(SyncBatchNorm(3)).float()(half).detach()
    flat = synchronise_batch_norms(nn.BatchNorm1d(3)).double()
    found["flat"] = flat(_pictures()[rank * 3 : rank * 3 + 3, :, 0, 0])
    pooled = synchronise_batch_norms(_pooling()).train()
    found["pooled"] = pooled(_pictures()[rank : rank + 1].float()).detach()
    frozen = synchronise_batch_norms(
        nn.ModuleList([FrozenBatchNorm(3), FrozenBatchNorm(3, statistics=False)])
    )
    found["frozen"] = [layer(half).detach() for layer in frozen.train()]
    found["evaluation"] = SyncBatchNorm(3).eval()(half) if rank == 0 else None  # the second does not come
    return found


def _pooling() -> nn.Module:
    torch.manual_seed(2)
    return ASPP(3, channels=4, rates=(1,), image_pooling=True, dropout=0.0)


@pytest.fixture(scope="module")
def two() -> list[dict[str, Any]]:
    return in_two(_in_parts)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", _NORMS)
def test_two_processes_normalise_as_one(two: list[dict[str, Any]], name: str, cut: int) -> None:
    whole = _passes(_drawn(nn.BatchNorm2d(3, **_NORMS[name])), _pictures())
    close = partial(torch.testing.assert_close, rtol=1e-8, atol=1e-8)
    first, second = (found[f"{name}/{cut}"] for found in two)
    for key in ("y", "slope", "grad"):
        close(torch.cat([first[key], second[key]]), whole[key])
    for a, b, both in zip(first["grads"], second["grads"], whole["grads"], strict=True):
        close(a + b, both)
    for found in (first, second):
        close(found["buffers"], whole["buffers"])
    assert all(torch.equal(first["buffers"][key], value) for key, value in second["buffers"].items())


def test_statistics_are_in_full_precision_and_the_layout_stays(two: list[dict[str, Any]]) -> None:
    whole = _drawn(nn.BatchNorm2d(3)).float()(_pictures().float())
    torch.testing.assert_close(torch.cat([found["fp32"] for found in two]), whole, rtol=1e-3, atol=1e-3)
    for found in two:
        low, channels_last = found["bf16"]
        assert low.dtype is torch.bfloat16
        assert channels_last
        assert low.isfinite().all()


def test_other_kinds_are_synchronised_too(two: list[dict[str, Any]]) -> None:
    flat = nn.BatchNorm1d(3).double()(_pictures()[:, :, 0, 0])
    torch.testing.assert_close(torch.cat([found["flat"] for found in two]), flat)
    pooled = _pooling().train()(_pictures()[:2].float())
    torch.testing.assert_close(
        torch.cat([found["pooled"] for found in two]), pooled.detach(), rtol=1e-4, atol=1e-4
    )


def test_frozen_statistics_stay_frozen(two: list[dict[str, Any]]) -> None:
    image = _pictures().float()
    for index, statistics in enumerate((True, False)):
        whole = FrozenBatchNorm(3, statistics=statistics).train()(image)
        found = torch.cat([each["frozen"][index] for each in two])
        torch.testing.assert_close(found, whole, rtol=1e-3, atol=1e-3)


def test_in_evaluation_nobody_waits(two: list[dict[str, Any]]) -> None:
    expected = nn.BatchNorm2d(3).eval()(_pictures()[:3].float())
    assert torch.equal(two[0]["evaluation"], expected)


@pytest.mark.parametrize("name", _NORMS)
def test_alone_it_is_torchs(name: str) -> None:
    found = [
        _passes(_drawn(kind(3, **_NORMS[name])), _pictures()) for kind in (nn.BatchNorm2d, SyncBatchNorm)
    ]
    for key in ("y", "slope", "grad"):
        assert torch.equal(found[0][key], found[1][key])
    for key, value in found[0]["buffers"].items():
        assert torch.equal(value, found[1]["buffers"][key])


def test_converting_keeps_objects_keys_and_what_subclasses_do() -> None:
    network = nn.Sequential(ConvBlock(3, 4, norm=nn.BatchNorm2d), nn.InstanceNorm2d(4), _pooling())
    network[2] = ASPP(4, channels=4, rates=(1,), image_pooling=True, dropout=0.0)
    before = copy.deepcopy(network)
    parameters, keys = list(network.parameters()), list(network.state_dict())
    assert synchronise_batch_norms(network) is network
    assert synchronise_batch_norms(network) is network  # again changes nothing
    assert all(a is b for a, b in zip(parameters, network.parameters(), strict=True))
    assert keys == list(network.state_dict())
    assert type(network[0].norm) is SyncBatchNorm
    assert type(network[1]) is nn.InstanceNorm2d
    x = torch.randn(1, 3, 6, 6)  # whose mean over the image is one value, which plain batch norm refuses
    expected = before(x)
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), network):
        assert [type(m) for m in twin.modules()] == [type(m) for m in network.modules()]
        assert torch.equal(twin(x), expected)


def test_a_factory_makes_it_and_fusing_removes_it() -> None:
    block = ConvBlock(3, 4, norm=SyncBatchNorm).eval()
    assert block.conv.bias is None
    x = torch.randn(2, 3, 6, 6)
    fused = fuse_batch_norms(block, x)
    assert not any(isinstance(layer, SyncBatchNorm) for layer in fused.modules())
    torch.testing.assert_close(fused(x), block(x))


def test_inputs_of_other_dimensions_are_refused_as_torch_does() -> None:
    with pytest.raises(ValueError, match="expected 4D input"):
        SyncBatchNorm(3)(torch.zeros(2, 3))
