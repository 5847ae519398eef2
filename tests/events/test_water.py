import pytest
import torch
from torch import Tensor

from gancomponents.events import flood


def test_painter_sees_the_masked_image_and_paints_only_inside() -> None:
    x, mask = torch.rand(2, 3, 4, 4) * 2 - 1, (torch.rand(2, 1, 4, 4) > 0.5).float()
    seen = []

    def painter(dry: Tensor) -> Tensor:
        seen.append(dry)
        return torch.full_like(dry, 0.25)

    flooded = flood(x, mask, painter)
    assert torch.equal(seen[0], x * (1 - mask))
    assert torch.equal(flooded, torch.where(mask > 0, torch.full_like(x, 0.25), x))


def test_soft_and_binary_masks() -> None:
    x, mask = torch.ones(1, 3, 1, 2), torch.tensor([0.75, 0.25]).reshape(1, 1, 1, 2)
    assert flood(x, mask, torch.zeros_like)[0, 0].tolist() == [[0.25, 0.75]]
    assert flood(x, mask, torch.zeros_like, threshold=0.5)[0, 0].tolist() == [[0.0, 1.0]]


def test_the_painter_may_see_another_sky() -> None:
    x, seen = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 2:, :] = 1
    given = []
    flooded = flood(x, mask, lambda dry: given.append(dry) or dry + 1, seen=seen)
    assert torch.equal(given[0], seen * (1 - mask))
    assert torch.equal(flooded[..., :2, :], x[..., :2, :])
    assert torch.equal(flooded[..., 2:, :], torch.ones(1, 3, 2, 4))


def test_gradient() -> None:
    x = torch.rand(1, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, m: flood(a, m, torch.tanh), (x, mask))


def test_bad_arguments() -> None:
    x = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match="resize the mask"):
        flood(x, torch.zeros(1, 1, 2, 2), torch.zeros_like)
    with pytest.raises(ValueError, match="painter must return"):
        flood(x, torch.zeros(1, 1, 4, 4), lambda dry: dry[..., :2])
    with pytest.raises(ValueError, match="seen must be like x"):
        flood(x, torch.zeros(1, 1, 4, 4), torch.zeros_like, seen=x[:, :1])
