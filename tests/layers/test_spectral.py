"""Spectral normalisation."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parametrize
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gancomponents.layers import (
    SpectralNorm,
    raw_weight,
    spectral_norm,
    spectral_norms,
    update_spectral_norms_in_eval,
)


def test_converges_to_the_largest_singular_value() -> None:
    torch.manual_seed(1)
    layer = spectral_norm(nn.Conv2d(3, 6, 3)).double()
    for _ in range(300):
        layer(torch.zeros(1, 3, 3, 3).double())
    largest = torch.linalg.svdvals(layer.weight.flatten(1))[0]
    torch.testing.assert_close(largest, torch.ones_like(largest), rtol=1e-6, atol=0)


def test_starts_close_to_normalised() -> None:
    torch.manual_seed(1)
    layer = spectral_norm(nn.Conv2d(8, 16, 3)).eval()
    assert abs(torch.linalg.svdvals(layer.weight.flatten(1))[0].item() - 1) < 0.05


def vectors(module: nn.Module) -> list[Tensor]:
    """The singular vectors of every spectrally normalised layer, as they are now."""
    return [v.clone() for _, norm in spectral_norms(module) for v in (norm._u, norm._v)]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def critic() -> nn.Module:
    """Two spectrally normalised layers with a weight between them that is not."""
    return nn.Sequential(
        spectral_norm(nn.Conv2d(3, 4, 3)), nn.Conv2d(4, 4, 1), nn.Tanh(), spectral_norm(nn.Conv2d(4, 2, 3))
    )


def train(module: nn.Module, steps: int, seed: int = 1) -> torch.optim.Optimizer:
    torch.manual_seed(seed)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        module(torch.randn(2, 3, 6, 7)).square().sum().backward()
        optimiser.step()
    return optimiser


def test_one_iteration_per_training_forward() -> None:
    layer = spectral_norm(nn.Linear(5, 4))
    norm = next(iter(spectral_norms(layer)))[1]
    u, weight = norm._u.clone(), raw_weight(layer).detach()
    layer(torch.zeros(1, 5))
    v = nn.functional.normalize(weight.t() @ u, dim=0)
    torch.testing.assert_close(norm._v, v)
    torch.testing.assert_close(norm._u, nn.functional.normalize(weight @ v, dim=0))


@pytest.mark.known_bug(1)
def test_evaluation_leaves_the_vectors_alone_unless_asked() -> None:
    module, x = critic(), torch.randn(2, 3, 6, 7)
    train(module, 3)
    module.eval()
    before, expected = vectors(module), module(x)
    assert torch.equal(module(x), expected)
    assert same(vectors(module), before)
    assert update_spectral_norms_in_eval(module) is module
    module(x)
    assert not same(vectors(module), before)
    update_spectral_norms_in_eval(module, False)
    before = vectors(module)
    module(x)
    assert same(vectors(module), before)


def test_a_layer_can_be_made_to_iterate_in_evaluation() -> None:
    layer = spectral_norm(nn.Linear(5, 4), update_in_eval=True).eval()
    before = vectors(layer)
    with torch.no_grad():
        raw_weight(layer)[0, 0] += 1
    layer(torch.zeros(1, 5))
    assert not same(vectors(layer), before)


def test_saved_vectors_and_weights_go_on_as_if_never_stopped(tmp_path: Path) -> None:
    module = critic()
    optimiser = train(module, 3)
    torch.save({"module": module.state_dict(), "optimiser": optimiser.state_dict()}, tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    other = critic()
    other.load_state_dict(saved["module"])
    assert same(vectors(other), vectors(module))
    train(module, 2, seed=2)
    train(other, 2, seed=2)
    assert same(list(other.state_dict().values()), list(module.state_dict().values()))


def test_loading_after_a_forward_replaces_the_vectors_in_use() -> None:
    # Each iteration makes new tensors: a state dict must be read into the newest.
    module, other = critic(), critic()
    train(module, 2)
    train(other, 1)
    other.load_state_dict(module.state_dict())
    x = torch.randn(1, 3, 5, 5)
    assert torch.equal(other.eval()(x), module.eval()(x))


def test_an_averaged_copy_is_normalised_and_apart() -> None:
    module = critic()
    averaged = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    for seed in range(20):
        train(module, 1, seed=seed)
        averaged.update_parameters(module)
    averaged.eval()
    x, before = torch.randn(2, 3, 6, 7), vectors(averaged)
    expected = averaged(x)
    train(module, 3)
    assert torch.equal(averaged(x), expected)
    assert same(vectors(averaged), before)
    assert not same(vectors(module), before)
    for layer, _ in spectral_norms(averaged):
        largest = torch.linalg.svdvals(layer.weight.flatten(1))[0].item()
        assert abs(largest - 1) < 0.1


def _replica(rank: int, folder: str) -> None:
    """One of two processes: other weights, other images, two passes before one backward."""
    torch.set_num_threads(1)
    address = f"file://{folder}/rendezvous"
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    try:
        torch.manual_seed(rank)
        module = DistributedDataParallel(critic().double())
        images = torch.randn(2, 2, 3, 6, 7, generator=torch.Generator().manual_seed(1)).double()
        optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
        start = copy.deepcopy(module.module.state_dict())
        for _ in range(2):
            optimiser.zero_grad()
            (module(images[rank]).square().mean() + module(-images[rank]).square().mean()).backward()
            optimiser.step()
        torch.save({"start": start, "end": module.module.state_dict()}, f"{folder}/{rank}.pt")
    finally:
        torch.distributed.destroy_process_group()


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_replica, (str(tmp_path),), nprocs=2)
    states = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    assert same(list(states[0]["end"].values()), list(states[1]["end"].values()))
    alone = critic().double()
    alone.load_state_dict(states[0]["start"])
    images = torch.randn(2, 2, 3, 6, 7, generator=torch.Generator().manual_seed(1)).double().flatten(0, 1)
    optimiser = torch.optim.SGD(alone.parameters(), lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        (alone(images).square().mean() + alone(-images).square().mean()).backward()
        optimiser.step()
    for key, value in alone.state_dict().items():
        torch.testing.assert_close(states[0]["end"][key], value, rtol=1e-9, atol=1e-9)


@pytest.mark.known_bug(60)
def test_gradient_is_exact_over_several_calls_before_backward() -> None:
    torch.manual_seed(0)
    layer = spectral_norm(nn.Linear(5, 4, bias=False)).double()
    norm = next(iter(spectral_norms(layer)))[1]
    with torch.no_grad():  # vectors far from converged, so that each call has others
        norm._u.copy_(nn.functional.normalize(torch.randn(4), dim=0))
    reference = copy.deepcopy(layer)
    xs = [torch.randn(3, 5).double() for _ in range(3)]
    sum(layer(x).square().sum() for x in xs).backward()
    expected = torch.zeros(4, 5).double()
    for x in xs:
        (gradient,) = torch.autograd.grad(reference(x).square().sum(), raw_weight(reference))
        expected += gradient
    torch.testing.assert_close(raw_weight(layer).grad, expected, rtol=1e-12, atol=1e-12)


def test_compiled_calls_before_one_backward_have_the_same_gradient() -> None:
    layer = spectral_norm(nn.Linear(5, 4))
    reference = copy.deepcopy(layer)
    run = torch.compile(layer, fullgraph=True)  # inductor: other backends hide that buffers are shared
    x = torch.randn(3, 5)
    for module in (run, reference):
        (module(x) * module(x)).sum().backward()
    torch.testing.assert_close(raw_weight(layer).grad, raw_weight(reference).grad)


def test_gradcheck_with_fixed_vectors() -> None:
    layer = spectral_norm(nn.Linear(4, 3)).double().eval()
    norm = next(iter(spectral_norms(layer)))[1]
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, weight)
    assert torch.autograd.gradgradcheck(norm, weight)


@pytest.mark.known_bug(2)
def test_vectors_are_buffers() -> None:
    layer = spectral_norm(nn.Conv2d(2, 3, 3))
    assert sorted(layer.state_dict()) == [
        "bias",
        "parametrizations.weight.0._u",
        "parametrizations.weight.0._v",
        "parametrizations.weight.original",
    ]
    assert {name for name, _ in layer.named_parameters()} == {"bias", "parametrizations.weight.original"}


@pytest.mark.known_bug(7)
def test_no_optimiser_moves_the_vectors() -> None:
    module = critic().eval()
    module.requires_grad_(False).requires_grad_(True)  # as a trainer does that freezes a critic in between
    assert not any(v.requires_grad for v in vectors(module))
    before, weights = vectors(module), [raw_weight(layer).clone() for layer, _ in spectral_norms(module)]
    train(module, 3)
    assert same(vectors(module), before)
    assert not same([raw_weight(layer) for layer, _ in spectral_norms(module)], weights)


def test_computes_in_float32_under_autocast() -> None:
    layer = spectral_norm(nn.Conv2d(2, 3, 3)).eval()
    expected = layer.weight
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.weight.dtype == torch.float32
        assert torch.equal(layer.weight, expected)
        assert layer(torch.zeros(1, 2, 4, 4)).dtype == torch.bfloat16


def test_a_half_precision_layer_works() -> None:
    layer = spectral_norm(nn.Linear(6, 5)).to(torch.bfloat16)
    assert layer(torch.ones(2, 6, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_copies_and_pickles_are_independent() -> None:
    layer = spectral_norm(nn.Conv2d(2, 3, 3), update_in_eval=True, eps=1e-6)
    for other in (
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),
        pickle.loads(pickle.dumps(copy.deepcopy(layer))),
    ):
        assert parametrize.is_parametrized(other, "weight")
        norm = next(iter(spectral_norms(other)))[1]
        assert (norm.update_in_eval, norm.eps) == (True, 1e-6)
        before = {key: value.clone() for key, value in layer.state_dict().items()}
        other(torch.zeros(1, 2, 3, 3))
        with torch.no_grad():
            raw_weight(other).zero_()
        assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())


def test_pickling_keeps_parameters_shared_with_an_optimiser() -> None:
    layer = spectral_norm(nn.Linear(3, 2))
    other, held = pickle.loads(pickle.dumps((layer, list(layer.parameters()))))
    assert [id(p) for p in other.parameters()] == [id(p) for p in held]


def test_bad_modules_are_refused() -> None:
    with pytest.raises(ValueError, match="must have a weight"):
        spectral_norm(nn.ReLU())
    with pytest.raises(ValueError, match="not be parametrised yet"):
        spectral_norm(spectral_norm(nn.Linear(2, 2)))
    with pytest.raises(ValueError, match="two dimensions"):
        spectral_norm(nn.BatchNorm2d(3))
    with pytest.raises(ValueError, match="must have a weight"):
        raw_weight(nn.ReLU())


def test_transposed_convolutions_are_normalised_by_their_output_channels() -> None:
    layer = spectral_norm(nn.ConvTranspose2d(5, 3, 2))
    for _ in range(50):
        weight = layer.weight
    matrix = weight.detach().movedim(1, 0).flatten(1)
    torch.testing.assert_close(torch.linalg.svdvals(matrix)[0], torch.tensor(1.0), rtol=1e-4, atol=0)
    theirs = torch.nn.utils.parametrizations.spectral_norm(nn.ConvTranspose2d(5, 3, 2))
    shapes = {name.rsplit(".", 1)[-1]: tuple(b.shape) for name, b in theirs.named_buffers()}
    assert {n.rsplit(".", 1)[-1]: tuple(b.shape) for n, b in layer.named_buffers()} == shapes


def test_undoing_the_norm_of_a_copy_leaves_the_original_alone() -> None:
    layer = spectral_norm(nn.Conv2d(3, 4, 3)).eval()
    twin = copy.deepcopy(layer)
    parametrize.remove_parametrizations(twin, "weight")
    assert type(twin) is nn.Conv2d
    torch.testing.assert_close(layer.weight, twin.weight)
    assert parametrize.is_parametrized(layer, "weight")


@pytest.mark.parametrize("training", [True, False])
def test_channels_last_weights_are_normalised_alike(training: bool) -> None:
    torch.manual_seed(0)
    plain = spectral_norm(nn.Conv2d(5, 7, 3)).double().train(training)
    other = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    weighting = torch.randn(7, 5, 3, 3, dtype=torch.float64)
    gradients = []
    for layer in (plain, other):
        (layer.weight * weighting).sum().backward()
        gradients.append(raw_weight(layer).grad)
    torch.testing.assert_close(*gradients)
    assert gradients[1].stride() == raw_weight(other).stride() != gradients[0].stride()
    torch.testing.assert_close(vectors(other), vectors(plain))


def test_second_derivatives_are_exact() -> None:
    norm = SpectralNorm(torch.randn(3, 4, dtype=torch.float64)).eval()
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(norm, weight)
