from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from gancomponents import losses

PENALTIES: dict[str, losses.Penalty] = {
    "gradient": losses.gradient_penalty,
    "r1": losses.r1_penalty,
    "r2": losses.r2_penalty,
    "dragan": losses.dragan_penalty,
    "gradient module": losses.GradientPenalty(),
    "r1 module": losses.R1Penalty(),
    "r2 module": losses.R2Penalty(),
    "dragan module": losses.DRAGANPenalty(),
}
EVERY = pytest.mark.parametrize("name", PENALTIES)
OF_CONSTANT = {"gradient": 1.0, "r1": 0.0, "r2": 0.0, "dragan": 1.0}


def samples(batch: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(batch, 2, 5, 4), torch.randn(batch, 2, 5, 4)


def smooth_critic() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Conv2d(3, 1, 2))


@EVERY
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_of_a_constant_critic_at_any_batch_size(name: str, batch: int) -> None:
    real, fake = samples(batch)
    bias = torch.ones(1, requires_grad=True)
    weight = torch.zeros(2, requires_grad=True)
    critics = {
        "ignores the sample": lambda x: bias.expand(len(x), 1),
        "needs no gradient": lambda x: torch.ones(len(x), 1),
        "has zero weights": lambda x: (x.mean((2, 3)) * weight).sum(1) + bias,
    }
    for critic in critics.values():
        value = PENALTIES[name](critic, real, fake)
        assert value.item() == OF_CONSTANT[name.split()[0]]
    # The norm has no slope at 0; it must not be NaN there.
    PENALTIES[name](critics["has zero weights"], real, fake).backward()
    assert torch.isfinite(weight.grad).all()


@EVERY
def test_norms_are_those_of_each_samples_own_score(name: str) -> None:
    # Sample k is seen with slope k: a norm over the batch, or a mean score, would give another number.
    slopes = torch.tensor([1.0, 2.0, 5.0])
    real, fake = torch.randn(2, 3, 4)

    def critic(x: Tensor) -> Tensor:
        return slopes * x[:, 0]

    expected = {
        "gradient": (slopes - 1).square().mean(),
        "r1": slopes.square().mean() / 2,
        "r2": slopes.square().mean() / 2,
        "dragan": (slopes - 1).square().mean(),
    }[name.split()[0]]
    torch.testing.assert_close(PENALTIES[name](critic, real, fake), expected)


@EVERY
def test_repeating_the_batch_changes_nothing(name: str) -> None:
    real, _ = samples(2)
    critic = smooth_critic() if "dragan" not in name else nn.Conv2d(2, 1, 3)  # linear: no draw matters
    once = PENALTIES[name](critic, real, real)
    torch.testing.assert_close(
        PENALTIES[name](critic, real.repeat(3, 1, 1, 1), real.repeat(3, 1, 1, 1)), once
    )


@EVERY
def test_critics_with_features_and_scales(name: str) -> None:
    # Two scales of slopes 3 and 1 at the same pixel; a map's score is its mean over 4 entries.
    def critic(x: Tensor) -> list[list[Tensor]]:
        pixel = x[:, :1, :1, :1].expand(-1, 1, 2, 2)
        return [[x.exp(), 3 * pixel], [pixel[..., :1, :1]]]

    expected = {"gradient": 1.0, "r1": 2.0, "r2": 2.0, "dragan": 1.0}[name.split()[0]]
    assert PENALTIES[name](critic, *samples()).item() == pytest.approx(expected, rel=1e-6)


@EVERY
def test_gradients_of_the_second_order(name: str) -> None:
    critic = smooth_critic().double()
    real = torch.randn(2, 2, 5, 4, dtype=torch.float64)
    names, values = zip(*critic.named_parameters(), strict=True)

    def penalty(*parameters: Tensor) -> Tensor:
        torch.manual_seed(0)
        state = dict(zip(names, parameters, strict=True))
        return PENALTIES[name](partial(functional_call, critic, state), real, real)

    assert torch.autograd.gradcheck(penalty, values)


@EVERY
def test_fp32_under_autocast(name: str) -> None:
    critic = smooth_critic()
    real, _ = samples()
    torch.manual_seed(1)
    exact = PENALTIES[name](critic, real, real)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        rough = PENALTIES[name](critic, real, real)
    assert rough.dtype is torch.float32
    assert rough == exact


@EVERY
def test_only_the_critic_gets_a_gradient_and_nothing_else_changes(name: str) -> None:
    critic = smooth_critic()
    real, fake = (x.requires_grad_() for x in samples())
    PENALTIES[name](critic, real, fake).backward()
    assert real.grad is None
    assert fake.grad is None
    assert critic[0].weight.grad.abs().sum() > 0


