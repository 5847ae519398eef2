"""Atrous convolution against torch's, forward, backward and backward of the backward."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from gancomponents.layers import AtrousConv2d
from gancomponents.layers.atrous import _ByTaps

_WIDE = [(6, (9, 7)), (6, (20, 23)), (12, (5, 30)), (18, (16, 40))]


def _pair(channels: int, dilation: int, **more: object) -> tuple[nn.Conv2d, nn.Conv2d]:
    arguments = {"padding": dilation, "dilation": dilation, **more}
    ours, theirs = (kind(channels, 5, 3, **arguments) for kind in (AtrousConv2d, nn.Conv2d))
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def _results(layer: nn.Conv2d, x: Tensor, *, autocast: bool = False) -> list[Tensor]:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        y = layer(x)
    weighting = torch.linspace(-1, 1, y.numel()).reshape(y.shape)
    return [y, *torch.autograd.grad((y.double() * weighting).sum(), (x, *layer.parameters()))]


@pytest.mark.parametrize(("dilation", "size"), _WIDE)
@pytest.mark.parametrize("bias", [True, False])
def test_equals_torch(dilation: int, size: tuple[int, int], bias: bool) -> None:
    ours, theirs = _pair(4, dilation, bias=bias)
    for module in (ours, theirs):
        module.double()
    x = torch.randn(2, 4, *size, dtype=torch.float64)
    torch.testing.assert_close(_results(ours, x), _results(theirs, x))


def test_wide_dilations_go_by_taps_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    monkeypatch.setattr(_ByTaps, "apply", lambda *given: counted.append(given) or torch.zeros(1))
    x = torch.zeros(1, 4, 9, 9)
    for more in ({"stride": 2}, {"groups": 2, "out": 4}, {"padding": 5}, {"padding_mode": "reflect"}):
        out = more.pop("out", 5)
        AtrousConv2d(4, out, 3, **{"padding": 6, "dilation": 6, **more})(x)
    AtrousConv2d(4, 5, 3, padding=5, dilation=5)(x)
    AtrousConv2d(4, 5, 1, dilation=6)(x)
    assert not counted
    AtrousConv2d(4, 5, 3, padding=6, dilation=6)(x)
    assert len(counted) == 1


def test_sums_over_many_channels_in_bf16() -> None:
    ours, theirs = _pair(1100, 6)
    x = torch.randn(1, 1100, 12, 12)
    for found, expected in zip(
        _results(ours, x, autocast=True), _results(theirs, x, autocast=True), strict=True
    ):
        assert found.dtype is expected.dtype
        torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2 * float(expected.abs().max()))


def test_keeps_memory_formats() -> None:
    layer = AtrousConv2d(4, 5, 3, padding=6, dilation=6).to(memory_format=torch.channels_last)
    x = torch.randn(2, 4, 9, 9).to(memory_format=torch.channels_last)
    y = layer(x)
    y.sum().backward()
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert layer.weight.grad.stride() == layer.weight.stride()


def test_is_differentiable_twice() -> None:
    x, weight, bias = (torch.randn(s, dtype=torch.float64) for s in ((1, 2, 7, 8), (3, 2, 3, 3), (3,)))
    inputs = [value.requires_grad_() for value in (x, weight, bias)]
    assert torch.autograd.gradcheck(lambda *v: _ByTaps.apply(*v, 6), inputs)
    assert torch.autograd.gradgradcheck(lambda *v: _ByTaps.apply(*v, 6), inputs)


def test_computes_no_gradient_that_nobody_asks_for() -> None:
    weight = torch.randn(3, 2, 3, 3, requires_grad=True)
    x = torch.randn(1, 2, 7, 8)
    _ByTaps.apply(x, weight, None, 6).sum().backward()
    expected = torch.autograd.grad(conv2d(x, weight, padding=6, dilation=6).sum(), weight)
    torch.testing.assert_close((weight.grad,), expected)
