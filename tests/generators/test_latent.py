"""The unconditional generator."""

import pytest
import torch
from torch import nn

from gancomponents.generators import LatentGenerator
from gancomponents.layers import PreActivationBlock, initialise, spectral_norms


@pytest.mark.parametrize(
    ("base", "upsamplings", "size"), [((4, 4), 3, (32, 32)), ((1, 3), 2, (4, 12)), ((5, 2), 0, (5, 2))]
)
def test_size_is_the_base_doubled(base: tuple[int, int], upsamplings: int, size: tuple[int, int]) -> None:
    generator = LatentGenerator(8, 1, width=2, base=base, upsamplings=upsamplings)
    assert generator.size == size
    assert generator(torch.randn(3, 8)).shape == (3, 1, *size)


def test_widths_double_downwards_up_to_eight_times() -> None:
    generator = LatentGenerator(8, width=2, base=(1, 1), upsamplings=5)
    ends = [(level[0].conv1.in_channels, level[-1].conv1.out_channels) for level in generator.levels]
    assert ends == [(16, 16), (16, 16), (16, 16), (16, 8), (8, 4), (4, 2)]


def test_values_are_images() -> None:
    generator = initialise(LatentGenerator(8, width=4, base=(2, 3), upsamplings=2), "kaiming")
    image = generator(100 * torch.randn(4, 8))
    assert image.abs().max() <= 1
    assert image.min() < -0.9
    assert image.max() > 0.9


def test_starts_with_an_image_that_varies_with_the_latent_vector() -> None:
    # Without norms, what keeps a deep stack alive is how it is drawn.
    for upsamplings in (1, 5):
        generator = LatentGenerator(32, width=16, base=(2, 2), upsamplings=upsamplings)
        spread = generator(torch.randn(64, 32)).std(0).mean().item()
        assert 0.2 < spread < 0.9


def test_samples_do_not_see_each_other() -> None:
    generator = initialise(LatentGenerator(8, width=4, base=(2, 3), upsamplings=2), "kaiming")
    z = torch.randn(3, 8)
    torch.testing.assert_close(generator(z)[1:2], generator(z[1:2]))


def test_options() -> None:
    generator = LatentGenerator(
        8,
        width=2,
        base=(2, 2),
        upsamplings=1,
        blocks=3,
        norm=nn.BatchNorm2d,
        activation=nn.Tanh,
        spectral=True,
    )
    blocks = [m for m in generator.modules() if isinstance(m, PreActivationBlock)]
    assert len(blocks) == 2 * 3
    assert all(isinstance(block.norm1, nn.BatchNorm2d) for block in blocks)
    assert all(isinstance(block.activation2, nn.Tanh) for block in blocks)
    weighted = [m for m in generator.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert {layer for layer, _ in spectral_norms(generator)} == set(weighted)
    assert generator(torch.randn(2, 8)).isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent_dim": 0}, "latent_dim must be >= 1, got 0"),
        ({"width": 0}, "width must be >= 1"),
        ({"blocks": 0}, "blocks must be >= 1"),
        ({"base": (4, 0)}, r"base\[1\] must be >= 1"),
        ({"upsamplings": -1}, "upsamplings must be >= 0, got -1"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LatentGenerator(**{"latent_dim": 8, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2, 7), (8,), (2, 8, 1, 1)])
def test_another_latent_vector_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"z must be \(B, 8\), got .*torch.randn\(B, 8\)"):
        LatentGenerator(8, width=2)(torch.zeros(shape))
