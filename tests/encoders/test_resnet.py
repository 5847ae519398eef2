"""The DeepLab ResNets: strides, dilations, sizes, frozen norms."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gancomponents.encoders import Bottleneck, DeepLabV2ResNet, DeepLabV3ResNet, FrozenBatchNorm

V2 = partial(DeepLabV2ResNet, width=4, blocks=(1, 1, 1, 2))


def test_full_sizes() -> None:
    with torch.device("meta"):
        for encoder in (
            DeepLabV3ResNet(),
            DeepLabV3ResNet(output_stride=16),
            DeepLabV2ResNet(frozen_norms="none"),
        ):
            assert sum(p.numel() for p in encoder.parameters()) == 42_500_160
            assert encoder.out_channels == [256, 2048]
        frozen = DeepLabV2ResNet()
    norms = [m for m in frozen.modules() if isinstance(m, nn.BatchNorm2d)]
    constants = sum(norm.weight.numel() + norm.bias.numel() for norm in norms)
    assert sum(p.numel() for p in frozen.parameters()) + constants == 42_500_160


@pytest.mark.parametrize(
    ("output_stride", "strides", "dilations"),
    [(8, [1, 2, 1, 1], [1, 1, 2, 4, 8, 16]), (16, [1, 2, 2, 1], [1, 1, 1, 2, 4, 8])],
)
def test_v3_strides_and_dilations(output_stride: int, strides: list[int], dilations: list[int]) -> None:
    encoder = DeepLabV3ResNet(width=4, blocks=(1, 1, 1, 3), output_stride=output_stride)
    layers = [encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4]
    assert [layer[0].conv2.stride[0] for layer in layers] == strides
    assert [block.conv2.dilation[0] for layer in layers for block in layer] == dilations


def test_v2_strides_first_and_dilates_without_a_grid() -> None:
    encoder = V2()
    layers = [encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4]
    assert [layer[0].conv1.stride[0] for layer in layers] == [1, 2, 1, 1]
    assert {block.conv2.stride[0] for layer in layers for block in layer} == {1}
    assert [block.conv2.dilation[0] for layer in layers for block in layer] == [1, 1, 2, 4, 4]
    drawn = torch.cat([m.weight.flatten() for m in encoder.modules() if isinstance(m, nn.Conv2d)])
    assert drawn.std().item() == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("sides", [(64, 48), (62, 45), (60, 47)])
def test_v2_pools_as_caffe_where_it_can(sides: tuple[int, int]) -> None:
    stem = torch.rand(1, 2, -(-sides[0] // 2), -(-sides[1] // 2))
    caffe = F.max_pool2d(stem, 3, stride=2, ceil_mode=True)
    ours = F.max_pool2d(F.pad(stem, (0, 2, 0, 2)), 3, stride=2)
    assert torch.equal(ours[..., : caffe.shape[-2], : caffe.shape[-1]], caffe)
    x = torch.randn(1, 3, *sides)
    right, upstream = V2(), V2(upstream_layout=True)
    upstream.load_state_dict(right.state_dict())
    assert right(x)[0].shape[-2:] == ours.shape[-2:]
    assert upstream(x)[0].shape[-2:] == caffe.shape[-2:]
    if caffe.shape == ours.shape:
        assert torch.equal(right(x)[1], upstream(x)[1])


@pytest.mark.known_bug(14)
@pytest.mark.parametrize("norms", ["all", "affine", "none"])
def test_frozen_norms_stay_frozen_when_gradients_are_switched(norms: str) -> None:
    encoder = V2(frozen_norms=norms)
    encoder.requires_grad_(False)
    encoder.requires_grad_(True)
    encoder.eval()
    encoder.train()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    optimiser = torch.optim.SGD(encoder.parameters(), lr=1.0)
    encoder(torch.randn(2, 3, 32, 32))[1].square().mean().backward()
    optimiser.step()
    after = encoder.state_dict()
    moved = {key for key in after if not torch.equal(after[key], before[key])}
    assert ("bn1.running_mean" in moved) is (norms != "all")
    assert any("bn" in key and key.endswith("bias") for key in moved) is (norms == "none")
    assert all(p.grad.abs().max() > 0 for name, p in encoder.named_parameters() if "conv" in name)


def test_frozen_or_not_the_keys_are_the_same() -> None:
    assert set(V2().state_dict()) == set(V2(frozen_norms="none").state_dict())
    V2(frozen_norms="none").load_state_dict(V2().state_dict(), strict=True)


def test_residual_blocks_follow_the_last_stage() -> None:
    encoder = V2(residual_blocks=1).eval()
    x = torch.randn(1, 3, 32, 40)
    with torch.no_grad():
        for block in (encoder.residual[0].block1, encoder.residual[0].block2):
            block.conv.weight.zero_()
    plain = V2().eval()
    plain.load_state_dict(encoder.state_dict(), strict=False)
    assert torch.equal(encoder(x)[1], plain(x)[1])
    assert encoder.residual[0].block1.conv.bias is None
    assert V2(residual_blocks=1, bias=True).residual[0].block1.conv.bias is not None


def test_residual_units_skip_where_shapes_agree() -> None:
    assert Bottleneck(8, 2).downsample is None
    assert Bottleneck(8, 2, stride=2).downsample is not None
    assert Bottleneck(4, 2).downsample is not None


def test_gradients_of_a_bottleneck() -> None:
    block = Bottleneck(3, 1, stride=2, stride_first=True, norm=FrozenBatchNorm).double()
    x = torch.randn(1, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, [x])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(DeepLabV3ResNet, 0), "in_channels must be >= 1"),
        (partial(DeepLabV3ResNet, width=0), "width must be >= 1"),
        (partial(DeepLabV3ResNet, output_stride=4), "output_stride must be 8 or 16"),
        (partial(DeepLabV3ResNet, blocks=(3, 4, 6)), "blocks must be four numbers"),
        (partial(DeepLabV3ResNet, blocks=(3, 4, 0, 3)), "blocks must be four numbers"),
        (partial(DeepLabV3ResNet, blocks=(1, 1, 1, 2)), "multi_grid must be 2 numbers"),
        (partial(DeepLabV2ResNet, 0), "in_channels must be >= 1"),
        (partial(DeepLabV2ResNet, blocks=(3, 4, 6)), "blocks must be four numbers"),
        (
            partial(DeepLabV2ResNet, frozen_norms="yes"),
            r"frozen_norms must be one of \['affine', 'all', 'none'\]",
        ),
        (partial(DeepLabV2ResNet, residual_blocks=-1), "residual_blocks must be >= 0"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
