"""Encoder and decoders together against the reference cases of the whole masker."""

import pytest
from torch import Tensor

from gancomponents.decoders import mask_condition
from recipes.upstream import keys
from tests.reference.cases import Case, Outputs, cases, check_module
from tests.reference.test_decoders import (
    make_dada_decoder,
    make_depth_decoder,
    make_mask_decoder,
    make_segmentation_decoder,
    make_spade_mask_decoder,
)
from tests.reference.test_encoders import DEEP, make_encoder, named_features


@pytest.mark.parametrize("case", cases("Generator"))
def test_masker(case: Case) -> None:
    config = case.config
    encoder, encoder_keys = make_encoder(config)
    segmentation, segmentation_keys = make_segmentation_decoder(config)
    depth, depth_keys = (
        make_depth_decoder(config)
        if config.get("gen.d.architecture") == "base"
        else (make_dada_decoder(config), keys.dada_decoder)
    )
    spade = config.get("gen.m.use_spade", False)
    mask, mask_keys = make_spade_mask_decoder(config) if spade else make_mask_decoder(config)
    module, slots = keys.prefixed(
        {
            "encoder": (encoder, encoder_keys, "encoder"),
            "d": (depth, depth_keys, "decoders.d"),
            "s": (segmentation, segmentation_keys, "decoders.s"),
            "m": (mask, mask_keys, "decoders.m"),
        }
    )
    size = (config["target_size_ds"],) * 2
    fuses = {part: config.get(f"gen.{part}.use_dada", part == "s") for part in "sm"}

    def call(x: dict[str, Tensor]) -> Outputs:
        found = encoder(x["x"])
        d, fusion = depth(found, size=size)
        s = segmentation(found, fusion=fusion if fuses["s"] else None, size=size)
        image = x["x"] if config.get("gen.m.spade.cond_nc", 15) > 12 else None
        cond = mask_condition(d, s, image, detach=config.get("gen.m.spade.detach", False))
        m = mask(found, cond) if spade else mask(found, fusion=fusion if fuses["m"] else None)
        named = {"d": d, "s": s, "cond": cond, "m_logits": m, "m": m.sigmoid()}
        named |= named_features(found, config, "z.", "z")
        return named if fusion is None else {**named, "z_depth": fusion}

    check_module(case, module, slots, call, **(DEEP if case.meta["mode"] == "train" else {}))
