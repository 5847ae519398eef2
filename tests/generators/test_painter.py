"""The SPADE painter, and pasting."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gancomponents.generators import SPADEPainter, paste
from gancomponents.layers import SPADE, spectral_norms

SMALL = partial(SPADEPainter, 8, upsamplings=3, hidden_channels=4)


@pytest.mark.parametrize("size", [(16, 8), (9, 9), (31, 64), (40, 24), (8, 9)])
def test_paints_any_size_within_range(size: tuple[int, int]) -> None:
    image = SMALL()(torch.randn(1, 3, *size))
    assert image.shape == (1, 3, *size)
    assert image.abs().max() <= 1


def test_parameter_counts() -> None:
    def count(*arguments: int, **options: bool) -> int:
        return sum(p.numel() for p in SPADEPainter(*arguments, **options).parameters())

    with torch.device("meta"):
        assert count(640) == 42_283_095
        assert count(128) == 4_349_575
        assert count(640, final_shortcut=True) == 42_283_164


def test_options() -> None:
    batch_norm = partial(nn.BatchNorm2d, affine=False)
    painter = SMALL(spectral=False, norm=batch_norm, cond_channels=5)
    assert not list(spectral_norms(painter))
    assert painter(torch.randn(2, 5, 8, 8)).shape == (
        2,
        3,
        8,
        8,
    )  # one latent pixel, which batch norm can take
    assert SPADEPainter(4, upsamplings=2, hidden_channels=4)(torch.randn(1, 3, 8, 8)).shape == (1, 3, 8, 8)


@pytest.mark.known_bug(16)
def test_kernel_size_reaches_every_spade() -> None:
    painter = SMALL(kernel_size=5)
    spades = [layer for layer in painter.modules() if isinstance(layer, SPADE)]
    assert spades
    for layer in spades:
        assert layer.shared.kernel_size == layer.gamma_beta.kernel_size == (5, 5)
    with pytest.raises(ValueError, match="kernel_size must be odd"):
        SMALL(kernel_size=2)


@pytest.mark.known_bug(15)
def test_128_pixels_with_seven_upsamplings_is_refused_and_one_more_is_not() -> None:
    with torch.device("meta"):
        painter = SPADEPainter(32, hidden_channels=2)
        with pytest.raises(ValueError, match=r"larger than 128 pixels on a side with 7 .* got 128x128"):
            painter(torch.zeros(1, 3, 128, 128))
        assert painter(torch.zeros(1, 3, 128, 129)).shape == (1, 3, 128, 129)
        assert SPADEPainter(32, upsamplings=6, hidden_channels=2)(torch.zeros(1, 3, 128, 128)).ndim == 4


def test_the_shortcut_conditions_the_last_block_on_its_own_input() -> None:
    painter = SMALL(final_shortcut=True).eval()
    inputs = []
    painter.final.register_forward_pre_hook(lambda module, given: inputs.extend(given))
    cond = torch.randn(1, 3, 17, 24)
    image = painter(cond)
    features, condition = inputs
    shortcut = painter.shortcut
    expected = F.leaky_relu(shortcut.norm(shortcut.conv(features)), 0.2)
    torch.testing.assert_close(condition, expected)
    inputs.clear()
    plain = SMALL().eval()
    plain.final.register_forward_pre_hook(lambda module, given: inputs.extend(given))
    plain(cond)
    assert torch.equal(inputs[1], cond)
    assert image.shape == cond.shape


def test_without_modulation_the_condition_enters_by_the_latent_alone() -> None:
    painter = SMALL().eval()
    for layer in painter.modules():
        if isinstance(layer, SPADE):
            nn.init.zeros_(layer.gamma_beta.weight)
    cond, other = torch.randn(1, 3, 16, 16), torch.randn(1, 3, 16, 16)
    z = torch.randn(1, 8, 2, 2)
    torch.testing.assert_close(painter(cond, z), painter(other, z))
    assert not torch.allclose(painter(cond), painter(other))


def test_a_drawn_latent_is_used() -> None:
    painter = SMALL().eval()
    cond = torch.randn(1, 3, 17, 12)
    drawn = painter(cond, torch.randn(1, 8, 3, 2))
    assert drawn.shape == cond.shape
    assert not torch.equal(drawn, painter(cond))
    with pytest.raises(ValueError, match=r"z must be \(B, 8, 3, 2\)"):
        painter(cond, torch.randn(1, 8, 2, 2))


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="upsamplings must be >= 2"):
        SPADEPainter(8, upsamplings=1)
    with pytest.raises(ValueError, match="multiple of 32 for 7 upsamplings, got 100: use 96"):
        SPADEPainter(100)
    with pytest.raises(ValueError, match="larger than 8 pixels on a side with 3 upsamplings"):
        SMALL()(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"cond must be \(B, 3, H, W\)"):
        SMALL()(torch.zeros(1, 4, 16, 16))


def test_paste() -> None:
    fake, image = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    mask = (torch.rand(2, 1, 4, 5) > 0.5).float()
    assert torch.equal(paste(fake, image, mask), torch.where(mask.bool(), fake, image))
    half = torch.full_like(mask, 0.5)
    torch.testing.assert_close(paste(fake, image, half), (fake + image) / 2)
    with pytest.raises(ValueError, match="must have one size"):
        paste(fake, image, mask[..., :-1])
