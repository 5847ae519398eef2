"""Nearest-neighbour resizing."""

import pytest
import torch
import torch.nn.functional as F

from gancomponents.layers import UpsampleNearest, upsample_nearest
from gancomponents.layers.upsample import _repeat


@pytest.mark.parametrize("size", [(4, 6), (8, 12), (12, 6), (2, 3), (1, 1), (7, 11), (3, 12), (5, 2)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_equals_interpolate(size: tuple[int, int], memory_format: torch.memory_format) -> None:
    x = torch.randn(2, 3, 4, 6).contiguous(memory_format=memory_format)
    assert torch.equal(upsample_nearest(x, size), F.interpolate(x, size=size, mode="nearest"))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_way_of_xla_gives_the_same_values_and_gradients(memory_format: torch.memory_format) -> None:
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=memory_format).requires_grad_()
    expected = F.interpolate(x, size=(8, 15), mode="nearest")
    found = _repeat(x, 2, 3)
    assert torch.equal(found, expected)
    assert found.is_contiguous(memory_format=memory_format)
    weight = torch.randn_like(expected)
    (a,), (b,) = (torch.autograd.grad((y * weight).sum(), x) for y in (found, expected))
    torch.testing.assert_close(a, b)


def test_module_and_bad_sizes() -> None:
    assert UpsampleNearest()(torch.zeros(1, 1, 2, 3)).shape == (1, 1, 4, 6)
    with pytest.raises(ValueError, match="factor must be"):
        UpsampleNearest(0)
    with pytest.raises(ValueError, match="at least 1x1"):
        upsample_nearest(torch.zeros(1, 1, 2, 2), (0, 2))
    with pytest.raises(ValueError, match=r"must be \(B, C, H, W\)"):
        upsample_nearest(torch.zeros(1, 2, 2), (4, 4))


def test_pixels_are_those_of_the_formula_at_every_size() -> None:
    for before in range(1, 20):
        x = torch.arange(float(before)).reshape(1, 1, 1, before)
        for after in [*range(1, 40), 41 * before, 47 * before, 61 * before]:
            expected = [float(i * before // after) for i in range(after)]
            assert upsample_nearest(x, (1, after)).flatten().tolist() == expected, (before, after)
