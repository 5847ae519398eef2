import math

import pytest
import torch
from torch import nn

from gancomponents.metrics import (
    HEALTHY_RANGES,
    HealthRange,
    discriminator_auc,
    discriminator_overlap,
    gradient_norm_ratio,
    health,
    sample_diversity,
)


def test_overlap_and_auc_at_their_limits() -> None:
    scores = torch.randn(4, 1, 10, 10)
    assert discriminator_overlap(scores + 100, scores) == 0
    assert discriminator_auc(scores + 100, scores) == 1
    assert discriminator_overlap(scores - 100, scores) == 1
    assert discriminator_auc(scores - 100, scores) == 0
    assert discriminator_overlap(scores, scores).item() == pytest.approx(0.5)
    assert discriminator_auc(scores, scores).item() == pytest.approx(0.5)
    constant = torch.zeros(3)
    assert discriminator_auc(constant, constant) == 0.5
    assert discriminator_overlap(constant, constant) == 0  # none lies below


def test_auc_counts_pairs() -> None:
    real, fake = torch.randint(0, 5, (2, 30)).float()
    wins = (real[:, None] > fake).float() + (real[:, None] == fake).float() / 2
    torch.testing.assert_close(discriminator_auc(real, fake), wins.mean())


@pytest.mark.parametrize("count", [7, 8])
def test_overlap_uses_the_median(count: int) -> None:
    real, fake = torch.randn(50), torch.randn(count)
    expected = (real < fake.double().quantile(0.5)).float().mean()
    torch.testing.assert_close(discriminator_overlap(real, fake), expected)


def test_scales_count_the_same_and_features_do_not_count() -> None:
    a, b, feature = torch.randn(40), torch.randn(5) + 100, torch.randn(2, 3)
    for signal in (discriminator_overlap, discriminator_auc):
        both = signal([[feature, a], [b]], [[feature, a], [b - 100]])
        torch.testing.assert_close(both, (signal(a, a) + signal(b, b - 100)) / 2)
        with pytest.raises(ValueError, match="fake must have as many scales as real, got 1 and 2"):
            signal([[a], [b]], [[a]])


def test_gradient_norm_ratio() -> None:
    def with_gradients(*gradients: torch.Tensor | None) -> list[nn.Parameter]:
        parameters = []
        for gradient in gradients:
            parameters.append(
                nn.Parameter(torch.zeros(2) if gradient is None else torch.zeros_like(gradient))
            )
            parameters[-1].grad = gradient
        return parameters

    generator = with_gradients(torch.tensor([3.0, 0.0]), None, torch.tensor([[0.0], [4.0]]))
    critic = with_gradients(torch.tensor([0.0, 0.5], dtype=torch.float64).float())
    assert gradient_norm_ratio(generator, critic) == 10
    silent = with_gradients(None)
    assert gradient_norm_ratio(silent, critic) == 0
    assert gradient_norm_ratio(critic, silent) == math.inf
    assert gradient_norm_ratio(silent, silent).isnan()


def test_sample_diversity() -> None:
    fake, real = torch.rand(4, 3, 5, 7), torch.rand(3, 3, 5, 7)

    def pairs(x: torch.Tensor) -> torch.Tensor:
        distances = [(x[i] - x[j]).abs().mean() for i in range(len(x)) for j in range(i)]
        return torch.stack(distances).mean()

    torch.testing.assert_close(sample_diversity(fake, real), pairs(fake) / pairs(real))
    torch.testing.assert_close(sample_diversity(0.3 * real, real).item(), 0.3)
    assert sample_diversity(fake[:1].expand(5, -1, -1, -1), real) == 0
    assert sample_diversity(fake[:1], real).isnan()
    with pytest.raises(ValueError, match="fake must be"):
        sample_diversity(fake, real[..., :3])
    with pytest.raises(ValueError, match="fake must be"):
        sample_diversity(torch.zeros(3), torch.zeros(3))


@pytest.mark.parametrize("name", sorted(HEALTHY_RANGES))
def test_every_status(name: str) -> None:
    limits = HEALTHY_RANGES[name]
    middle = (limits.low + limits.high) / 2
    values = {limits.low: "healthy", middle: "healthy", limits.high: "healthy", math.nan: "undefined"}
    values |= {limits.low / 2: limits.below, limits.high * 2: limits.above, math.inf: limits.above}
    for value, status in values.items():
        assert health({name: value}) == {name: status}
        assert health({name: torch.tensor(value, dtype=torch.float64)}) == {name: status}  # type: ignore[dict-item]


def test_the_two_signals_of_the_critic_agree() -> None:
    apart = torch.randn(500)
    for shift, status in ((10.0, "critic certain"), (1.5, "healthy"), (0.0, "critic undecided")):
        real, fake = apart + shift, torch.randn(500)
        signals = {
            "discriminator_overlap": float(discriminator_overlap(real, fake)),
            "discriminator_auc": float(discriminator_auc(real, fake)),
        }
        assert set(health(signals).values()) == {status}, signals


def test_own_ranges_and_bad_arguments() -> None:
    mine = {"loss": HealthRange(0.0, 1.0, "negative", "diverging")}
    assert health({"loss": 3.0}, mine) == {"loss": "diverging"}
    with pytest.raises(ValueError, match="signals must have a range each, got 'overlap': did you mean 'disc"):
        health({"overlap": 0.1})
    with pytest.raises(ValueError, match="give it one"):
        health({"loss": 0.1}, {})
    with pytest.raises(ValueError, match="low must be at most high"):
        HealthRange(2.0, 1.0, "below", "above")
    with pytest.raises(TypeError):
        HEALTHY_RANGES["loss"] = mine["loss"]  # type: ignore[index]
