"""The whole of inference against the reference cases: one call, from an image to every event."""

import copy
import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancomponents.generators import SPADEPainter
from gancomponents.layers import update_spectral_norms_in_eval
from recipes.climategan import ClimateGAN, Masker
from recipes.climategan.painting import painted
from recipes.upstream import keys
from tests.reference.cases import Case, cases
from tests.reference.test_decoders import make_dada_decoder, make_mask_decoder, make_segmentation_decoder
from tests.reference.test_encoders import make_encoder

_OURS = {"s": "segmentation", "m": "mask"}


def _painter(config: dict[str, Any]) -> SPADEPainter:
    return SPADEPainter(config["gen.p.latent_dim"], upsamplings=config["gen.p.spade_n_up"])


def _filled(
    case: Case, model: ClimateGAN, parts: dict[str, tuple[nn.Module, keys.Rename, str]]
) -> ClimateGAN:
    """The model in float64 with the case's weights; spectral norms iterate at each call, as upstream's do."""
    model.double().eval()
    state, seen = model.state_dict(), 0
    filled: dict[str, Tensor] = {}
    for path, (part, rename, prefix) in parts.items():
        for key, slot in keys.slots(part, rename).items():
            target = keys.Slot(f"{path}.{slot.key}", slot.half).read(state)
            target.copy_(case.weight(f"{prefix}.{key}", tuple(target.shape)))
            filled[f"{prefix}.{key}"] = target
            seen += target.numel()
    assert seen == sum(value.numel() for value in state.values()), "entries without a weight"
    for name, value in case.config.get("bias_overrides_added_after_fill", {}).items():
        key, index = re.fullmatch(r"(.+)\[(\d+)\]", name).groups()  # type: ignore[union-attr]
        filled[key][int(index)] += value
    update_spectral_norms_in_eval(model)
    return model


def _system(case: Case) -> ClimateGAN:
    config = case.config
    encoder, encoder_keys = make_encoder(config)
    segmentation, segmentation_keys = make_segmentation_decoder(config)
    mask, mask_keys = make_mask_decoder(config)
    masker = Masker(
        encoder,
        depth=lambda channels: make_dada_decoder(config),
        segmentation=lambda channels: segmentation,
        mask=lambda channels: mask,
        target_stride=case.meta["size"] // case.meta["target_size_ds"],
        fuse_segmentation=config.get("gen.s.use_dada", True),
        fuse_mask=config.get("gen.m.use_dada", False),
        init_gain=None,
    )
    model = ClimateGAN(masker, _painter(config))
    assert masker.depth is not None
    parts = {
        "masker.encoder": (encoder, encoder_keys, "encoder"),
        "masker.depth": (masker.depth, keys.dada_decoder, "decoders.d"),
        "masker.segmentation": (segmentation, segmentation_keys, "decoders.s"),
        "masker.mask": (mask, mask_keys, "decoders.m"),
        "painter": (model.painter, keys.painter, "painter"),
    }
    return _filled(case, model, parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", cases("infer_all"))
def test_infer_all(case: Case) -> None:
    model, inputs, config = _system(case), case.inputs(), case.config
    soft = case.name.endswith("soft")
    options = {
        "stretch": True,
        "cloudy": case.name.endswith("cloudy"),
        "wildfire": {
            "kernel_size": config["events.fire.kernel_size"],
            "sigma": config["events.fire.kernel_sigma"],
            "green": config["green"],
            "integer_levels": True,
        },
    }
    if "rand01" in inputs:
        options["angles"] = 2 * math.pi * inputs["rand01"]
    if not soft:  # a hard mask is only recorded through the flood: the probability needs a call of its own
        seen = copy.deepcopy(model).infer_all(inputs["x"], threshold=None, events=())
        case.compare("output64/mask", seen.mask, 1e-9)
    found = model.infer_all(inputs["x"], threshold=None if soft else 0.5, **options)
    if soft:
        case.compare("output64/mask", found.mask, 1e-9)
    case.compare("output64/depth", found.depth, 1e-9)
    case.compare("output64/seg", found.segmentation, 1e-9)
    case.compare("output64/smog", (found.smog + 1) / 2, 1e-9)
    # The noise of the clouds was drawn in float32.
    case.compare("output64/flood", found.flood, 1e-5 if options["cloudy"] else 1e-9)
    fire = (found.wildfire + 1) * 127.5
    fire[:, :, 0, 0], fire[:, :, -1, -1] = 255, 0  # upstream's anchors for a later stretch
    case.compare("output64/wildfire", fire, 1.01 / 255)


@pytest.mark.parametrize("case", cases("paint_and_mask"))
def test_painting_at_upstreams_sizes(case: Case) -> None:
    painter = _painter(case.config)
    model = ClimateGAN(painter=painter, paste_original=case.config["gen.p.paste_original_content"])
    _filled(case, model, {"painter": (painter, keys.painter, "painter")})
    inputs = case.inputs()
    with torch.no_grad():
        for resolution in ("approx", "exact", "basic", "upsample"):
            picture = painted(model, inputs["x"], inputs["m"], resolution=resolution, trained=64)
            case.compare(f"output64/{resolution}", picture, 1e-9)
