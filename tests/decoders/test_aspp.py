"""Atrous spatial pyramid pooling."""

from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.decoders import ASPP


@pytest.mark.known_bug(8)
def test_the_size_stays_unless_upstream_is_asked_for() -> None:
    x = torch.randn(2, 12, 6, 5)
    assert ASPP(12, channels=4)(x).shape == (2, 4, 6, 5)
    assert ASPP(12, channels=4)(x).min() == 0  # each unit ends in a ReLU, and needs no bias
    assert ASPP(12, channels=4).reduce.conv.bias is None
    grown = ASPP(12, channels=4, upstream_layout=True)
    assert grown(x).shape == (2, 4, 8, 7)
    assert grown(x).min() < 0
    assert grown.reduce.conv.bias is not None


def test_rates_are_the_dilations() -> None:
    convs = [branch.conv for branch in ASPP(4, channels=2, rates=(3, 7)).branches]
    assert [conv.dilation[0] for conv in convs] == [1, 3, 7]
    assert [conv.kernel_size[0] for conv in convs] == [1, 3, 3]


def test_the_pooled_branch_sees_the_mean_everywhere() -> None:
    aspp = ASPP(4, channels=3, rates=(), image_pooling=True).eval()
    aspp.reduce = nn.Identity()
    x = torch.randn(2, 4, 5, 7)
    pooled = aspp(x)[:, 3:]
    assert torch.equal(pooled, pooled[..., :1, :1].expand_as(pooled))
    torch.testing.assert_close(pooled, aspp(x.mean((2, 3), keepdim=True).expand_as(x))[:, 3:])


def test_a_batch_of_one_is_normalised_by_the_running_statistics() -> None:
    aspp = ASPP(4, channels=3, rates=(), image_pooling=True)
    aspp.reduce = nn.Identity()
    x = torch.randn(2, 4, 5, 7)
    aspp.train()(x)  # statistics of a larger batch
    before = {key: value.clone() for key, value in aspp.pool.state_dict().items()}
    assert before["norm.running_mean"].abs().max() > 0
    alone = aspp(x[:1])[:, 3:]
    assert all(torch.equal(value, before[key]) for key, value in aspp.pool.state_dict().items())
    assert torch.equal(alone, aspp.eval()(x[:1])[:, 3:])


@pytest.mark.parametrize("batch", [1, 2])
def test_gradients(batch: int) -> None:
    aspp = ASPP(2, channels=2, rates=(1,), image_pooling=True).double()
    x = torch.randn(batch, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(aspp, [x])


def test_dropout_drops_in_training_only() -> None:
    aspp = ASPP(2, channels=8, rates=(), dropout=0.5, upstream_layout=True)
    x = torch.randn(2, 2, 5, 5)
    assert 0.3 < (aspp.train()(x) == 0).float().mean() < 0.7
    assert (aspp.eval()(x) != 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(ASPP, 0), "in_channels must be >= 1"),
        (partial(ASPP, 2, channels=0), "^channels must be >= 1"),
        (partial(ASPP, 2, rates=(0,)), "rates must be >= 1"),
    ],
)
def test_bad_arguments_are_refused(make: partial[ASPP], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