@EVERY
def test_has_a_value_without_gradients_too(name: str) -> None:
    critic, (real, _) = nn.Conv2d(2, 1, 3), samples()
    with torch.no_grad():
        value = PENALTIES[name](critic, real, real)
    assert not value.requires_grad
    torch.testing.assert_close(value, PENALTIES[name](critic, real, real).detach())


@pytest.mark.skipif(
    not hasattr(torch._dynamo.config, "trace_autograd_ops"),
    reason="this torch's Dynamo has no switch for gradients taken inside",
)
@EVERY
def test_a_step_compiles_behind_dynamos_switch(name: str) -> None:
    weight = (torch.randn(40, 1) / 8).requires_grad_()
    real, _ = samples()

    def step(w: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        value = PENALTIES[name](lambda z: z.flatten(1) @ w, x, x)
        return value.detach(), torch.autograd.grad(value, w)[0]

    torch._dynamo.reset()
    with torch._dynamo.config.patch(trace_autograd_ops=True):
        found = torch.compile(step, fullgraph=True, backend="aot_eager")(weight, real)
    torch.testing.assert_close(found, step(weight, real))


def test_points_lie_between_real_and_fake_one_per_sample() -> None:
    seen = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.sum((1, 2, 3))

    real, fake = torch.zeros(50, 1, 2, 2), torch.ones(50, 1, 2, 2)
    losses.gradient_penalty(critic, real, fake)
    points = seen[0].flatten(1)
    assert (points == points[:, :1]).all()  # one t for the whole sample
    assert 0 <= points.min() < 0.2
    assert 0.8 < points.max() <= 1
    assert len(points[:, 0].unique()) > 40


def test_r1_looks_at_reals_r2_at_fakes() -> None:
    def critic(x: Tensor) -> Tensor:
        return x.square().sum(1) / 2  # its slope is the sample

    real, fake = torch.full((2, 3), 2.0), torch.full((2, 3), 4.0)
    assert losses.r1_penalty(critic, real) == losses.r1_penalty(critic, real, fake) == 6
    assert losses.r2_penalty(critic, None, fake) == losses.r2_penalty(critic, real, fake) == 24


def test_dragan_noise_is_of_the_samples_own_spread() -> None:
    seen = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.sum(1)

    real = torch.stack([torch.zeros(10_000), 3 * torch.randn(10_000)])
    losses.dragan_penalty(critic, real, noise_scale=0.5)
    noise = seen[0] - real
    assert (noise[0] == 0).all()
    assert noise[1].std().item() == pytest.approx(1.5, rel=0.05)
    losses.dragan_penalty(critic, real, noise_scale=0.0)
    assert torch.equal(seen[1], real)


def test_options() -> None:
    real, fake = torch.randn(2, 3, 4)
    slopes = torch.tensor([0.5, 2.0, 4.0])

    def critic(x: Tensor) -> Tensor:
        return slopes * x[:, 0]

    one_sided = losses.GradientPenalty(one_sided=True)(critic, real, fake)
    assert one_sided.item() == pytest.approx((0 + 1 + 9) / 3)
    for module in (losses.GradientPenalty(target=2.0), losses.DRAGANPenalty(target=2.0, noise_scale=0.1)):
        assert module(critic, real, fake).item() == pytest.approx((2.25 + 0 + 4) / 3)


@pytest.mark.known_bug(18)
def test_a_penalty_happens_when_asked_for_on_any_device_and_to_the_critic_given() -> None:
    # Upstream's dispatch never ran it, would have penalised another task's critic, and needed CUDA.
    asked, other = smooth_critic(), smooth_critic()
    real, fake = samples()
    loss = losses.WassersteinLoss()
    plain = loss.discriminator(asked(real), asked(fake))
    penalised = plain + 10 * losses.gradient_penalty(asked, real, fake)
    assert penalised > plain
    penalised.backward()
    assert asked[0].weight.grad is not None
    assert other[0].weight.grad is None


def test_bad_samples() -> None:
    critic = torch.nn.Flatten()
    with pytest.raises(ValueError, match="as many fakes as reals"):
        losses.gradient_penalty(critic, torch.zeros(2, 3), torch.zeros(1, 3))
    for call in (
        lambda x: losses.r1_penalty(critic, x),
        lambda x: losses.r2_penalty(critic, None, x),
        lambda x: losses.dragan_penalty(critic, x),
        lambda x: losses.gradient_penalty(critic, x, x),
    ):
        with pytest.raises(ValueError, match=r"batch"):
            call(torch.zeros(3))


@pytest.mark.parametrize("penalty", [losses.gradient_penalty, losses.r1_penalty])
def test_a_critic_that_averages_its_batch_is_refused(penalty: losses.Penalty) -> None:
    with pytest.raises(ValueError, match="leave the mean out"):
        penalty(lambda x: x.mean(), *samples())
