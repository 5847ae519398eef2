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
