import copy
import io
import math

import pytest
import torch
from torch import Tensor, nn

from gancomponents.optim import ExtraAdam


def adam_size(step: int, lr: float, betas: tuple[float, float]) -> float:
    return lr * math.sqrt(1 - betas[1] ** step) / (1 - betas[0] ** step)


def parameters(*shapes: tuple[int, ...], seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def loss_of(params: list[nn.Parameter]) -> Tensor:
    return torch.stack([(p.square() * (1 + p)).sum() for p in params]).sum()


def run(optimizer: ExtraAdam, params: list[nn.Parameter], halves: int) -> None:
    for _ in range(halves):
        optimizer.zero_grad()
        loss_of(params).backward()
        optimizer.step()


def test_both_halves_by_hand() -> None:
    lr, betas = 0.1, (0.5, 0.9)
    p = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = ExtraAdam([p], lr=lr, betas=betas)
    assert optimizer.next_half == "extrapolation"
    p.grad = torch.tensor([3.0], dtype=torch.float64)
    optimizer.step()
    m, v = 0.5 * 3, 0.1 * 9
    assert p.item() == pytest.approx(1 - adam_size(1, lr, betas) * m / (math.sqrt(v) + 1e-8), rel=1e-12)
    assert optimizer.next_half == "update"
    p.grad = torch.tensor([-1.0], dtype=torch.float64)
    optimizer.step()
    m, v = 0.5 * m - 0.5, 0.9 * v + 0.1
    assert p.item() == pytest.approx(1 - adam_size(2, lr, betas) * m / (math.sqrt(v) + 1e-8), rel=1e-12)
    assert optimizer.next_half == "extrapolation"


def test_finds_the_saddle_that_adam_circles() -> None:
    # min over x, max over y of x y: plain gradient play spirals outwards, extragradient inwards.
    def distance(make: type[torch.optim.Optimizer], **kwargs: object) -> float:
        x, y = (nn.Parameter(torch.tensor([1.0], dtype=torch.float64)) for _ in range(2))
        optimizer = make([x, y], lr=0.02, betas=(0.0, 0.999), **kwargs)
        for _ in range(4000):
            x.grad, y.grad = y.detach().clone(), -x.detach().clone()
            optimizer.step()
        with optimizer.at_anchor() if isinstance(optimizer, ExtraAdam) else torch.no_grad():
            return math.hypot(x.item(), y.item())

    assert distance(ExtraAdam) < 0.5 * distance(torch.optim.Adam)


def test_anchor_is_the_weights_to_evaluate() -> None:
    params = parameters((3, 4), (5,))
    before = [p.detach().clone() for p in params]
    optimizer = ExtraAdam(params, lr=0.1)
    run(optimizer, params, 1)
    lookahead = [p.detach().clone() for p in params]
    with optimizer.at_anchor():
        assert all(torch.equal(p, b) for p, b in zip(params, before, strict=True))
    assert all(torch.equal(p, b) for p, b in zip(params, lookahead, strict=True))
    run(optimizer, params, 1)
    updated = [p.detach().clone() for p in params]
    with optimizer.at_anchor():
        assert all(torch.equal(p, b) for p, b in zip(params, updated, strict=True))


def test_anchor_is_left_after_an_error() -> None:
    params = parameters((3,))
    optimizer = ExtraAdam(params, lr=0.1)
    run(optimizer, params, 1)
    lookahead = params[0].detach().clone()
    with pytest.raises(RuntimeError), optimizer.at_anchor():
        raise RuntimeError
    assert torch.equal(params[0], lookahead)


@pytest.mark.parametrize("halves", [1, 2])
def test_a_step_at_the_anchor_is_refused(halves: int) -> None:
    params = parameters((3,))
    optimizer = ExtraAdam(params, lr=0.1)
    run(optimizer, params, halves)
    half, before = optimizer.next_half, params[0].detach().clone()
    with optimizer.at_anchor():
        with optimizer.at_anchor():
            pass
        with pytest.raises(RuntimeError, match=r"step\(\) must not be called inside at_anchor\(\)"):
            optimizer.step()
    assert optimizer.next_half == half
    assert torch.equal(params[0], before)
    copy.deepcopy(optimizer).step()
    run(optimizer, params, 1)
    assert not torch.equal(params[0], before)


@pytest.mark.parametrize("halves", [1, 2, 3])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_state_dict_resumes_bit_for_bit(halves: int, amsgrad: bool) -> None:
    params = parameters((3, 4), (5,))
    optimizer = ExtraAdam(params, lr=0.1, amsgrad=amsgrad, weight_decay=0.01)
    run(optimizer, params, halves)
    file = io.BytesIO()
    torch.save({"params": params, "optimizer": optimizer.state_dict()}, file)
    run(optimizer, params, 5)

    file.seek(0)
    saved = torch.load(file, weights_only=False)
    resumed = ExtraAdam(saved["params"], lr=1.0)
    resumed.load_state_dict(saved["optimizer"])
    assert resumed.next_half == ("update" if halves % 2 else "extrapolation")
    run(resumed, saved["params"], 5)
    assert all(torch.equal(a, b) for a, b in zip(params, saved["params"], strict=True))


def test_state_of_plain_adam_is_taken_over() -> None:
    params = parameters((3,))
    adam = torch.optim.Adam(params, lr=0.1)
    loss_of(params).backward()
    adam.step()
    optimizer = ExtraAdam(params)
    optimizer.load_state_dict(adam.state_dict())
    assert optimizer.next_half == "extrapolation"
    run(optimizer, params, 2)
    assert optimizer.state[params[0]]["step"] == 3


def test_parameters_without_gradient_stay_and_come_back() -> None:
    unused, sometimes = parameters((2,), (2,))
    start = unused.detach().clone(), sometimes.detach().clone()
    optimizer = ExtraAdam([unused, sometimes], lr=0.1)
    sometimes.grad = torch.ones(2)
    optimizer.step()
    assert not torch.equal(sometimes, start[1])
    sometimes.grad = None
    optimizer.step()
    assert torch.equal(unused, start[0])
    assert torch.equal(sometimes, start[1])
    assert len(optimizer.state) == 1
    unused.grad = torch.ones(2)  # appears between the halves: updated from where it stands
    optimizer.step()
    sometimes.grad, unused.grad = torch.ones(2), None
    optimizer.step()
    assert torch.equal(unused, start[0])
    assert (sometimes < start[1]).all()


def test_groups_keep_their_own_settings() -> None:
    slow, fast = parameters((4,), (4,))
    fast.data.copy_(slow.data)
    optimizer = ExtraAdam([{"params": [slow], "lr": 1e-3}, {"params": [fast], "lr": 1e-2}])
    start = slow.detach().clone()
    for p in (slow, fast):
        p.grad = torch.ones(4)
    optimizer.step()
    torch.testing.assert_close(10 * (slow - start), fast - start)


def test_zero_rate_and_zero_gradient_move_nothing() -> None:
    for lr, gradient in ((0.0, 1.0), (0.1, 0.0)):
        (p,) = parameters((3,))
        start = p.detach().clone()
        optimizer = ExtraAdam([p], lr=lr)
        for _ in range(2):
            p.grad = torch.full((3,), gradient)
            optimizer.step()
            assert torch.equal(p, start)


def test_accurate_in_fp32_over_the_first_steps() -> None:
    single, double = parameters((100,))[0], nn.Parameter(parameters((100,))[0].detach().double())
    start = double.detach().clone()
    optimizers = [ExtraAdam([p], lr=1e-2) for p in (single, double)]
    for optimizer, p in zip(optimizers, (single, double), strict=True):
        run(optimizer, [p], 4)
    assert (single - double).abs().max() < 1e-5 * (double - start).abs().max()


def test_mixed_dtypes_and_memory_formats() -> None:
    conv = nn.Parameter(torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last))
    params = [conv, *parameters((3,)), nn.Parameter(torch.randn(3, dtype=torch.float64))]
    optimizer = ExtraAdam(params, lr=0.1)
    for _ in range(2):
        for p in params:
            p.grad = torch.ones_like(p)
        optimizer.step()
    assert conv.is_contiguous(memory_format=torch.channels_last)
    assert optimizer.state[params[2]]["step"].dtype is torch.float64


