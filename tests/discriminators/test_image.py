"""The discriminator of whole images, and the classifier of domains."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from gancomponents.discriminators import DomainClassifier, ImageDiscriminator
from gancomponents.layers import PreActivationBlock, initialise


def drawn(**options: object) -> ImageDiscriminator:
    """A small critic with weights where construction leaves zeros."""
    critic = ImageDiscriminator(3, **{"width": 3, "downsamplings": 1, **options})
    for layer in critic.modules():
        if isinstance(layer, PreActivationBlock):
            nn.init.normal_(layer.conv2.weight, 0, 0.2)
    return critic


@pytest.mark.parametrize("size", [(1, 1), (32, 32), (7, 20), (1, 9)])
def test_images_of_any_size_have_one_score(size: tuple[int, int]) -> None:
    assert ImageDiscriminator(3, width=2, downsamplings=3)(torch.randn(2, 3, *size)).shape == (2, 1)


def test_widths_double_up_to_eight_times() -> None:
    features = ImageDiscriminator(3, width=2, downsamplings=4)(torch.randn(1, 3, 16, 16)).shape
    assert features == (1, 1)
    maps = ImageDiscriminator(3, width=2, downsamplings=4).features(torch.randn(1, 3, 16, 17))
    assert [tuple(f.shape[1:]) for f in maps] == [
        *((4, 16, 17), (8, 8, 9), (16, 4, 5), (16, 2, 3), (16, 1, 2)),
        (1,),
    ]


def test_features_end_with_the_scores() -> None:
    critic, x = drawn().eval(), torch.randn(2, 3, 9, 8)
    assert torch.equal(critic.features(x)[-1], critic(x))


def test_every_pixel_has_a_part_whatever_the_size() -> None:
    critic, x = drawn(downsamplings=3), torch.randn(1, 3, 11, 13).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).sum(), x)
    assert gradient.abs().sum(1).min() > 0


def test_a_score_depends_on_its_own_image_alone() -> None:
    critic, x = drawn().train(), torch.randn(3, 3, 8, 8)
    torch.testing.assert_close(critic(x)[1:2], critic(x[1:2]))


def test_starts_with_scores_of_unit_size_at_any_depth() -> None:
    for downsamplings in (1, 5):
        critic = ImageDiscriminator(3, width=16, downsamplings=downsamplings)
        assert 0.01 < critic(torch.randn(64, 3, 32, 32)).std().item() < 3


@pytest.mark.parametrize("spectral", [False, True])
def test_second_derivatives_are_exact(spectral: bool) -> None:
    # Gradient penalties differentiate the gradient: against finite differences, over image and weights.
    critic = drawn(activation=nn.Softplus, spectral=spectral).double().eval()
    parameters = dict(critic.named_parameters())
    x = torch.randn(2, 3, 5, 4).double().requires_grad_()

    def score(x: Tensor, *values: Tensor) -> Tensor:
        return functional_call(critic, dict(zip(parameters, values, strict=True)), (x,))

    assert torch.autograd.gradgradcheck(score, (x, *parameters.values()), fast_mode=True)


def test_a_penalty_on_the_gradient_reaches_every_weight_that_shapes_it() -> None:
    critic, x = drawn(), torch.randn(2, 3, 8, 8).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    gradient.square().sum().backward()  # R1, Mescheder et al. 2018, eq. 9
    for name, parameter in critic.named_parameters():
        if not name.endswith("bias"):  # with piecewise linear activations a bias shifts no gradient
            assert parameter.grad.abs().max() > 0, name


def test_activation_is_used_everywhere() -> None:
    critic = ImageDiscriminator(3, width=2, downsamplings=1, blocks=2, activation=nn.SiLU)
    activations = [m for m in critic.modules() if isinstance(m, nn.SiLU)]
    assert len(activations) == 2 * 4 + 1
    assert not [m for m in critic.modules() if isinstance(m, nn.LeakyReLU)]


def test_domains_are_told_from_the_coarsest_features() -> None:
    classifier = initialise(DomainClassifier([4, 6], domains=3, width=8), "kaiming")
    low, high = torch.randn(2, 4, 12, 10), torch.randn(2, 6, 6, 5)
    logits = classifier([low, high])
    assert logits.shape == (2, 3)
    assert torch.equal(classifier([low + 1, high]), logits)
    assert not torch.equal(classifier([low, high + 1]), logits)
    assert classifier([low[..., :1, :1], high[..., :1, :1]]).shape == (2, 3)
    with pytest.raises(ValueError, match=r"features must have \[4, 6\] channels, got \[6\]"):
        classifier([high])


def test_a_domain_classifier_learns_domains() -> None:
    classifier = DomainClassifier([4], domains=4, width=8)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=0.01)
    domain = torch.arange(4).repeat(8)
    features = torch.randn(32, 4, 6, 5) + 2 * F.one_hot(domain, 4)[:, :, None, None]
    for _ in range(40):
        optimiser.zero_grad()
        loss = F.cross_entropy(classifier([features]), domain)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.1
