"""Batch norms folded into convolutions."""

import pytest
import torch
from torch import Tensor, nn

from gancomponents.decoders import DeepLabV3PlusDecoder
from gancomponents.encoders import DeepLabV2ResNet, DeepLabV3ResNet, MobileNetV2
from gancomponents.layers import ConvBlock, fuse_batch_norms


def _norms(module: nn.Module) -> int:
    return sum(isinstance(getattr(layer, "running_var", None), Tensor) for layer in module.modules())


def _trained(module: nn.Module) -> nn.Module:
    """With statistics, scales and shifts unlike those of a new network."""
    for layer in module.modules():
        if isinstance(getattr(layer, "running_var", None), Tensor):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            if layer.weight is not None:
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.normal_(layer.bias)
    return module.double().eval()


NETWORKS = {
    "v3": (lambda: DeepLabV3ResNet(width=4, blocks=(1, 1, 1, 1), multi_grid=(1,)), (1, 3, 33, 40)),
    "v2 frozen": (lambda: DeepLabV2ResNet(width=4, blocks=(1, 1, 1, 1)), (1, 3, 33, 40)),
    "mobilenet": (lambda: MobileNetV2(width_multiplier=0.25), (1, 3, 40, 33)),
    "spectral": (lambda: ConvBlock(3, 4, norm=nn.BatchNorm2d, spectral=True, bias=True), (2, 3, 6, 5)),
    "not affine": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=False)), (2, 3, 6, 5)),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3), nn.BatchNorm2d(6)), (2, 4, 5, 6)),
    "transposed in groups": (
        lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)),
        (2, 4, 5, 6),
    ),
    "depthwise": (lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), nn.BatchNorm2d(8)), (2, 4, 5, 6)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_stay_and_norms_go(name: str) -> None:
    make, shape = NETWORKS[name]
    module, x = _trained(make()), torch.randn(shape).double()
    state = {key: value.clone() for key, value in module.state_dict().items()}
    fused = fuse_batch_norms(module, x)
    assert _norms(fused) == 0 < _norms(module)
    another = torch.randn(shape).double()
    found, expected = fused(another), module(another)
    for a, b in zip(found, expected, strict=True) if isinstance(found, list) else [(found, expected)]:
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


@pytest.mark.known_bug(51)
def test_the_bias_of_a_convolution_is_kept() -> None:
    decoder = _trained(
        DeepLabV3PlusDecoder([8, 16], 5, aspp_channels=8, low_channels=4, channels=8, upstream_layout=True)
    )
    features = [torch.randn(1, 8, 10, 12).double(), torch.randn(1, 16, 5, 6).double()]
    fused = fuse_batch_norms(decoder, features)
    assert _norms(fused) == 0
    torch.testing.assert_close(fused(features), decoder(features), rtol=1e-9, atol=1e-9)


def test_a_norm_that_no_convolution_feeds_stays() -> None:
    module = _trained(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)))
    assert _norms(fuse_batch_norms(module, torch.randn(1, 3, 5, 5).double())) == 1


class _Shared(nn.Module):
    """One convolution, called twice, into two norms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.first, self.second = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.conv(self.first(self.conv(x))))


def test_a_convolution_with_two_readers_stays() -> None:
    module, x = _trained(_Shared()), torch.randn(1, 3, 5, 5).double()
    fused = fuse_batch_norms(module, x)
    assert _norms(fused) == 2
    torch.testing.assert_close(fused(x), module(x))


class _ReadsTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y


def test_a_hidden_second_reader_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="outputs must stay the same"):
        fuse_batch_norms(_trained(_ReadsTwice()), torch.randn(1, 3, 5, 5).double())
