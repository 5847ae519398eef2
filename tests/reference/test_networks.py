"""Painter and discriminators against the reference cases."""

from typing import Any

import pytest
from torch import Tensor, nn

from gancomponents.discriminators import EntropyDiscriminator, MultiScalePatchDiscriminator
from gancomponents.generators import SPADEPainter, paste
from gancomponents.layers import InstanceNorm
from recipes.upstream import keys
from tests.reference.cases import Case, Outputs, cases, check_module
from tests.reference.test_blocks import FREE_NORMS


def make_painter(config: dict[str, Any]) -> SPADEPainter:
    return SPADEPainter(
        config["latent_dim"],
        upsamplings=config["spade_n_up"],
        spectral=config.get("spade_use_spectral_norm", True),
        norm=FREE_NORMS[config.get("spade_param_free_norm", "instance")],
        final_shortcut=config.get("use_final_shortcut", False),
    )


@pytest.mark.parametrize("case", cases("Painter"))
def test_painter(case: Case) -> None:
    painter = make_painter(case.config)
    check_module(case, painter, keys.slots(painter, keys.painter), lambda x: {"out": painter(x["cond"])})


@pytest.mark.parametrize("case", cases("Generator.paint"))
def test_paint(case: Case) -> None:
    module, slots = keys.prefixed({"painter": (make_painter(case.config), keys.painter, "painter")})

    def call(x: dict[str, Tensor]) -> Outputs:
        fake = module["painter"](x["x"] * (1 - x["m"]))
        pasted = case.config["paste_original_content"] and not case.config["no_paste"]
        return {"out": paste(fake, x["x"], x["m"]) if pasted else fake}

    check_module(case, module, slots, call)


@pytest.mark.parametrize("case", cases("MultiscaleDiscriminator"))
def test_patch_discriminator(case: Case) -> None:
    config = case.config
    instance = config["norm"] == "instance"
    critic = MultiScalePatchDiscriminator(
        config["input_nc"],
        scales=config["num_D"],
        width=config["ndf"],
        layers=config["n_layers"],
        norm=InstanceNorm if instance else nn.BatchNorm2d,
        bias=instance,
    )

    def call(x: dict[str, Tensor]) -> Outputs:
        results = critic(x["x"])
        if config["use_sigmoid"]:
            results = [[*scale, scale[-1].sigmoid()] for scale in results]
        if not config["get_intermediate_features"]:
            results = [scale[-1:] for scale in results]
        return {f"{i}.{k}": feature for i, scale in enumerate(results) for k, feature in enumerate(scale)}

    check_module(case, critic, keys.slots(critic, keys.patch_discriminator), call)


@pytest.mark.parametrize("case", cases("AdventDiscriminator"))
def test_entropy_discriminator(case: Case) -> None:
    config = case.config
    critic = EntropyDiscriminator(config["num_classes"], width=config["ndf"], spectral=config["use_norm"])
    check_module(
        case, critic, keys.slots(critic, keys.entropy_discriminator), lambda x: {"out": critic(x["x"])}
    )
