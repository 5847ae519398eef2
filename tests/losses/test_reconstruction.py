import pytest
import torch

from gancomponents.losses import ContextLoss, ReconstructionLoss, masked_l1


@pytest.mark.known_bug(26)
def test_inside_and_outside() -> None:
    a, b = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    b[:, :, 0] = 3
    mask = torch.tensor([[1.0, 1.0], [0.0, 0.0]])[None, None]
    assert ReconstructionLoss()(a, b, mask) == 3
    assert ContextLoss()(a, b, mask) == 1
    assert ReconstructionLoss(over_mask=False)(a, b, mask) == 1.5
    assert ContextLoss(over_mask=False)(a, b, mask) == 0.5


def test_empty_mask_is_zero_with_a_finite_gradient() -> None:
    a = torch.rand(1, 3, 2, 2, requires_grad=True)
    loss = masked_l1(a, torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2))
    loss.backward()
    assert loss == 0
    assert (a.grad == 0).all()


def test_bad_shape() -> None:
    with pytest.raises(ValueError, match="one size"):
        masked_l1(torch.ones(1, 3, 2, 2), torch.ones(1, 3, 2, 2), torch.ones(1, 1, 1, 2))
