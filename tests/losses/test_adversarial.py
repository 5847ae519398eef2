import math

import pytest
import torch
from torch.nn import functional

from gancomponents import losses
from gancomponents.losses import adversarial


def test_bce_is_torchs() -> None:
    real, fake = torch.randn(2, 1, 5, 5), torch.randn(2, 1, 5, 5)
    bce = functional.binary_cross_entropy_with_logits
    loss = losses.BCEGANLoss(0.0, 0.0)
    torch.testing.assert_close(loss.generator(fake), bce(fake, torch.ones_like(fake)))
    torch.testing.assert_close(
        loss.discriminator(real, fake), bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    )
    torch.testing.assert_close(losses.bce_generator_loss(fake), loss.generator(fake))
    torch.testing.assert_close(losses.bce_discriminator_loss(real, fake), loss.discriminator(real, fake))


@pytest.mark.known_bug(21)
def test_generator_and_fake_targets_have_no_noise_by_default() -> None:
    fake = torch.randn(2, 1, 5, 5)
    noisy, clean = losses.BCEGANLoss(1.0, 1.0), losses.BCEGANLoss(0.0, 0.0)
    assert noisy.generator(fake) == clean.generator(fake)
    real = torch.full((1, 1), 100.0)  # its clean loss is zero; a flipped one is not
    assert noisy.discriminator(real, fake) > clean.discriminator(real, fake) + 1
    assert noisy.eval().discriminator(real, fake) == clean.discriminator(real, fake)


def test_smoothing_draws_one_target_per_scale() -> None:
    # At score 0 the loss is log 2 whatever the target; its slope, 1/2 - target, shows the target.
    scales = [torch.zeros(2, 1, 4, 4, requires_grad=True), torch.zeros(2, 1, 2, 2, requires_grad=True)]
    losses.bce_loss([[s] for s in scales], True, label_smoothing=0.2).backward()
    targets = []
    for s in scales:
        slopes = s.grad * s.numel() * 2
        assert (slopes == slopes.flatten()[0]).all()
        targets.append(0.5 - slopes.flatten()[0].item())
    assert all(0.8 <= t <= 1 for t in targets)
    assert targets[0] != targets[1]


@pytest.mark.parametrize(("is_real", "low", "high"), [(True, 0.8, 1.0), (False, 0.0, 0.2)])
def test_smoothed_targets_stay_on_their_side(is_real: bool, low: float, high: float) -> None:
    targets = []
    for _ in range(200):
        s = torch.zeros(1, requires_grad=True)
        losses.bce_loss(s, is_real, label_smoothing=0.2).backward()
        targets.append(0.5 - s.grad.item())
    assert low - 1e-6 <= min(targets) < low + 0.02
    assert high - 0.02 < max(targets) <= high + 1e-6


@pytest.mark.known_bug(21)
def test_flips_come_as_often_as_asked_one_decision_per_call() -> None:
    scales = [[torch.full((4,), 50.0)], [torch.full((2,), 50.0)]]  # loss 0 against 1, 50 against 0
    values = [losses.bce_loss(scales, True, flip_probability=0.25).item() for _ in range(2000)]
    assert set(values) == {0.0, 50.0}  # never one scale alone: that would be 25
    assert sum(v > 0 for v in values) / 2000 == pytest.approx(0.25, abs=0.04)


def test_alternating_flips_reproduce_upstream() -> None:
    # Recorded of upstream: least squares of 0 against labels 0, 1, 0, the flips of a real target, is 1/3.
    scales = [[torch.full((4,), 50.0)] for _ in range(3)]
    value = losses.bce_loss(scales, True, flip_probability=1.0, alternating_flips=True)
    assert value.item() == pytest.approx(2 / 3 * 50)


def test_upstream_noise_everywhere() -> None:
    loss = losses.BCEGANLoss(0.2, 1.0, noisy_generator=True, noisy_fake=True, alternating_flips=True)
    score = torch.full((1, 1), 50.0)
    assert loss.generator(score) > 30  # flipped to fake
    assert (
        loss.discriminator(-score, score) < 15 + 15
    )  # both flipped: right for the wrong label, up to smoothing


def test_noise_leaves_no_trace_when_switched_off() -> None:
    state = torch.get_rng_state()
    losses.BCEGANLoss(0.0, 0.0).discriminator(torch.zeros(1), torch.zeros(1))
    losses.BCEGANLoss().generator(torch.zeros(1))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("name", ["label_smoothing", "flip_probability"])
