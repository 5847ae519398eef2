"""The SPADE mask decoder and its condition."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.decoders import SPADEMaskDecoder, mask_condition
from gancomponents.encoders import MobileNetV2
from gancomponents.layers import InstanceNorm, spectral_norms
from tests.decoders.blocks import CHANNELS, SPADE, features


def test_parameter_counts_of_the_published_decoders() -> None:
    # Upstream counts the two vectors of each spectral norm too.
    made = partial(SPADEMaskDecoder, bias=True)
    with torch.device("meta"):
        for decoder, parameters in [
            (made([256, 2048]), 3_105_506),
            (made([256, 2048], cond_channels=12, proj_channels=None), 11_061_986),
            (made([256, 2048], low_level=False), 3_986_274),
            (made([24, 320], proj_channels=None), 2_422_202),
        ]:
            vectors = sum(norm._u.numel() + norm._v.numel() for _, norm in spectral_norms(decoder))
            assert sum(p.numel() for p in decoder.parameters()) + vectors == parameters


@pytest.mark.known_bug(11)
@pytest.mark.parametrize("proj_channels", [16, None])
def test_it_is_made_anywhere_and_projects_any_encoder(proj_channels: int | None) -> None:
    with torch.device("cpu"):
        encoder = MobileNetV2(width_multiplier=0.25)
        decoder = SPADEMaskDecoder(
            encoder.out_channels, channels=8, proj_channels=proj_channels, hidden_channels=4
        )
    assert {p.device.type for p in decoder.parameters()} == {"cpu"}
    mask = decoder(encoder(torch.randn(1, 3, 45, 70)), torch.randn(1, 15, 12, 18))
    assert mask.shape == (1, 1, 48, 72)


def test_options() -> None:
    maps, cond = features(), torch.randn(2, 3, 5, 5)
    assert SPADE(upsamplings=0)(maps, cond).shape == (2, 1, 6, 5)
    assert SPADE(low_level=False)(maps, cond).shape == (2, 1, 48, 40)
    assert SPADE(norm=InstanceNorm, spectral=False, padding_mode="zeros")(maps, cond).shape == (2, 1, 48, 40)
    assert not list(spectral_norms(SPADE(spectral=False)))
    assert SPADE().merge.conv.bias is None
    assert SPADE(bias=True).merge.conv.bias is not None
    single = SPADEMaskDecoder([12], low_level=False, channels=8, hidden_channels=4, cond_channels=3)
    assert single(maps[1:], cond).shape == (2, 1, 48, 40)


@pytest.mark.parametrize("activate_output", [True, False])
def test_the_condition_steers_the_mask(activate_output: bool) -> None:
    decoder = SPADE(activate_output=activate_output).eval()
    maps, cond = features(), torch.randn(2, 3, 5, 5)
    assert not torch.equal(decoder(maps, cond), decoder(maps, cond + 1))
    assert decoder.blocks[0].activate_output is activate_output


def test_gradients() -> None:
    decoder = SPADEMaskDecoder(
        [2, 3], cond_channels=2, channels=2, upsamplings=1, proj_channels=2, hidden_channels=2
    )
    decoder.double().eval()
    inputs = [torch.randn(1, 2, 4, 5), torch.randn(1, 3, 2, 3), torch.randn(1, 2, 3, 3)]
    low, high, cond = (t.double().requires_grad_() for t in inputs)
    assert torch.autograd.gradcheck(lambda a, b, c: decoder([a, b], c), [low, high, cond], fast_mode=True)


def test_the_condition_holds_depth_classes_and_image() -> None:
    depth, logits, image = torch.randn(2, 1, 4, 5), torch.randn(2, 11, 4, 5), torch.randn(2, 3, 16, 20)
    cond = mask_condition(depth, logits, image)
    assert cond.shape == (2, 15, 4, 5)
    assert torch.equal(cond[:, 0].amin((1, 2)), torch.zeros(2))
    assert torch.equal(cond[:, 0].amax((1, 2)), torch.ones(2))
    torch.testing.assert_close(cond[:, 1:12].sum(1), torch.ones(2, 4, 5))
    torch.testing.assert_close(cond[..., 0, 0][:, 12:], image[..., 0, 0])  # corners meet
    torch.testing.assert_close(cond[..., -1, -1][:, 12:], image[..., -1, -1])
    assert torch.equal(mask_condition(depth, logits), cond[:, :12])
    assert torch.equal(mask_condition(depth, logits, image, detach=True), cond)


@pytest.mark.parametrize("detach", [True, False])
def test_gradients_of_the_condition(detach: bool) -> None:
    shapes = [(2, 1, 3, 4), (2, 3, 3, 4), (2, 3, 5, 6)]
    depth, logits, image = (torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes)
    mask_condition(depth, logits, image, detach=detach).square().sum().backward()
    assert (depth.grad is None) is (logits.grad is None) is detach
    assert image.grad is not None
    if not detach:
        assert torch.autograd.gradcheck(mask_condition, [depth, logits, image], fast_mode=True)


@pytest.mark.known_bug(59)
def test_constant_depth_conditions_on_zeros() -> None:
    cond = mask_condition(torch.full((1, 1, 3, 4), 2.0), torch.zeros(1, 11, 3, 4))
    assert (cond[:, 0] == 0).all()


@pytest.mark.known_bug(17)
def test_a_missing_or_wrong_condition_is_refused() -> None:
    decoder, maps = SPADE(), features()
    with pytest.raises(TypeError, match="cond"):
        decoder(maps)
    with pytest.raises(ValueError, match=r"cond must be \(B, 3, H, W\), got \(2, 4, 5, 5\)"):
        decoder(maps, torch.randn(2, 4, 5, 5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(SPADEMaskDecoder, [12]), "low-level features too"),
        (partial(SPADEMaskDecoder, CHANNELS, channels=12), "multiple of 8 for 3 upsamplings, got 12: use 16"),
        (partial(SPADEMaskDecoder, CHANNELS, upsamplings=-1), "upsamplings must be >= 0"),
        (partial(SPADEMaskDecoder, CHANNELS, cond_channels=0), "cond_channels must be >= 1"),
        (partial(mask_condition, torch.zeros(1, 2, 3, 4), torch.zeros(1, 5, 3, 4)), "decode buckets first"),
        (
            partial(mask_condition, torch.zeros(1, 1, 6, 8), torch.zeros(1, 5, 3, 4)),
            r"depth must be \(1, 1, 3, 4\)",
        ),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
