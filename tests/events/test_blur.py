import pytest
import torch
from torch.nn import functional

from gancomponents.events import gaussian_blur
from gancomponents.events.blur import _step, gaussian_matrix, grow


@pytest.mark.parametrize(("kernel_size", "sigma"), [(1, 1.0), (3, 0.7), (7, 3.5), (11, 50.0)])
def test_is_the_dense_convolution_with_reflected_borders(kernel_size: int, sigma: float) -> None:
    x = torch.rand(2, 1, 12, 15, dtype=torch.float64)
    offsets = torch.arange(kernel_size, dtype=torch.float64) - kernel_size // 2
    square = (offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2)
    kernel = torch.exp(-square)
    kernel = (kernel / kernel.sum())[None, None]
    padded = functional.pad(x, [kernel_size // 2] * 4, mode="reflect")
    torch.testing.assert_close(gaussian_blur(x, kernel_size, sigma), functional.conv2d(padded, kernel))


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_windows_beyond_the_image_reflect_again(size: int) -> None:
    matrix = gaussian_matrix(size, 281, 140.5, torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(matrix.sum(1), torch.ones(size, dtype=torch.float64))
    assert (matrix >= 0).all()
    if size > 1:
        # Reflecting again and again is the blur of the endlessly mirrored line.
        line = torch.rand(size, dtype=torch.float64)
        period = torch.cat([line, line[1:-1].flip(0)])
        copies = 2 * (281 // len(period) + 2) + 1
        long = period.repeat(copies)
        taps = torch.exp(-((torch.arange(281.0).double() - 140) ** 2) / (2 * 140.5**2))
        blurred = functional.conv1d(long[None, None], (taps / taps.sum())[None, None], padding=140)[0, 0]
        middle = copies // 2 * len(period)
        torch.testing.assert_close(matrix @ line, blurred[middle : middle + size])


def test_stays_in_fp32_under_autocast() -> None:
    x = torch.rand(1, 1, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(gaussian_blur(x, 5, 2.0), gaussian_blur(x, 5, 2.0).float())
    with torch.autocast("cpu", torch.bfloat16):
        blurred = gaussian_blur(x, 5, 2.0)
    torch.testing.assert_close(blurred, gaussian_blur(x, 5, 2.0))


@pytest.mark.parametrize(("kernel_size", "sigma"), [(1317, 658.7), (401, 40.0), (5001, 900.0)])
def test_a_coarser_grid_stays_within_half_a_level(kernel_size: int, sigma: float) -> None:
    steps = (torch.rand(1, 1, 230, 310) > 0.5).double()
    regions = torch.zeros_like(steps)
    regions[..., :70, 40:] = 1
    rows = gaussian_matrix(230, kernel_size, sigma, steps)
    columns = gaussian_matrix(310, kernel_size, sigma, steps)
    for x in (steps, regions, torch.ones_like(steps)):
        exact = rows @ x @ columns.T
        assert torch.equal(gaussian_blur(x, kernel_size, sigma, tolerance=0), exact)
        coarse = gaussian_blur(x, kernel_size, sigma)
        assert coarse.shape == x.shape
        assert (coarse - exact).abs().max() <= 1 / 512
    assert not torch.equal(gaussian_blur(steps, kernel_size, sigma), rows @ steps @ columns.T)


@pytest.mark.parametrize("step", [2, 3, 7])
@pytest.mark.parametrize("kernel_size", [3, 9, 41])
def test_the_bound_holds_for_the_worst_image_of_a_blur(step: int, kernel_size: int) -> None:
    sigma, size = 0.4 * kernel_size, 22
    matrix = gaussian_matrix(size, kernel_size, sigma, torch.zeros((), dtype=torch.float64))
    nodes = gaussian_matrix(size, kernel_size, sigma, torch.zeros((), dtype=torch.float64), step=step)
    torch.testing.assert_close(nodes[: -(-size // step)], matrix[::step])
    full = (step * (len(nodes) - 1) + 1, size)
    linear = functional.interpolate(nodes[None, None], full, mode="bilinear", align_corners=True)[0, 0, :size]
    # Of all images in [0, 1], that which is 1 where a pixel's error grows with it errs most.
    worst = (linear - matrix).clamp_min(0).sum(1).max()
    tolerance = 2 * float(worst)  # along each of two axes
    assert _step(kernel_size, sigma, 0.999 * tolerance) < step


def test_the_published_blur_is_computed_in_full() -> None:
    x = torch.rand(1, 1, 40, 50)
    assert torch.equal(gaussian_blur(x, 281, 140.5), gaussian_blur(x, 281, 140.5, tolerance=0))


@pytest.mark.parametrize("radius", [0, 1, 3, 100])
@pytest.mark.parametrize("dim", [2, 3])
def test_growth_is_max_pooling(radius: int, dim: int) -> None:
    mask = (torch.rand(2, 1, 20, 23) > 0.95).float()
    window = (2 * radius + 1, 1) if dim == 2 else (1, 2 * radius + 1)
    wide = functional.pad(mask, [100] * 4)
    expected = functional.max_pool2d(wide, window, 1, [w // 2 for w in window])
    expected = expected[..., 100:-100, 100:-100]
    assert torch.equal(grow(mask, radius, dim), expected)


@pytest.mark.parametrize("radius", [0, 2])
@pytest.mark.parametrize("size", [3, 7, 8, 20, 37])
@pytest.mark.parametrize("dim", [2, 3])
def test_growth_of_a_resized_axis(dim: int, size: int, radius: int) -> None:
    mask = (torch.rand(2, 1, 8, 7) > 0.8).float()
    shape = (size, 7) if dim == 2 else (8, size)
    resized = functional.interpolate(mask, shape, mode="nearest")
    assert torch.equal(grow(mask, radius, dim, size), grow(resized, radius, dim))


def test_bad_arguments() -> None:
    x = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match="kernel_size must be odd"):
        gaussian_blur(x, 4, 1.0)
    with pytest.raises(ValueError, match="sigma must be positive"):
        gaussian_blur(x, 3, 0.0)
    with pytest.raises(ValueError, match="tolerance must be >= 0"):
        gaussian_blur(x, 3, 1.0, tolerance=-1)
