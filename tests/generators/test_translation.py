"""The two generators from image to image."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.generators import ResNetGenerator, UNetGenerator
from gancomponents.layers import InstanceNorm, ResidualBlock, initialise, spectral_norms

RESNET = partial(ResNetGenerator, width=2, residual_blocks=1)
UNET = partial(UNetGenerator, width=2, levels=4)


@pytest.mark.parametrize("size", [(32, 32), (17, 40), (31, 16), (23, 29)])
@pytest.mark.parametrize("make", [RESNET, UNET])
def test_any_size_keeps_its_size(make: Callable[..., nn.Module], size: tuple[int, int]) -> None:
    image = make(4, 1)(torch.randn(1, 4, *size))
    assert image.shape == (1, 1, *size)
    assert image.abs().max() <= 1


@pytest.mark.parametrize(
    "generator",
    [
        RESNET(),
        RESNET(padding_mode="zeros"),
        RESNET(padding_mode="replicate", norm=None),
        RESNET(downsamplings=0),
        RESNET(downsamplings=3),
        UNET(),
        UNET(levels=1),
        UNET(norm=None),
    ],
)
def test_smallest_size_is_exact(generator: nn.Module) -> None:
    smallest = generator.min_size
    assert generator(torch.randn(1, 3, smallest, smallest)).shape == (1, 3, smallest, smallest)
    if smallest > 1:
        with pytest.raises(ValueError, match=f"at least {smallest}x{smallest}, got {smallest - 1}x"):
            generator(torch.randn(1, 3, smallest - 1, smallest))


def test_smallest_size_of_a_resnet_is_what_its_layers_need() -> None:
    assert RESNET().min_size == 5  # two pixels after two halvings, for reflection and instance norm
    assert RESNET(downsamplings=0).min_size == 4  # three pixels of reflection
    assert RESNET(padding_mode="zeros", norm=None).min_size == 1


def test_widths_norms_and_dropout_are_the_published_ones() -> None:
    with torch.device("meta"):
        resnet, unet = ResNetGenerator(), UNetGenerator()
    assert len([m for m in resnet.modules() if isinstance(m, ResidualBlock)]) == 9
    assert [stage.conv.out_channels for stage in (resnet.first, *resnet.down, *resnet.up)] == [
        *(64, 128, 256),
        *(128, 64),
    ]
    assert [stage.conv.out_channels for stage in unet.down] == [64, 128, 256, 512, 512, 512, 512, 512]
    dropped = [isinstance(stage, nn.Sequential) for stage in unet.up]
    assert dropped == [True, True, True, False, False, False, False]
    first, *middle, last = [stage.norm for stage in unet.down]
    assert first is None
    assert last is None
    assert all(isinstance(norm, InstanceNorm) for norm in middle)


def test_the_residual_path_of_a_resnet_is_at_the_coarsest_size() -> None:
    generator = RESNET()
    sizes = []
    generator.residual.register_forward_hook(lambda module, given, result: sizes.append(result.shape[1:]))
    generator(torch.randn(1, 3, 17, 24))
    assert sizes == [(8, 5, 6)]


def test_every_level_of_a_unet_has_a_skip_of_its_own() -> None:
    generator = initialise(UNET(dropout=0), "kaiming").eval()
    x = torch.randn(1, 3, 32, 32)
    expected = generator(x)
    for stage in generator.up:
        # The innermost decoder stage silenced, only the skip is left to carry the image on.
        nn.init.zeros_(stage.conv.weight)
        silenced = generator(x)
        assert not torch.allclose(silenced, expected)
        assert silenced.std() > 1e-3
        expected = silenced


def test_dropout_is_chance_in_training_alone() -> None:
    generator, x = UNET(), torch.randn(1, 3, 16, 16)
    assert not torch.equal(generator(x), generator(x))
    generator.eval()
    assert torch.equal(generator(x), generator(x))
    generator = UNET(dropout=0)
    assert torch.equal(generator(x), generator(x))
    assert not [m for m in generator.modules() if isinstance(m, nn.Dropout)]


@pytest.mark.parametrize("make", [RESNET, UNET])
def test_options(make: Callable[..., nn.Module]) -> None:
    generator = make(norm=nn.BatchNorm2d, spectral=True)
    convolutions = [m for m in generator.modules() if isinstance(m, nn.Conv2d)]
    assert {layer for layer, _ in spectral_norms(generator)} == set(convolutions)
    assert any(isinstance(m, nn.BatchNorm2d) for m in generator.modules())
    assert not any(isinstance(m, InstanceNorm) for m in generator.modules())
    smooth = RESNET(activation=nn.SiLU)
    assert any(isinstance(m, nn.SiLU) for m in smooth.modules())
    assert not any(isinstance(m, nn.ReLU) for m in smooth.modules())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(RESNET, 0), "in_channels must be >= 1"),
        (partial(RESNET, downsamplings=-1), "downsamplings must be >= 0, got -1"),
        (partial(RESNET, residual_blocks=-1), "residual_blocks must be >= 0"),
        (partial(RESNET, padding_mode="mirror"), "padding_mode must be one of"),
        (partial(UNET, levels=0), "levels must be >= 1"),
        (partial(UNET, dropout=1), r"dropout must be in \[0, 1\), got 1"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("make", [RESNET, UNET])
def test_an_image_of_other_channels_is_refused(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"x must be \(B, 3, H, W\)"):
        make()(torch.zeros(1, 4, 16, 16))
