"""What all decoders do with what they are given: check it, fuse it, stretch it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gancomponents.decoders import SPADEMaskDecoder
from gancomponents.layers.norms import min_max
from tests.decoders.blocks import DADA, DEPTH, MASK, SEPARABLE, SPADE, V2, V3PLUS, features

COND = torch.randn(1, 3, 4, 7)


def _inputs(decoder: nn.Module, maps: list[Tensor]) -> list[object]:
    """The positional arguments."""
    spade = isinstance(decoder, SPADEMaskDecoder)
    return [maps, COND.expand(len(maps[0]), -1, -1, -1)] if spade else [maps]


def _call(decoder: nn.Module, maps: list[Tensor], **options: object) -> Tensor:
    out = decoder(*_inputs(decoder, maps), **options)
    return out if isinstance(out, Tensor) else out[0]


@pytest.mark.parametrize("make", [DADA, DEPTH, V3PLUS, V2, SEPARABLE, MASK, SPADE])
def test_trains_at_a_batch_of_one_of_four_pixels(make: Callable[..., nn.Module]) -> None:
    decoder = make().train()
    _call(decoder, features(1, 2, 2)).square().mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in decoder.parameters())


@pytest.mark.parametrize("make", [V3PLUS, V2, SEPARABLE, MASK, SPADE])
def test_fusion_multiplies_the_coarse_features(make: Callable[[], nn.Module]) -> None:
    decoder = make().eval()
    maps, fusion = features(), torch.randn(2, 12, 6, 5)
    expected = _call(decoder, [maps[0], maps[1] * fusion])
    torch.testing.assert_close(_call(decoder, maps, fusion=fusion), expected)
    with pytest.raises(ValueError, match=r"fusion must be a tensor \(2, 12, 6, 5\), got \(2, 12, 6, 4\)"):
        _call(decoder, maps, fusion=fusion[..., :-1])
    with pytest.raises(ValueError, match="got tuple: pass the second result of DADADepthDecoder"):
        _call(decoder, maps, fusion=DADA()(maps))


@pytest.mark.parametrize("make", [DADA, DEPTH, V3PLUS, V2, SEPARABLE])
def test_size_is_a_pair_of_whole_numbers(make: Callable[[], nn.Module]) -> None:
    decoder, maps = make(), features()
    for size in [(9, 7), [9, 7], torch.Size([9, 7])]:
        assert _call(decoder, maps, size=size).shape[-2:] == (9, 7)
    for size in [9, (9,), (9, 7, 5), (9.0, 7), (9, 0), (-9, 7), "97", torch.ones(2)]:
        with pytest.raises(ValueError, match=r"size must be \(height, width\), whole numbers >= 1, got"):
            _call(decoder, maps, size=size)


@pytest.mark.parametrize("make", [DADA, V3PLUS, SEPARABLE])
def test_size_may_follow_an_image_of_any_size_when_compiled(make: Callable[[], nn.Module]) -> None:
    decoder, maps = make().eval(), features()

    def decode(image: Tensor) -> Tensor:
        return _call(decoder, maps, size=image.shape[-2:])

    compiled = torch.compile(decode, fullgraph=True, dynamic=True, backend="aot_eager")
    for size in [(9, 7), (11, 14)]:
        image = torch.zeros(1, 3, *size)
        torch.testing.assert_close(compiled(image), decode(image))


@pytest.mark.parametrize("make", [DADA, DEPTH, V3PLUS, V2, SEPARABLE, MASK, SPADE])
def test_fusion_and_size_go_by_name(make: Callable[[], nn.Module]) -> None:
    decoder, maps = make(), features()
    for value in [(9, 7), torch.randn(2, 12, 6, 5), None]:
        with pytest.raises(TypeError, match="positional argument"):
            decoder(*_inputs(decoder, maps), value)


@pytest.mark.parametrize("make", [DADA, DEPTH, V3PLUS, V2, SEPARABLE, MASK, SPADE])
def test_features_of_another_encoder_are_refused(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"features must have \[8, 12\] channels, got \[12, 8\]"):
        _call(make(), features()[::-1])


@pytest.mark.known_bug(59)
def test_stretching_a_constant_map_gives_zeros_and_finite_gradients() -> None:
    x = torch.stack([torch.full((1, 3, 4), 7.0), torch.arange(12.0).reshape(1, 3, 4)]).requires_grad_()
    y = min_max(x, 0.25, 1.0)
    assert (y[0] == 0.25).all()
    assert (y[1].min(), y[1].max()) == (0.25, 1.0)
    y.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_stretching_ignores_scale_and_shift() -> None:
    x = torch.randn(3, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(min_max(5 * x - 3), min_max(x))
    assert torch.autograd.gradcheck(lambda t: min_max(t, -1.0, 2.0), [x])
