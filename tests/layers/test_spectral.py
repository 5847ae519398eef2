"""Spectral normalisation."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from gancomponents.layers import raw_weight, spectral_norm, spectral_norms, update_spectral_norms_in_eval


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


def test_one_iteration_per_training_forward_and_none_in_evaluation() -> None:
    layer = spectral_norm(nn.Linear(5, 4))
    norm = next(iter(spectral_norms(layer)))[1]
    u, weight = norm._u.clone(), raw_weight(layer).detach()
    layer(torch.zeros(1, 5))
    v = nn.functional.normalize(weight.t() @ u, dim=0)
    torch.testing.assert_close(norm._u, nn.functional.normalize(weight @ v, dim=0))
    layer.eval()
    before = norm._u.clone()
    layer(torch.zeros(1, 5))
    assert torch.equal(norm._u, before)
    update_spectral_norms_in_eval(layer)
    layer(torch.zeros(1, 5))
    assert not torch.equal(norm._u, before)
    update_spectral_norms_in_eval(layer, False)
    before = norm._u.clone()
    layer(torch.zeros(1, 5))
    assert torch.equal(norm._u, before)


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


def test_vectors_are_buffers() -> None:
    layer = spectral_norm(nn.Conv2d(2, 3, 3))
    assert sorted(layer.state_dict()) == [
        "bias",
        "parametrizations.weight.0._u",
        "parametrizations.weight.0._v",
        "parametrizations.weight.original",
    ]
    assert {name for name, _ in layer.named_parameters()} == {"bias", "parametrizations.weight.original"}


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
