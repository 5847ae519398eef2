import pytest
import torch

from gancomponents.losses import AdvEntLoss, AdversarialLoss, advent_input, advent_loss, entropy_map


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


@pytest.mark.known_bug(19)
@pytest.mark.parametrize("kind", ["bce", "linear"])
def test_a_consistent_game(kind: str) -> None:
    loss = AdvEntLoss(kind)  # type: ignore[arg-type]
    source, target = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    loss.discriminator(source, target).backward()
    assert (source.grad > 0).all()
    assert (target.grad < 0).all()
    both = advent_loss(source, 0, loss.kind) + advent_loss(target, 1, loss.kind)
    assert loss.discriminator(source, target) == both  # the same kind as the generator's
    fooled = torch.zeros(3, requires_grad=True)
    loss.generator(fooled).backward()
    assert (fooled.grad > 0).all()  # target towards the source's label
    assert loss.generator(fooled, label=1) == advent_loss(fooled, 1, loss.kind)


def test_is_called_like_every_adversarial_loss() -> None:
    loss: AdversarialLoss = AdvEntLoss()
    source, target = torch.randn(3), torch.randn(3)
    assert loss.generator(target, source) == loss.generator(target) == advent_loss(target, 0)


def test_upstreams_mixed_pair() -> None:
    loss = AdvEntLoss("linear", discriminator_kind="bce")
    x = torch.randn(4)
    assert loss.generator(x) == advent_loss(x, 0, "linear")
    assert loss.discriminator(x, x) == AdvEntLoss("bce").discriminator(x, x)


def test_bad_arguments() -> None:
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
