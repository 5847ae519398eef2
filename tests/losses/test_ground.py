import pytest
import torch

from gancomponents.losses import GroundIntersectionLoss, ground_intersection


def test_water_over_all_ground_costs_nothing() -> None:
    target = (torch.rand(2, 1, 8, 8) > 0.5).float()
    assert ground_intersection(torch.ones_like(target), target) == 0
    assert ground_intersection(target, target) == 0
    assert GroundIntersectionLoss()(torch.zeros_like(target), target) == target.mean()


@pytest.mark.known_bug(23)
def test_gradient_floods_dry_ground_only() -> None:
    target = torch.tensor([1.0, 1.0, 0.0]).reshape(1, 1, 1, 3)
    pred = torch.tensor([0.2, 1.0, 0.3]).reshape(1, 1, 1, 3).requires_grad_()
    ground_intersection(pred, target).backward()
    assert pred.grad.flatten()[0] < 0
    assert pred.grad.flatten()[2] == 0


def test_agrees_with_upstreams_count_on_hard_masks() -> None:
    pred, target = (torch.rand(2, 2, 1, 8, 8) > 0.5).float()
    assert ground_intersection(pred, target) == GroundIntersectionLoss(threshold=0.5)(pred, target)


def test_bad_shape() -> None:
    with pytest.raises(ValueError, match="resize one"):
        ground_intersection(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 3))
