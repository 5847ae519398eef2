import pytest
import torch

from gancomponents.losses import TotalVariationLoss, total_variation


def test_ramps() -> None:
    rows = torch.arange(5.0)[:, None].expand(2, 3, 5, 4)
    assert total_variation(rows).item() == 2
    assert total_variation(3 * rows.mT).item() == 18
    assert TotalVariationLoss()(torch.ones(1, 1, 3, 3)).item() == 0


def test_independent_of_batch_and_channels() -> None:
    x = torch.rand(1, 1, 6, 7)
    torch.testing.assert_close(total_variation(x.expand(4, 3, 6, 7)), total_variation(x))


def test_bad_shape() -> None:
    with pytest.raises(ValueError, match="H, W >= 2"):
        total_variation(torch.ones(1, 1, 1, 4))
