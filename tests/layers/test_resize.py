"""Smooth resizing."""

import pytest
import torch
import torch.nn.functional as F

from gancomponents.layers import resize
from gancomponents.layers.resize import _by_matrices

SIZES = [(8, 12), (7, 11), (4, 9), (3, 2), (1, 1), (40, 5)]


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_the_way_of_xla_gives_the_same_values_and_gradients(
    mode: str, align_corners: bool, size: tuple[int, int]
) -> None:
    x = torch.randn(2, 3, 4, 6, dtype=torch.float32, requires_grad=True)
    expected = F.interpolate(x, size=size, mode=mode, align_corners=align_corners)
    found = _by_matrices(x, size, mode, align_corners)
    torch.testing.assert_close(found, expected)
    assert torch.equal(resize(x, size, mode=mode, align_corners=align_corners), expected)
    weight = torch.randn_like(expected)
    (a,), (b,) = (torch.autograd.grad((y * weight).sum(), x) for y in (found, expected))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_the_way_of_xla_computes_in_full_precision_and_returns_what_came() -> None:
    x = torch.randn(1, 2, 5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(
            _by_matrices(x, (9, 7), "bilinear", False), F.interpolate(x, (9, 7), mode="bilinear")
        )
    assert _by_matrices(x.bfloat16(), (9, 7), "bilinear", False).dtype is torch.bfloat16


def test_the_same_size_is_the_same_tensor() -> None:
    x = torch.randn(1, 2, 5, 4)
    assert resize(x, (5, 4)) is x


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="mode must be one of"):
        resize(torch.zeros(1, 1, 2, 2), (4, 4), mode="nearest")
    with pytest.raises(ValueError, match="at least 1x1"):
        resize(torch.zeros(1, 1, 2, 2), (0, 2))
