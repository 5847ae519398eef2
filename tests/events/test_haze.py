import pytest
import torch

from gancomponents.events import smog
from gancomponents.events.colour import linear_to_srgb, srgb_to_linear, unit_range
from gancomponents.layers.norms import min_max


def test_colour_curves_are_inverse_with_finite_gradients() -> None:
    x = torch.linspace(0, 1, 257, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(x)), x, atol=1e-6, rtol=0)
    linear_to_srgb(x).sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.known_bug(59)
def test_ranges() -> None:
    x = torch.rand(2, 3, 4, 4) * 0.4 - 0.2
    assert unit_range(x).min() > 0.39
    stretched = unit_range(x, stretch=True)
    assert (stretched.amin((1, 2, 3)) == 0).all()
    assert (stretched.amax((1, 2, 3)) == 1).all()
    assert torch.equal(min_max(torch.full((1, 1, 2, 2), 7.0), 0.3, 1.0), torch.full((1, 1, 2, 2), 0.3))
    with pytest.raises(ValueError, match="RGB"):
        unit_range(torch.zeros(3, 4, 4))


def test_far_is_hazier_than_near() -> None:
    x = -torch.ones(1, 3, 8, 8)
    inverse_depth = torch.linspace(1, 0, 8).expand(1, 1, 8, 8)  # left near, right far
    grey = smog(x, inverse_depth)[0].mean((0, 1))
    assert (grey.diff() > 0).all()


def test_limits() -> None:
    x, depth = torch.rand(1, 3, 8, 8) * 2 - 1, torch.rand(1, 1, 4, 4)
    torch.testing.assert_close(smog(x, depth, beta=0.0, alpha=0), x, atol=1e-5, rtol=0)
    dense = smog(x, depth, beta=1e6, alpha=0)
    assert (dense - dense.mean()).abs().max() < 1e-5
    torch.testing.assert_close(smog(x, depth, visual_range=4.0), smog(x, depth, beta=0.5))
    veil = smog(x, depth, alpha=255)
    torch.testing.assert_close(veil[0, :, 0, 0], torch.tensor([224, 192, 29]) / 127.5 - 1)


def test_depth_up_to_scale_and_shift_and_each_image_alone() -> None:
    x, depth = torch.rand(2, 3, 8, 8) * 2 - 1, torch.rand(2, 1, 4, 4)
    torch.testing.assert_close(smog(x, 5 * depth - 3), smog(x, depth), atol=1e-4, rtol=0)
    torch.testing.assert_close(smog(x, depth)[1:], smog(x[1:], depth[1:]))
    assert torch.isfinite(smog(x, torch.ones_like(depth))).all()


def test_stretch() -> None:
    x, depth = torch.rand(1, 3, 8, 8) * 0.5, torch.rand(1, 1, 4, 4)
    torch.testing.assert_close(smog(x, depth, stretch=True), smog(min_max(x, -1.0, 1.0), depth))


def test_gradient() -> None:
    x = (torch.rand(1, 3, 4, 4, dtype=torch.float64) * 1.8 - 0.9).requires_grad_()
    depth = torch.rand(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(smog, (x, depth))


def test_bad_arguments() -> None:
    x = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match="depth must be"):
        smog(x, torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="visual_range must be"):
        smog(x, torch.rand(1, 1, 4, 4), visual_range=0.0)
