import copy
import io

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from gancomponents.layers import spectral_norm, spectral_norms
from gancomponents.optim import ExponentialMovingAverage, ExtraAdam


def network() -> nn.Module:
    return nn.Sequential(spectral_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def train(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    module(torch.randn(2, 3, 7, 6)).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("warmup", [False, True])
def test_closed_form(warmup: bool) -> None:
    layer = nn.Linear(2, 1, bias=False).double()
    expected = layer.weight.detach().clone()
    average = ExponentialMovingAverage(layer, decay=0.3, warmup=warmup)
    for t in range(1, 6):
        nn.init.constant_(layer.weight, t**2)
        average.update()
        decay = min(0.3, (1 + t) / (10 + t)) if warmup else 0.3
        expected = decay * expected + (1 - decay) * t**2
    torch.testing.assert_close(average.averages["weight"], expected, rtol=1e-6, atol=0)


def test_the_average_of_a_constant_is_the_constant() -> None:
    layer = nn.Linear(3, 2)
    average = ExponentialMovingAverage(layer, decay=0.9)
    for _ in range(3):
        average.update()
    for name, p in layer.named_parameters():
        torch.testing.assert_close(average.averages[name], p.detach(), rtol=0, atol=0)


def test_decay_zero_is_the_module_itself() -> None:
    module = network()
    average = ExponentialMovingAverage(module, decay=0.0)
    train(module, torch.optim.SGD(module.parameters(), lr=0.1))
    average.update()
    x = torch.randn(1, 3, 7, 6)
    module.eval()
    expected = module(x)
    with average.applied():
        assert torch.equal(module(x), expected)


def test_applied_swaps_weights_and_buffers_in_and_out() -> None:
    module = network()
    average = ExponentialMovingAverage(module, decay=0.5)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        train(module, optimizer)
        average.update()
    train(module, optimizer)
    own = copy.deepcopy(module.state_dict())
    with pytest.raises(RuntimeError, match="stop"), average.applied():
        for name, p in module.named_parameters():
            assert torch.equal(p, average.averages[name])
        for name, b in module.named_buffers():
            assert torch.equal(b, average.buffers[name])
        module.train()(torch.randn(2, 3, 7, 6))  # moves BN statistics and singular vectors
        raise RuntimeError("stop")
    assert all(torch.equal(t, own[name]) for name, t in module.state_dict().items())
    assert not torch.equal(own["1.running_mean"], average.buffers["1.running_mean"])


def test_an_update_while_applied_is_refused() -> None:
    layer = nn.Linear(2, 1)
    average = ExponentialMovingAverage(layer, decay=0.5)
    before = average.averages["weight"].clone()
    nn.init.ones_(layer.weight)
    with average.applied():
        with average.applied():
            pass
        with pytest.raises(RuntimeError, match=r"update\(\) must not be called inside applied\(\)"):
            average.update()
    assert torch.equal(average.averages["weight"], before)
    assert average.updates == 0
    average.update()
    assert average.updates == 1


def test_spectral_norm_holds_for_the_average() -> None:
    module = nn.Sequential(spectral_norm(nn.Linear(6, 5, bias=False)))
    average = ExponentialMovingAverage(module, decay=0.9)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        (module(torch.randn(8, 6)) - 1).square().mean().backward()
        optimizer.step()
        average.update()
    assert len(list(spectral_norms(module))) == 1
    with average.applied(), torch.no_grad():
        assert torch.linalg.matrix_norm(module[0].weight, 2).item() == pytest.approx(1, rel=0.02)


def test_extra_adam_averages_its_anchors() -> None:
    layer = nn.Linear(2, 1, bias=False)
    optimizer = ExtraAdam(layer.parameters(), lr=0.1)
    average = ExponentialMovingAverage(layer, decay=0.9)
    expected, anchors = layer.weight.detach().clone(), []
    for _ in range(1, 7):
        layer.weight.grad = torch.ones(1, 2)
        optimizer.step()
        if optimizer.next_half == "extrapolation":
            average.update()
            anchors.append(layer.weight.detach().clone())
            decay = min(0.9, (1 + len(anchors)) / (10 + len(anchors)))
            expected = decay * expected + (1 - decay) * anchors[-1]
    assert len(anchors) == 3
    torch.testing.assert_close(average.averages["weight"], expected)
    layer.weight.grad = torch.ones(1, 2)
    optimizer.step()
    lookahead = layer.weight.detach().clone()
    with average.applied():
        torch.testing.assert_close(layer.weight.detach(), expected)
    assert torch.equal(layer.weight, lookahead)
    with optimizer.at_anchor():
        assert torch.equal(layer.weight, anchors[-1])


def test_state_dict_resumes() -> None:
    module = network()
    average = ExponentialMovingAverage(module, decay=0.8)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        train(module, optimizer)
        average.update()
    file = io.BytesIO()
    torch.save(average.state_dict(), file)
    file.seek(0)
    twin = copy.deepcopy(module)
    resumed = ExponentialMovingAverage(twin, decay=0.8)
    resumed.load_state_dict(torch.load(file))
    average.update()
    resumed.update()
    assert resumed.updates == 4
    for ours, theirs in ((average.averages, resumed.averages), (average.buffers, resumed.buffers)):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_narrow_weights_are_averaged_in_fp32() -> None:
    layer = nn.Linear(2, 1, bias=False).to(torch.bfloat16)
    nn.init.ones_(layer.weight)
    average = ExponentialMovingAverage(layer, decay=0.999, warmup=False)
    nn.init.constant_(layer.weight, 2.0)
    average.update()  # 1.001 is 1 in bfloat16
    assert average.averages["weight"].dtype is torch.float32
    torch.testing.assert_close(average.averages["weight"], torch.full((1, 2), 1.001))
    with average.applied():
        assert layer.weight.dtype is torch.bfloat16


def test_bad_arguments() -> None:
    for decay in (1.0, -0.1):
        with pytest.raises(ValueError, match="decay must be in"):
            ExponentialMovingAverage(nn.Linear(1, 1), decay=decay)
    average = ExponentialMovingAverage(nn.Linear(2, 1))
    for other in (nn.Linear(2, 1, bias=False), nn.Linear(3, 1), nn.BatchNorm1d(2)):
        with pytest.raises(ValueError, match=r"state\['averages'\] must fit the module, got another"):
            average.load_state_dict(ExponentialMovingAverage(other).state_dict())


def test_nothing_waits_for_the_device() -> None:
    module = network()
    average = ExponentialMovingAverage(module)
    with _NoReading():
        average.update()
        with average.applied():
            pass


class _NoReading(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        assert "_local_scalar_dense" not in str(func), "a value was read on the host"
        return func(*args, **(kwargs or {}))


def test_averages_stay_on_the_device_in_one_operation_a_dtype_and_wait_for_nothing() -> None:
    class Ops(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    seen: list[str] = []
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2).double()).to("meta")
    average = ExponentialMovingAverage(module)
    assert {t.device.type for t in (*average.averages.values(), *average.buffers.values())} == {"meta"}
    assert average.updates.device.type == "meta"
    with Ops():  # a meta tensor has no value: reading one would raise
        average.update(torch.ones((), device="meta"))
        average.update()
    assert seen.count("_foreach_lerp_") == 2 * 2  # two updates, two dtypes
    assert "lerp_" not in seen
    assert "_local_scalar_dense" not in seen
