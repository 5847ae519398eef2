"""PatchGAN and entropy-map discriminators, and what all discriminators have in common."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancomponents.discriminators import (
    DomainClassifier,
    EntropyDiscriminator,
    ImageDiscriminator,
    LocalGlobalDiscriminator,
    MultiScalePatchDiscriminator,
    PatchDiscriminator,
)
from gancomponents.discriminators.pairs import compared
from gancomponents.layers import ChannelLayerNorm, InstanceNorm, spectral_norms
from tests.case import same, tensors


@pytest.mark.known_bug(16)
@pytest.mark.parametrize("norm", [None, InstanceNorm, nn.BatchNorm2d, ChannelLayerNorm])
def test_any_norm_or_none_follows_the_middle_convolutions(norm: Callable[[int], nn.Module] | None) -> None:
    critic = MultiScalePatchDiscriminator(3, scales=2, width=4, layers=2, norm=norm)
    for scale in critic.scales:
        first, *middle, last = scale.stages
        assert first.norm is None
        assert last.norm is None
        assert [type(stage.norm) for stage in middle] == [type(None) if norm is None else norm] * 2
    assert all(f.isfinite().all() for scale in critic(torch.randn(2, 3, 25, 30)) for f in scale)


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        partial(PatchDiscriminator, 3, width=2, layers=1),
        partial(MultiScalePatchDiscriminator, 3, scales=2, width=2, layers=1),
        partial(EntropyDiscriminator, 3, width=2),
        partial(ImageDiscriminator, 3, width=2, downsamplings=1),
        partial(DomainClassifier, [3], width=2),
    ],
)
def test_spectral_norm_is_on_every_weight_or_none(make: Callable[..., nn.Module], spectral: bool) -> None:
    critic = make(spectral=spectral)
    weighted = {m for m in critic.modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    assert {layer for layer, _ in spectral_norms(critic)} == (weighted if spectral else set())


def test_parameter_counts_of_the_default_system() -> None:
    with torch.device("meta"):
        painter = MultiScalePatchDiscriminator(4, bias=True)
        both = [EntropyDiscriminator(2), EntropyDiscriminator(11)]
        assert sum(p.numel() for m in [painter, *both] for p in m.parameters()) == 26_418_373


def test_widths_and_sizes_of_the_stages() -> None:
    features = PatchDiscriminator(3, width=2, layers=5)(torch.randn(1, 3, 96, 128))
    assert [f.shape[1] for f in features] == [2, 4, 8, 16, 16, 16, 1]
    assert [tuple(f.shape[2:]) for f in features[-3:]] == [(3, 4), (2, 3), (1, 2)]


CRITICS = [
    partial(PatchDiscriminator, width=4, layers=1),
    partial(MultiScalePatchDiscriminator, scales=2, width=4, layers=1),
    partial(EntropyDiscriminator, width=4),
    partial(ImageDiscriminator, width=4, downsamplings=1),
]


@pytest.mark.parametrize("make", CRITICS, ids=lambda make: make.func.__name__)
def test_scores_are_the_last_layers_own(make: Callable[[int], nn.Module]) -> None:
    # Losses take the last entry for logits: no activation may follow the last layer.
    critic = make(3).eval()
    layer = [m for m in critic.modules() if isinstance(m, (nn.Conv2d, nn.Linear))][-1]
    made: list[Tensor] = []
    layer.register_forward_hook(lambda module, args, out: made.append(out))
    scores = critic(torch.randn(2, 3, 33, 36))
    while isinstance(scores, list):
        scores = scores[-1]
    assert torch.equal(scores, made[-1])
    with pytest.raises(TypeError, match="sigmoid"):
        make(3, sigmoid=True)


@pytest.mark.parametrize("make", CRITICS, ids=lambda make: make.func.__name__)
def test_an_input_of_other_channels_is_refused(make: Callable[[int], nn.Module]) -> None:
    critic = make(3)
    with pytest.raises(
        ValueError,
        match=r"x must be \(B, 3, H, W\), got \(1, 4, 40, 40\): .*make the network with in_channels=4",
    ):
        critic(torch.zeros(1, 4, 40, 40))
    with pytest.raises(ValueError, match=r"x must be \(B, 3, H, W\), got \(3, 40, 40\): pass a batch"):
        critic(torch.zeros(3, 40, 40))


@pytest.mark.parametrize("norm", [None, InstanceNorm, nn.BatchNorm2d])
def test_scores_mix_images_under_batch_norm_alone(norm: Callable[[int], nn.Module] | None) -> None:
    # Gradient penalties take each score's gradient at its own image, twice differentiated.
    critic = PatchDiscriminator(3, width=2, layers=1, norm=norm, spectral=False).double()
    x = torch.randn(2, 3, 9, 8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(critic(x)[-1][0].sum(), x, create_graph=True)
    assert (gradient[1].abs().max().item() == 0) is (norm is not nn.BatchNorm2d)
    gradient.square().sum().backward()
    assert all(stage.conv.weight.grad.abs().max() > 0 for stage in critic.stages)


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


@pytest.mark.parametrize(
    "critic",
    [
        PatchDiscriminator(3, width=4, layers=1),
        MultiScalePatchDiscriminator(3, scales=2, width=4, layers=1),
        EntropyDiscriminator(3, width=4),
        ImageDiscriminator(3, width=4, downsamplings=1),
    ],
    ids=lambda critic: type(critic).__name__,
)
def test_compare_is_one_pass_real_first(critic: nn.Module) -> None:
    critic.eval()
    real, fake = torch.randn(3, 3, 32, 36), torch.randn(2, 3, 32, 36)
    same(critic.compare(real, fake), (critic(real), critic(fake)))
    calls = []
    critic.register_forward_hook(lambda *given: calls.append(1))
    critic.compare(real, fake)
    assert calls == [1]
    with pytest.raises(ValueError, match="real and fake must have one shape"):
        critic.compare(real, fake[..., :-1])


def test_compared_keeps_the_kind_of_nest() -> None:
    real, fake = compared(lambda x: (x, [x + 1, (x,)]), torch.zeros(1, 2), torch.ones(2, 2))
    assert isinstance(real, tuple)
    assert isinstance(fake[1], list)
    assert [len(t) for t in tensors(fake)] == [2, 2, 2]


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


@pytest.mark.known_bug(15)
def test_three_scales_of_four_layers_need_189_pixels() -> None:
    critic = MultiScalePatchDiscriminator(4, width=1)
    assert critic.min_size == 189
    with pytest.raises(
        ValueError,
        match="at least 189x189, got 128x128: resize or pad it to 189x189, or use fewer layers or scales",
    ):
        critic(torch.zeros(1, 4, 128, 128))
    assert MultiScalePatchDiscriminator(4, width=1, layers=3)(torch.zeros(1, 4, 128, 128))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(PatchDiscriminator, 0), "in_channels must be >= 1"),
        (partial(PatchDiscriminator, 3, layers=0), "layers must be >= 1"),
        (partial(MultiScalePatchDiscriminator, 3, scales=0), "scales must be >= 1"),
        (partial(EntropyDiscriminator, 3, width=0), "width must be >= 1"),
        (partial(LocalGlobalDiscriminator, 0), "in_channels must be >= 1"),
        (partial(ImageDiscriminator, 3, blocks=0), "blocks must be >= 1"),
        (partial(ImageDiscriminator, 3, downsamplings=-1), "downsamplings must be >= 0, got -1"),
        (partial(DomainClassifier, []), r"in_channels must hold positive widths, got \[\]"),
        (partial(DomainClassifier, [4, 0]), "in_channels must hold positive widths"),
        (partial(DomainClassifier, [4], domains=1), "domains must be >= 2, got 1"),
        (partial(DomainClassifier, [4], layers=0), "layers must be >= 1"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