def test_bad_noise(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be in"):
        losses.BCEGANLoss(**{name: 1.5})


def test_closed_forms() -> None:
    real, fake = torch.tensor([0.5, 3.0]), torch.tensor([-2.0, 0.5])
    assert losses.HingeLoss().discriminator(real, fake).item() == pytest.approx(0.25 + 0.75)
    assert losses.HingeLoss().generator(fake).item() == pytest.approx(0.75)
    assert losses.LeastSquaresGANLoss().discriminator(real, fake).item() == pytest.approx(2.125 + 2.125)
    assert losses.LeastSquaresGANLoss().generator(fake).item() == pytest.approx((9 + 0.25) / 2)
    assert losses.WassersteinLoss().discriminator(real, fake).item() == pytest.approx(-0.75 - 1.75)
    assert losses.WassersteinLoss().generator(fake).item() == pytest.approx(0.75)
    pairs = math.log1p(math.exp(-2.5)), math.log1p(math.exp(-2.5))  # r - f is 2.5 in both
    assert losses.RelativisticLoss().discriminator(real, fake).item() == pytest.approx(sum(pairs) / 2)
    pairs = math.log1p(math.exp(2.5)), math.log1p(math.exp(2.5))
    assert losses.RelativisticLoss().generator(fake, real).item() == pytest.approx(sum(pairs) / 2)
    assert losses.NonSaturatingLoss().generator(fake) == losses.BCEGANLoss(0.0, 0.0).generator(fake)
    assert losses.NonSaturatingLoss().discriminator(real, fake) == losses.BCEGANLoss(0.0, 0.0).discriminator(
        real, fake
    )


def test_relativistic_pairs_are_not_averages() -> None:
    # Exchanging two reals changes which fake each is judged against, and so the loss.
    real, fake = torch.tensor([0.0, 4.0]), torch.tensor([0.0, 4.0])
    assert losses.relativistic_discriminator_loss(real, fake).item() == pytest.approx(math.log(2))
    assert losses.relativistic_discriminator_loss(real.flip(0), fake) > 2


def test_relativistic_against_equal_scores_is_log_two_wherever_they_lie() -> None:
    for level in (-100.0, 0.0, 100.0):
        scores = torch.full((3, 1), level)
        assert losses.RelativisticLoss().discriminator(scores, scores).item() == pytest.approx(math.log(2))


def test_relativistic_says_what_it_needs() -> None:
    scores = torch.zeros(2, 1)
    with pytest.raises(ValueError, match="real_scores must be given to the generator of a relativistic loss"):
        losses.RelativisticLoss().generator(scores)
    with pytest.raises(ValueError, match="score as many reals as fakes"):
        losses.RelativisticLoss().discriminator(scores, scores[:1])


@pytest.mark.parametrize("target_is_real", [True, False])
def test_least_squares_takes_noisy_labels_too(target_is_real: bool) -> None:
    scores = [torch.zeros(4), torch.zeros(2)]
    plain = losses.least_squares_loss([[s] for s in scores], target_is_real)
    flipped = losses.least_squares_loss([[s] for s in scores], target_is_real, flip_probability=1.0)
    assert plain == float(target_is_real)
    assert flipped == 1 - plain
    alternating = losses.least_squares_loss(
        [[s] for s in scores], target_is_real, flip_probability=1.0, alternating_flips=True
    )
    assert alternating == 0.5
    smooth = losses.least_squares_loss(scores[0], target_is_real, label_smoothing=0.5).sqrt()
    assert (0.5 <= smooth < 1) if target_is_real else (0 < smooth <= 0.5)


@pytest.mark.known_bug(29)
def test_one_object_serves_many_precisions_and_leaves_scores_alone() -> None:
    loss = losses.HingeLoss()
    for dtype in (torch.float32, torch.float64):
        scales = [torch.randn(2, 1, 3, 3, dtype=dtype), torch.randn(2, 1, 2, 2, dtype=dtype)]
        before = [s.clone() for s in scales]
        value = loss.discriminator([[s] for s in scales], [[s] for s in scales])
        assert value.dtype is dtype
        assert all(torch.equal(a, b) for a, b in zip(scales, before, strict=True))
    assert vars(loss) == vars(losses.HingeLoss())  # nothing was kept


@pytest.mark.known_bug(18)
def test_no_loss_touches_the_critic_and_unknown_kinds_are_refused() -> None:
    for loss in EVERY_GAME:
        critic = torch.nn.Linear(3, 1)
        torch.nn.init.constant_(critic.weight, 5.0)
        real, fake = torch.randn(4, 3), torch.randn(4, 3)
        loss.discriminator(critic(real), critic(fake)).backward()
        assert (critic.weight == 5).all()  # WGAN's clipping is a call of its own, for one critic
    with pytest.raises(ValueError, match="kind must be one of"):
        losses.AdvEntLoss("WGAN_gp")  # type: ignore[arg-type]


EVERY_GAME: list[losses.AdversarialLoss] = [
    losses.NonSaturatingLoss(),
    losses.BCEGANLoss().eval(),
    losses.LeastSquaresGANLoss(),
    losses.HingeLoss(),
    losses.WassersteinLoss(),
    losses.RelativisticLoss(),
]


@pytest.mark.parametrize("loss", EVERY_GAME, ids=lambda m: type(m).__name__)
def test_players_want_opposite_things(loss: losses.AdversarialLoss) -> None:
    # One call fits every loss of the family: a loop swaps them by one binding.
    fake = torch.full((3, 1), 0.2, requires_grad=True)
    wish = torch.autograd.grad(loss.generator(fake, torch.zeros(3, 1)), fake)[0]
    fear = torch.autograd.grad(loss.discriminator(torch.zeros(3, 1), fake), fake)[0]
    assert (wish < 0).all()
    assert (fear > 0).all()


def test_extreme_scores_stay_finite() -> None:
    score = torch.tensor([1e4, -1e4], requires_grad=True)
    value = losses.BCEGANLoss(0.2, 0.5).discriminator(score, score)
    value.backward()
    assert math.isfinite(value.item())
    assert torch.isfinite(score.grad).all()


@pytest.mark.parametrize("loss", EVERY_GAME[:-1], ids=lambda m: type(m).__name__)
def test_only_relativistic_losses_look_at_the_generators_real_scores(loss: losses.AdversarialLoss) -> None:
    fake = torch.randn(3, 1)
    assert loss.generator(fake) == loss.generator(fake, torch.randn(3, 1))


def test_every_function_is_public() -> None:
    functions = {n for n in vars(adversarial) if n.endswith("_loss")}
    assert functions <= set(losses.__all__)


@pytest.mark.parametrize("loss", [losses.bce_loss, losses.least_squares_loss])
def test_noise_out_of_range_is_refused_by_the_functions_too(loss) -> None:
    with pytest.raises(ValueError, match="label_smoothing must be in"):
        loss(torch.zeros(2, 1), True, label_smoothing=3.0)