def test_closure_and_deepcopy() -> None:
    params = parameters((3,))
    optimizer = ExtraAdam(params, lr=0.1)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(params)
        loss.backward()
        return loss

    assert optimizer.step(closure) is not None
    twin = copy.deepcopy(optimizer)
    assert twin.next_half == "update"
    twin_params = twin.param_groups[0]["params"]
    run(optimizer, params, 1)
    run(twin, twin_params, 1)
    assert torch.equal(params[0], twin_params[0])


def _parabola(x: Tensor, p: Tensor) -> Tensor:
    return (x @ p - 1).square().mean()


def _scaled_run(overflows: tuple[int, ...], steps: int) -> tuple[list[Tensor], list[str], ExtraAdam]:
    """Weights and what comes next after each call of ``scaler.step``; gradients overflow at some of them."""
    (p,) = parameters((4, 1))
    optimizer = ExtraAdam([p], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=2)
    seen: list[Tensor] = []
    halves: list[str] = []
    data = torch.Generator().manual_seed(1)
    for index in range(steps):
        optimizer.zero_grad()
        if index in overflows:
            scaler.scale(p.sum() * math.inf).backward()
        else:
            x = torch.randn(8, 4, generator=data)
            scaler.scale(_parabola(x, p)).backward()
        scaler.step(optimizer)
        scaler.update()
        seen.append(p.detach().clone())
        halves.append(optimizer.next_half)
    return seen, halves, optimizer


