import pytest
import torch
from torch.nn import functional

from gancomponents.losses import AutoEncodingLoss, CycleLoss, image_distance


@pytest.mark.parametrize("loss", [CycleLoss, AutoEncodingLoss])
def test_both_norms_are_torchs_means(loss: type[CycleLoss] | type[AutoEncodingLoss]) -> None:
    a, b = torch.randn(2, 2, 3, 5, 4)
    torch.testing.assert_close(loss()(a, b), functional.l1_loss(a, b))
    torch.testing.assert_close(loss(2)(a, b), functional.mse_loss(a, b))
    assert loss()(a, a) == loss(2)(a, a) == 0
    with pytest.raises(ValueError, match="norm must be 1 or 2, got 3"):
        loss(3)  # type: ignore[arg-type]


def test_bad_arguments() -> None:
    x = torch.zeros(1, 3, 2, 2)
    with pytest.raises(ValueError, match="resize one"):
        image_distance(x, x[..., :1])
    with pytest.raises(ValueError, match="norm must be 1 or 2"):
        image_distance(x, x, norm=0)  # type: ignore[arg-type]
