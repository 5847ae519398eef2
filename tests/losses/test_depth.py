import pytest
import torch
from torch.nn import functional

from gancomponents.losses import (
    DepthCrossEntropy,
    ReverseHuberLoss,
    ScaleInvariantLoss,
    depth_cross_entropy,
    reverse_huber_loss,
    scale_invariant_loss,
)


def test_scale_invariant_limits() -> None:
    pred, target = torch.randn(2, 1, 1, 4, 4, dtype=torch.float64)
    mse = functional.mse_loss(pred, target)
    torch.testing.assert_close(scale_invariant_loss(pred, target, invariance=0.0), mse)
    torch.testing.assert_close(scale_invariant_loss(pred + 7, target), scale_invariant_loss(pred, target))


def test_reverse_huber_is_l1_below_the_kink_and_meets_it_there() -> None:
    target = torch.zeros(1, 1, 1, 4, dtype=torch.float64)
    pred = torch.tensor([0.5, 2.0, 2.0 + 1e-9, 10.0], dtype=torch.float64).reshape(1, 1, 1, 4)  # kink at 2
    expected = (0.5 + 2 + 2 + 104 / 4) / 4
    assert reverse_huber_loss(pred, target).item() == pytest.approx(expected, rel=1e-8)
    zero = target.clone().requires_grad_()
    reverse_huber_loss(zero, target).backward()
    assert torch.isfinite(zero.grad).all()


def test_reverse_huber_limits() -> None:
    pred, target = torch.randn(2, 2, 1, 4, 5, dtype=torch.float64)
    l1 = functional.l1_loss(pred, target)
    torch.testing.assert_close(
        reverse_huber_loss(pred, target, fraction=1.0), l1
    )  # the kink is the largest error
    assert reverse_huber_loss(pred, target, fraction=0.1) > reverse_huber_loss(pred, target) > l1
    assert ReverseHuberLoss(fraction=0.1)(pred, target) == reverse_huber_loss(pred, target, fraction=0.1)
    assert ScaleInvariantLoss(invariance=0.5)(pred, target) == scale_invariant_loss(
        pred, target, invariance=0.5
    )


@pytest.mark.known_bug(28)
def test_bucketed_depth_leaves_the_target_as_it_was() -> None:
    logits, buckets = torch.randn(2, 4, 3, 5), torch.randint(0, 4, (2, 1, 3, 5))
    before = buckets.clone()
    first = DepthCrossEntropy()(logits, buckets)
    assert buckets.shape == before.shape
    assert torch.equal(buckets, before)
    assert DepthCrossEntropy()(logits, buckets) == first  # a second use of the batch
    torch.testing.assert_close(first, functional.cross_entropy(logits, buckets[:, 0]))


def test_bucketed_depth_with_and_without_a_channel_axis() -> None:
    logits, buckets = torch.randn(2, 4, 3, 5), torch.randint(0, 4, (2, 1, 3, 5))
    value = depth_cross_entropy(logits, buckets.float())
    assert value == depth_cross_entropy(logits, buckets[:, 0])
    buckets[0] = -1
    alone = depth_cross_entropy(logits[1:], buckets[1:])
    torch.testing.assert_close(DepthCrossEntropy(ignore_index=-1)(logits, buckets), alone)


def test_bad_shapes() -> None:
    for loss in (reverse_huber_loss, scale_invariant_loss):
        with pytest.raises(ValueError, match="resize the target to the prediction"):
            loss(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))
    with pytest.raises(ValueError, match="labels must be"):
        depth_cross_entropy(torch.zeros(1, 4, 3, 5), torch.zeros(1, 2, 3, 5))
