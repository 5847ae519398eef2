import pytest
import torch

from gancomponents.losses import MinEntropyLoss, entropy_map, min_entropy


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


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="at least two classes"):
        entropy_map(torch.ones(1, 1, 2, 2))
    with pytest.raises(ValueError, match="variance_weight must be"):
        MinEntropyLoss(-1.0)
