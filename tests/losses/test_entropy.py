import pytest
import torch

from gancomponents.losses import (
    AdvEntLoss,
    MinEntropyLoss,
    advent_input,
    advent_loss,
    entropy_map,
    min_entropy,
)


@pytest.mark.parametrize("classes", [2, 3, 11])
def test_entropy_lies_between_certainty_and_ignorance(classes: int) -> None:
    certain = torch.eye(classes)[None, :, :, None]
    assert entropy_map(certain).abs().max() < 1e-6
    assert min_entropy(torch.full((2, classes, 3, 3), 1 / classes)).item() == pytest.approx(1.0, rel=1e-5)


def test_certain_predictions_have_a_finite_gradient() -> None:
    p = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1).requires_grad_()
    min_entropy(p, 0.1).backward()
    assert torch.isfinite(p.grad).all()


def test_variance_term() -> None:
    p = torch.softmax(torch.randn(2, 3, 4, 5), 1)
    entropy = entropy_map(p)
    mean = entropy.sum() / (2 * 4 * 5)
    expected = mean + 0.3 * ((entropy - mean) ** 2).sum() / (2 * 4 * 5)
    torch.testing.assert_close(MinEntropyLoss(0.3)(p), expected)
    assert MinEntropyLoss()(p) == min_entropy(p, 0.0)


def test_mean_does_not_depend_on_the_batch() -> None:
    p = torch.softmax(torch.randn(2, 3, 4, 5), 1)
    torch.testing.assert_close(min_entropy(p, 0.1), min_entropy(p.repeat(3, 1, 1, 1), 0.1))


def test_advent_input_weighs_by_depth() -> None:
    p, depth = torch.softmax(torch.randn(2, 3, 4, 5), 1), torch.rand(2, 1, 4, 5)
    torch.testing.assert_close(advent_input(p, depth), entropy_map(p) * depth)
    torch.testing.assert_close(advent_input(p), entropy_map(p))


def test_both_kinds_on_both_labels() -> None:
    scores = torch.tensor([2.0, -1.0])
    softplus = torch.nn.functional.softplus
    torch.testing.assert_close(advent_loss(scores, 1, "bce"), softplus(-scores).mean())
    torch.testing.assert_close(advent_loss(scores, 0, "bce"), softplus(scores).mean())
    assert advent_loss(scores, 1, "linear").item() == pytest.approx(-0.5)
    assert advent_loss(scores, 0, "linear").item() == pytest.approx(-(1 - 2 + 1 + 1) / 2)


@pytest.mark.parametrize("kind", ["bce", "linear"])
def test_a_consistent_game(kind: str) -> None:
    loss = AdvEntLoss(kind)  # type: ignore[arg-type]
    source, target = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    loss.discriminator(source, target).backward()
    assert (source.grad > 0).all()
    assert (target.grad < 0).all()
    fooled = torch.zeros(3, requires_grad=True)
    loss.generator(fooled).backward()
    assert (fooled.grad > 0).all()  # target towards the source's label
    assert loss.generator(fooled, label=1) == advent_loss(fooled, 1, loss.kind)


def test_upstreams_mixed_pair() -> None:
    loss = AdvEntLoss("linear", discriminator_kind="bce")
    x = torch.randn(4)
    assert loss.generator(x) == advent_loss(x, 0, "linear")
    assert loss.discriminator(x, x) == AdvEntLoss("bce").discriminator(x, x)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="at least two classes"):
        entropy_map(torch.ones(1, 1, 2, 2))
    with pytest.raises(ValueError, match="variance_weight must be"):
        MinEntropyLoss(-1.0)
    with pytest.raises(ValueError, match="resize it to the probabilities"):
        advent_input(torch.ones(1, 2, 4, 4), torch.ones(1, 1, 2, 2))
    with pytest.raises(ValueError, match="kind must be"):
        AdvEntLoss("wgan")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="discriminator_kind must be"):
        AdvEntLoss("bce", discriminator_kind="wgan")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="kind must be"):
        advent_loss(torch.ones(1), 0, "wgan")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="label must be"):
        advent_loss(torch.ones(1), 2)
