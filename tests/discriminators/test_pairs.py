"""Real and fake before a critic: one pass, or a pass each where only fakes need a graph."""

import torch
from torch import Tensor, nn

from gancomponents.discriminators import PatchDiscriminator
from gancomponents.discriminators.pairs import compared
from gancomponents.layers import InstanceNorm, spectral_norms


def _critic(norm: type[nn.Module] = InstanceNorm) -> PatchDiscriminator:
    torch.manual_seed(0)
    return PatchDiscriminator(3, width=4, layers=2, norm=norm)


def _pictures() -> tuple[Tensor, Tensor]:
    real, fake = torch.randn(2, 2, 3, 24, 24)
    return real, fake.requires_grad_()


def _frozen(critic: nn.Module) -> nn.Module:
    return critic.requires_grad_(False)


def test_real_pictures_leave_no_graph_before_a_frozen_critic() -> None:
    real, fake = compared(_frozen(_critic()), *_pictures())
    assert not any(features.requires_grad for features in real)
    assert all(features.requires_grad for features in fake)


def test_both_ways_say_the_same() -> None:
    apart, together = _frozen(_critic()), _critic()  # a critic that learns asks for the pass over both
    pictures = _pictures()
    found, expected = (compared(critic, *pictures) for critic in (apart, together))
    torch.testing.assert_close(found, expected)
    for (_, one), (_, other) in zip(spectral_norms(apart), spectral_norms(together), strict=True):
        assert torch.equal(one._u, other._u)  # one iteration either way
    slopes = [torch.autograd.grad(fake[-1].sum(), pictures[1]) for _, fake in (found, expected)]
    torch.testing.assert_close(*slopes)


def test_batch_norms_see_both() -> None:
    critic = _frozen(_critic(nn.BatchNorm2d))
    real, fake = _pictures()
    whole = _frozen(_critic(nn.BatchNorm2d))(torch.cat([real, fake]))
    found = compared(critic, real, fake)
    torch.testing.assert_close(torch.cat([found[0][-1], found[1][-1]]), whole[-1])
