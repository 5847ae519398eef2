"""The pair of discriminators for painting."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gancomponents.discriminators import (
    ImageDiscriminator,
    LocalGlobalDiscriminator,
    MultiScalePatchDiscriminator,
)
from tests.case import same, tensors

SMALL = partial(MultiScalePatchDiscriminator, scales=2, width=4, layers=1)


@pytest.fixture
def critic() -> nn.Module:
    return LocalGlobalDiscriminator(3, discriminator=SMALL).eval()


@pytest.fixture
def mask() -> Tensor:
    mask = torch.zeros(2, 1, 20, 22)
    mask[0, :, 8:15, 5:16] = 1
    mask[1, :, 2:12, 9:20] = 1  # of its own: a pair must get the mask that belongs to it
    return mask


def test_the_local_one_sees_the_masked_region_alone(critic: nn.Module, mask: Tensor) -> None:
    image = torch.randn(2, 3, 20, 22)
    outside = image + torch.randn_like(image) * (1 - mask)
    inside = image + torch.randn_like(image) * mask
    (whole, local), (whole_out, local_out), (_, local_in) = (
        critic(x, mask) for x in (image, outside, inside)
    )
    same(local_out, local, 0)
    assert not torch.equal(local_in[0][-1], local[0][-1])
    assert not torch.equal(whole_out[0][-1], whole[0][-1])


def test_each_is_one_discriminator_with_weights_of_its_own(critic: nn.Module, mask: Tensor) -> None:
    image = torch.randn(2, 3, 20, 22)
    whole, local = critic(image, mask)
    same(whole, critic.whole(image), 0)
    same(local, critic.local(image * mask), 0)
    assert not torch.equal(
        critic.whole.scales[0].stages[0].conv.weight, critic.local.scales[0].stages[0].conv.weight
    )


def test_compare_is_one_pass_of_each(critic: nn.Module, mask: Tensor) -> None:
    real, fake = torch.randn(2, 2, 3, 20, 22)
    calls = []
    for part in (critic.whole, critic.local):
        part.register_forward_hook(lambda *given: calls.append(1))
    found = critic.compare(real, fake, mask)
    assert calls == [1, 1]
    same(found, (critic(real, mask), critic(fake, mask)))


def test_gradients_reach_a_soft_mask(critic: nn.Module, mask: Tensor) -> None:
    soft = (0.2 + 0.5 * mask).requires_grad_()
    _, local = critic(torch.randn(2, 3, 20, 22), soft)
    torch.stack([t.square().mean() for t in tensors(local)]).sum().backward()
    assert soft.grad.abs().min(0).values.max() > 0


def test_any_discriminator_can_be_made_a_pair() -> None:
    critic = LocalGlobalDiscriminator(4, discriminator=partial(ImageDiscriminator, width=4, downsamplings=1))
    whole, local = critic(torch.randn(2, 4, 9, 12), torch.ones(2, 1, 9, 12))
    assert whole.shape == local.shape == (2, 1)
    assert LocalGlobalDiscriminator().whole.min_size == 189  # three scales of four layers, as published


@pytest.mark.parametrize("shape", [(2, 1, 20, 21), (2, 3, 20, 22), (2, 20, 22)])
def test_another_mask_is_refused(critic: nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"mask must be \(B, 1, 20, 22\), got .*: resize it"):
        critic(torch.randn(2, 3, 20, 22), torch.ones(shape))


def test_pairs_of_different_number_are_refused(critic: nn.Module, mask: Tensor) -> None:
    real = torch.randn(2, 3, 20, 22)
    with pytest.raises(ValueError, match="one batch size, got 2, 1 and 2"):
        critic.compare(real, real[:1], mask)


def test_passes_apart_find_the_same_and_the_fake_goes_first(mask: Tensor) -> None:
    torch.manual_seed(0)
    apart = LocalGlobalDiscriminator(3, discriminator=SMALL, together=False).eval()
    joint = LocalGlobalDiscriminator(3, discriminator=SMALL).eval()
    joint.load_state_dict(apart.state_dict())
    seen: list[Tensor] = []
    apart.whole.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    real, fake = torch.randn(2, 3, 20, 22), torch.randn(2, 3, 20, 22)
    same(tensors(apart.compare(real, fake, mask)), tensors(joint.compare(real, fake, mask)), 1e-6)
    assert torch.equal(seen[0], fake)
    assert torch.equal(seen[1], real)
