import pytest
import torch

from gancomponents.losses import FeatureMatchingLoss, feature_matching


def test_sum_over_scales_and_stages_divided_by_scales() -> None:
    real = [[torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 2, 2), torch.zeros(2, 1, 2, 2)] for _ in range(2)]
    fake = [[torch.full_like(f, 1.0 + s) for f in features] for s, features in enumerate(real)]
    assert FeatureMatchingLoss()(real, fake).item() == pytest.approx((2 * 1 + 2 * 2) / 2)


def test_neither_scores_nor_real_features_get_a_gradient() -> None:
    real = [torch.randn(1, 2, 3, 3, requires_grad=True) for _ in range(2)]
    fake = [torch.randn(1, 2, 3, 3, requires_grad=True) for _ in range(2)]
    feature_matching(real, fake).backward()
    assert fake[0].grad is not None
    assert fake[1].grad is None
    assert real[0].grad is None
    assert real[1].grad is None


def test_bad_features() -> None:
    x = torch.zeros(1, 2, 3, 3)
    with pytest.raises(ValueError, match=r"scores only: pass what ImageDiscriminator\.features"):
        feature_matching(x, x)
    with pytest.raises(ValueError, match="as many entries"):
        feature_matching([x, x], [[x, x], [x, x]])
    with pytest.raises(ValueError, match="have the shapes"):
        feature_matching([x, x], [x[..., :2], x])
