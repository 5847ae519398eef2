"""PatchGAN and entropy-map discriminators."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gancomponents.discriminators import (
    EntropyDiscriminator,
    MultiScalePatchDiscriminator,
    PatchDiscriminator,
)
from gancomponents.layers import InstanceNorm, spectral_norms
from tests.layers.conformance import check_block


@pytest.mark.parametrize("norm", [None, InstanceNorm, nn.BatchNorm2d])
@pytest.mark.parametrize("spectral", [False, True])
def test_patch_conforms(norm: Callable[[int], nn.Module] | None, spectral: bool) -> None:
    make = partial(PatchDiscriminator, 4, width=4, layers=2, norm=norm, spectral=spectral, sigmoid=True)
    check_block(make, torch.randn(2, 4, 16, 20), compiled=False)
    assert bool(list(spectral_norms(make()))) == spectral


def test_the_others_conform() -> None:
    check_block(
        partial(MultiScalePatchDiscriminator, 3, scales=2, width=4, layers=1), torch.randn(2, 3, 18, 17)
    )
    check_block(partial(EntropyDiscriminator, 5, width=4), torch.rand(2, 5, 40, 64))
    check_block(
        partial(EntropyDiscriminator, 2, width=4, spectral=False), torch.rand(1, 2, 32, 32), compiled=False
    )


def test_parameter_counts_of_the_default_system() -> None:
    with torch.device("meta"):
        painter = MultiScalePatchDiscriminator(4, bias=True)
        both = [EntropyDiscriminator(2), EntropyDiscriminator(11)]
        assert sum(p.numel() for m in [painter, *both] for p in m.parameters()) == 26_418_373


def test_widths_and_sizes_of_the_stages() -> None:
    features = PatchDiscriminator(3, width=2, layers=5)(torch.randn(1, 3, 96, 128))
    assert [f.shape[1] for f in features] == [2, 4, 8, 16, 16, 16, 1]
    assert [tuple(f.shape[2:]) for f in features[-3:]] == [(3, 4), (2, 3), (1, 2)]


def test_sigmoid_is_one_more_entry() -> None:
    features = PatchDiscriminator(3, width=4, layers=2, sigmoid=True)(torch.randn(1, 3, 16, 16))
    assert len(features) == 5
    assert torch.equal(features[-1], torch.sigmoid(features[-2]))
    critic = MultiScalePatchDiscriminator(3, scales=1, width=4, layers=2, sigmoid=True)
    assert len(critic(torch.randn(1, 3, 16, 16))[0]) == 5


def test_scales_are_independent_and_see_halvings() -> None:
    critic = MultiScalePatchDiscriminator(3, scales=3, width=4, layers=1).eval()
    x = torch.randn(1, 3, 33, 40)
    half = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    results = critic(x)
    for expected, found in zip(critic.scales[1](half), results[1], strict=True):
        assert torch.equal(expected, found)
    weights = [scale.stages[0].conv.weight for scale in critic.scales]
    assert not torch.equal(weights[0], weights[1])


def test_halving_keeps_a_constant_image_constant() -> None:
    ones = torch.ones(1, 1, 7, 6)
    assert torch.equal(F.avg_pool2d(ones, 3, 2, 1, count_include_pad=False), torch.ones(1, 1, 4, 3))


def test_compare_is_one_pass_real_first() -> None:
    critic = MultiScalePatchDiscriminator(3, scales=2, width=4, layers=1).eval()
    real, fake = torch.randn(3, 3, 20, 20), torch.randn(2, 3, 20, 20)
    for results, alone in zip(critic.compare(real, fake), (critic(real), critic(fake)), strict=True):
        for scale, expected in zip(results, alone, strict=True):
            for a, b in zip(scale, expected, strict=True):
                torch.testing.assert_close(a, b)
    norm = next(iter(spectral_norms(critic.train())))[1]
    once, calls = norm._iterate, []
    norm._iterate = lambda matrix: (calls.append(1), once(matrix))[1]  # type: ignore[method-assign]
    critic.compare(real, fake)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "critic",
    [
        PatchDiscriminator(3, width=2, layers=1),
        PatchDiscriminator(3, width=2, layers=4),
        MultiScalePatchDiscriminator(3, scales=3, width=2, layers=2),
        EntropyDiscriminator(3, width=2),
    ],
)
def test_smallest_size_is_exact(critic: nn.Module) -> None:
    smallest = critic.min_size
    scores = critic(torch.randn(1, 3, smallest, smallest))
    while isinstance(scores, list):
        scores = scores[-1]
    assert scores.shape == (1, 1, 1, 1)
    with pytest.raises(ValueError, match=f"at least {smallest}x{smallest}, got {smallest - 1}x{smallest}"):
        critic(torch.randn(1, 3, smallest - 1, smallest))


def test_three_scales_of_four_layers_need_189_pixels() -> None:
    assert MultiScalePatchDiscriminator(4, width=1).min_size == 189


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(PatchDiscriminator, 0), "in_channels must be >= 1"),
        (partial(PatchDiscriminator, 3, layers=0), "layers must be >= 1"),
        (partial(MultiScalePatchDiscriminator, 3, scales=0), "scales must be >= 1"),
        (partial(EntropyDiscriminator, 3, width=0), "width must be >= 1"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
