import math

import pytest
import torch
from torch.nn import functional

from gancomponents.losses import ClassifierLoss, classifier_loss

KINDS = pytest.mark.parametrize("kind", ["cross_entropy", "l1", "l2"])


def test_closed_forms() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0]])  # probabilities 3/4 and 1/4
    assert classifier_loss(logits, 0).item() == pytest.approx(-math.log(0.75))
    assert classifier_loss(logits, 1, kind="l1").item() == pytest.approx(0.75)
    assert classifier_loss(logits, 1, kind="l2").item() == pytest.approx(0.75**2)
    assert classifier_loss(logits, kind="l2").item() == pytest.approx(0.25**2)
    assert classifier_loss(logits).item() == pytest.approx(-0.5 * math.log(3 / 16))


def test_cross_entropy_is_torchs() -> None:
    logits, domains = torch.randn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    torch.testing.assert_close(
        ClassifierLoss().classifier(logits, domains), functional.cross_entropy(logits, domains)
    )


@KINDS
def test_a_domain_may_be_told_in_three_ways(kind) -> None:
    logits = torch.randn(2, 4)
    expected = classifier_loss(logits, 3, kind=kind)
    assert classifier_loss(logits, torch.tensor([3, 3]), kind=kind) == expected
    assert classifier_loss(logits, torch.tensor([[0.0, 0, 0, 1]] * 2), kind=kind) == expected


@KINDS
def test_generator_and_classifier_pull_apart(kind) -> None:
    loss = ClassifierLoss(kind)
    logits = torch.tensor([[1.0, 0.0, 0.0, 0.0]], requires_grad=True)
    learn = torch.autograd.grad(loss.classifier(logits, 0), logits)[0]
    hide = torch.autograd.grad(loss.generator(logits), logits)[0]
    pose = torch.autograd.grad(loss.generator(logits, 1), logits)[0]
    assert learn[0, 0] < 0 < hide[0, 0]
    assert pose[0, 1] < 0
    assert loss.generator(torch.zeros(2, 4)) <= loss.generator(logits)  # nothing hides better than ignorance


def test_bad_arguments() -> None:
    logits = torch.zeros(2, 4)
    with pytest.raises(ValueError, match="kind must be one of"):
        ClassifierLoss("hinge")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pool and flatten"):
        classifier_loss(logits[0], 0)
    with pytest.raises(ValueError, match="a domain from 0 to 3, got 4"):
        classifier_loss(logits, 4)
    for target in (torch.zeros(3).long(), torch.zeros(2), torch.zeros(2, 3)):
        with pytest.raises(ValueError, match="one domain for each sample"):
            classifier_loss(logits, target)
