"""What a state dict's keys and shapes say, and what contradicts them."""

import pytest
import torch

from gancomponents.errors import InputError
from recipes.upstream.conversion import build
from recipes.upstream.entries import Shape
from recipes.upstream.layout import infer
from tests.recipes.upstream import tiny


def _shapes(name: str) -> dict[str, Shape]:
    return {key: tuple(value.shape) for key, value in tiny.upstream_state(tiny.MODELS[name]()).items()}


def test_fusion_is_told_where_only_one_decoder_can_take_it() -> None:
    shapes = _shapes("usual")
    for left_out, expected in (("decoders.s.", (False, True)), ("decoders.m.", (True, False))):
        layout = infer({key: shape for key, shape in shapes.items() if not key.startswith(left_out)}, {})
        masker = layout.model.arguments["masker"].arguments
        assert (masker["fuse_segmentation"], masker["fuse_mask"]) == expected
        assert not {"fuse_segmentation", "fuse_mask"} & {assumed.name for assumed in layout.assumed}


def test_condition_must_fit_the_classes() -> None:
    shapes = _shapes("steered")
    fewer = {**shapes, "decoders.s.decoder.conv_out.weight": (9, 5, 1, 1)}
    with pytest.raises(InputError, match="a condition of 10 or 13 channels"):
        infer(fewer, {})
    without = {key: shape for key, shape in shapes.items() if not key.startswith("decoders.s.")}
    with pytest.raises(InputError, match="no segmentation decoder"):
        infer(without, {})


def test_pair_of_critics_must_be_alike() -> None:
    critics = tiny.upstream_critics(tiny.CRITICS["other"]())
    shapes = {key: tuple(value.shape) for key, value in critics.items()}
    shapes["p.local.discriminator_0.model0.0.module.weight_bar"] = (4, 4, 4, 4)
    with pytest.raises(InputError, match=r"a copy of p\.global"):
        infer(_shapes("alone"), shapes)


def test_an_encoder_alone_is_no_model() -> None:
    shapes = {key: shape for key, shape in _shapes("alone").items() if key.startswith("encoder.")}
    with pytest.raises(InputError, match="an encoder alone"):
        infer(shapes, {})


def test_nothing_is_allocated() -> None:
    shapes = {key: tuple(value.shape) for key, value in tiny.upstream_state(tiny.alone()).items()}
    _, networks = build(infer(shapes, {}))
    assert {value.device for value in networks["model"].state.values()} == {torch.device("meta")}
