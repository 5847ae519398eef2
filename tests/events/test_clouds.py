import math

import pytest
import torch
from torch import Tensor

from gancomponents.events import cloudy, flood, perlin_noise, sky_mask


def angles(*shape: int) -> Tensor:
    return 2 * math.pi * torch.rand(shape, dtype=torch.float64)


def test_noise_is_the_formula_at_every_pixel() -> None:
    corners = angles(4, 3)
    height, width = 7, 11  # no multiples of 3 and 2 cells
    noise = perlin_noise(corners, (height, width))
    for i in range(height):
        for j in range(width):
            u, v = i * 3 / height, j * 2 / width
            row, column = int(u), int(v)
            u, v = u - row, v - column
            dots = [
                [
                    math.cos(corners[row + a, column + b]) * (u - a)
                    + math.sin(corners[row + a, column + b]) * (v - b)
                    for b in (0, 1)
                ]
                for a in (0, 1)
            ]
            fade = [6 * t**5 - 15 * t**4 + 10 * t**3 for t in (u, v)]
            upper = dots[0][0] + fade[1] * (dots[0][1] - dots[0][0])
            lower = dots[1][0] + fade[1] * (dots[1][1] - dots[1][0])
            expected = math.sqrt(2) * (upper + fade[0] * (lower - upper))
            assert noise[i, j].item() == pytest.approx(expected, abs=1e-12)


def test_noise_is_zero_at_corners_bounded_and_batched() -> None:
    noise = perlin_noise(angles(5, 9, 9), (64, 40))
    assert noise.shape == (5, 64, 40)
    assert (noise[:, ::8, ::5] == 0).all()
    assert noise.abs().max() <= 1
    corners = angles(2, 3, 4, 5)
    torch.testing.assert_close(perlin_noise(corners, (9, 9))[1, 2], perlin_noise(corners[1, 2], (9, 9)))


def test_noise_turns_around_with_its_gradients() -> None:
    corners = angles(4, 4)
    torch.testing.assert_close(perlin_noise(corners + math.pi, (9, 9)), -perlin_noise(corners, (9, 9)))


def test_limits_of_the_weight() -> None:
    x, sky = torch.rand(2, 3, 16, 24) * 2 - 1, torch.rand(2, 1, 16, 24)
    torch.testing.assert_close(cloudy(x, sky, weight=0), x)
    assert torch.equal(cloudy(x, torch.zeros_like(sky)), x)
    full = cloudy(x, torch.ones_like(sky), weight=1)
    assert (full.amin((1, 2, 3)) == 0).all()
    torch.testing.assert_close(full, full[:, :1].expand_as(full))


def test_one_map_for_all_or_one_each() -> None:
    x, sky, corners = torch.zeros(2, 3, 16, 24), torch.ones(2, 1, 16, 24), angles(2, 5, 5).float()
    each = cloudy(x, sky, angles=corners)
    for index in range(2):
        alone = cloudy(x[:1], sky[:1], angles=corners[index])
        torch.testing.assert_close(each[index : index + 1], alone)
    shared = cloudy(x, sky, angles=corners[0])
    assert torch.equal(shared[0], shared[1])
    drawn = cloudy(x, sky, cells=(2, 3))
    assert not torch.equal(drawn[0], drawn[1])
    torch.manual_seed(3)
    again = cloudy(x, sky, cells=(2, 3))
    torch.manual_seed(3)
    assert torch.equal(again, cloudy(x, sky, cells=(2, 3)))


@pytest.mark.known_bug(52)
def test_a_soft_mask_keeps_its_precision() -> None:
    x, corners = torch.rand(1, 3, 9, 9, dtype=torch.float64), angles(4, 4)
    sky = torch.full((1, 1, 9, 9), 1 / 3, dtype=torch.float64)
    full = cloudy(x, torch.ones_like(sky), angles=corners)
    torch.testing.assert_close(cloudy(x, sky, angles=corners), full / 3 + 2 * x / 3, rtol=0, atol=1e-14)


@pytest.mark.known_bug(52)
def test_classes_are_told_apart_before_resizing() -> None:
    logits = torch.randn(2, 11, 5, 6)
    before = sky_mask(
        logits.argmax(1)[:, None].eq(torch.arange(11)[:, None, None]).float(), (15, 18), growth=0.0
    )
    assert torch.equal(sky_mask(logits, (15, 18), growth=0.0), before)


def test_flood_under_clouds_keeps_the_picture() -> None:
    x, sky, mask = torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    assert torch.equal(flood(x, mask, torch.tanh, seen=cloudy(x, sky)), x)


def test_gradient() -> None:
    corners = angles(3, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: perlin_noise(a, (5, 4)), (corners,))
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    sky = torch.rand(2, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y, m: cloudy(y, m, angles=corners.detach()), (x, sky))


def test_bad_arguments() -> None:
    x, sky = torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4)
    for bad in (torch.zeros(1, 3), torch.zeros(3), torch.zeros(3, 3, dtype=torch.long)):
        with pytest.raises(ValueError, match="angles must be floating"):
            perlin_noise(bad, (4, 4))
    with pytest.raises(ValueError, match="size must be"):
        perlin_noise(torch.zeros(3, 3), (4, 0))
    with pytest.raises(ValueError, match="sky must be"):
        cloudy(x, sky[:1])
    with pytest.raises(ValueError, match="weight must be"):
        cloudy(x, sky, weight=1.5)
    with pytest.raises(ValueError, match="cells must be"):
        cloudy(x, sky, cells=(0, 8))
    with pytest.raises(ValueError, match="angles must be"):
        cloudy(x, sky, angles=torch.zeros(3, 4, 4))