def test_gradient_scaling_changes_nothing() -> None:
    (p,) = parameters((4, 1))
    optimizer = ExtraAdam([p], lr=0.1)
    data = torch.Generator().manual_seed(1)
    scaled, _, _ = _scaled_run((), 6)
    for expected in scaled:
        optimizer.zero_grad()
        _parabola(torch.randn(8, 4, generator=data), p).backward()
        optimizer.step()
        torch.testing.assert_close(p.detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("overflow", [0, 2, 1, 3])
def test_a_skipped_half_is_done_by_the_next_step(overflow: int) -> None:
    # Extrapolations (0, 2) and updates (1, 3) alike: nothing moves, and the half is still to do.
    clean, halves, _ = _scaled_run((), 5)
    found, found_halves, optimizer = _scaled_run((overflow,), 6)
    before = found[overflow - 1] if overflow else parameters((4, 1))[0].detach()
    assert torch.equal(found[overflow], before)
    assert found_halves[overflow] == ("update" if overflow % 2 else "extrapolation")
    rest = found[:overflow] + found[overflow + 1 :]
    torch.testing.assert_close(rest, clean, rtol=1e-5, atol=1e-6)  # the scale halves: rounding differs
    assert found_halves[:overflow] + found_halves[overflow + 1 :] == halves
    assert optimizer.state[optimizer.param_groups[0]["params"][0]]["step"] == 5


def test_a_skipped_update_keeps_the_anchor() -> None:
    found, _, optimizer = _scaled_run((1,), 2)
    with optimizer.at_anchor():
        assert torch.equal(optimizer.param_groups[0]["params"][0], parameters((4, 1))[0])
    assert torch.equal(found[1], found[0])
    assert "anchor" in optimizer.state_dict()["state"][0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_converges_under_autocast_and_scaling(dtype: torch.dtype) -> None:
    layer = nn.Linear(4, 1)
    optimizer = ExtraAdam(layer.parameters(), lr=0.05)
    scaler = torch.amp.GradScaler("cpu", enabled=dtype is torch.float16)
    x = torch.randn(32, 4)
    y = x.sum(1, keepdim=True)
    for _ in range(200):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype):
            loss = (layer(x) - y).float().square().mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert loss < 1e-3
    state = optimizer.state[layer.weight]
    assert all(t.dtype is torch.float32 for t in (layer.weight, *state.values()))


def test_accumulated_gradients_are_those_of_the_whole_batch() -> None:
    (whole,), (parts,) = parameters((4, 1)), parameters((4, 1))
    optimizers = ExtraAdam([whole], lr=0.1), ExtraAdam([parts], lr=0.1)
    for _ in range(4):
        x = torch.randn(8, 4)
        for optimizer in optimizers:
            optimizer.zero_grad()
        _parabola(x, whole).backward()
        for part in x.chunk(4):
            (_parabola(part, parts) / 4).backward()
            assert optimizers[0].next_half == optimizers[1].next_half
        for optimizer in optimizers:
            optimizer.step()
        torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.known_bug(34)
def test_the_count_of_steps_is_a_tensor_and_no_parameter_stays_displaced() -> None:
    params = parameters((2,), (2,))
    start = [p.detach().clone() for p in params]
    optimizer = ExtraAdam(params, lr=0.1)
    run(optimizer, params, 1)
    assert all(isinstance(optimizer.state[p]["step"], Tensor) for p in params)
    params[0].grad, params[1].grad = torch.ones(2), None
    optimizer.step()
    assert not torch.equal(params[0], start[0])
    assert torch.equal(params[1], start[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [("lr", -1.0), ("betas", (1.0, 0.9)), ("betas", (0.9, -0.1)), ("eps", -1.0), ("weight_decay", -1.0)],
)
def test_bad_arguments(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} must"):
        ExtraAdam(parameters((1,)), **{name: value})


def test_sparse_gradients_are_refused() -> None:
    (p,) = parameters((2,))
    p.grad = torch.zeros(2).to_sparse()
    with pytest.raises(ValueError, match="must be dense"):
        ExtraAdam([p]).step()


def test_amsgrad_divides_by_the_largest_second_moment_so_far() -> None:
    p, plain = (nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in range(2))
    optimizers = ExtraAdam([p], lr=0.1, amsgrad=True), ExtraAdam([plain], lr=0.1)
    largest = second = 0.0
    for gradient in (10.0, 10.0, 0.1, 0.1):
        for parameter, optimizer in zip((p, plain), optimizers, strict=True):
            parameter.grad = torch.full_like(parameter, gradient)
            optimizer.step()
        second = 0.999 * second + 0.001 * gradient**2
        largest = max(largest, second)
    state = optimizers[0].state[p]
    assert state["exp_avg_sq"].item() == pytest.approx(second)
    assert state["max_exp_avg_sq"].item() == pytest.approx(largest)
    assert largest > second
    assert p.abs().item() < plain.abs().item()
