"""Every configuration of upstream's is recognised by its keys and shapes, and ours has exactly its entries."""

import pytest
import torch

from recipes import config
from recipes.climategan import System
from recipes.upstream.conversion import build
from recipes.upstream.layout import Layout, infer
from recipes.upstream.parts import Part
from tests.reference.architectures import ARCHITECTURES, Config, names, painter_shapes, shapes_of


@pytest.mark.parametrize("name", names("generator"))
def test_every_generator_is_recognised(name: str) -> None:
    config, shapes = ARCHITECTURES[name]["config_overrides"], shapes_of(name)
    layout = infer(shapes, {})
    _, networks = build(layout)
    assert networks["model"].shapes() == shapes
    assert networks.keys() == {"model"}
    found = layout.networks()
    tasks = config.get("tasks", ["d", "s", "m", "p"])
    parts = {"d": "depth", "s": "segmentation", "m": "mask", "p": "painter"}
    expected = {parts[task] for task in tasks} | ({"encoder"} if set(tasks) - {"p"} else set())
    assert found.keys() == expected
    if "encoder" in found:
        _check_masker(config, layout, found)
    if "painter" in found:
        _check_painter(config, found["painter"])


def _check_masker(config: Config, layout: Layout, found: dict[str, Part]) -> None:
    v2 = config.get("gen.encoder.architecture") == "deeplabv2"
    mobile = config.get("gen.deeplabv3.backbone") == "mobilenet"
    encoder = "DeepLabV2ResNet" if v2 else "MobileNetV2" if mobile else "DeepLabV3ResNet"
    segmentation = "DeepLabV2Decoder" if v2 else "SeparableDecoder" if mobile else "DeepLabV3PlusDecoder"
    assert found["encoder"].name == f"encoders.{encoder}"
    assert found["segmentation"].name == f"decoders.{segmentation}"
    assert found["segmentation"].arguments["num_classes"] == 11
    if v2:
        assert found["encoder"].arguments["residual_blocks"] == config.get("gen.encoder.n_res", 0)
    if not mobile:
        assert found["encoder"].arguments["blocks"] == (3, 4, 23, 3)
    depth = found["depth"].arguments
    assert depth["upsample"] == config.get("gen.d.upsample_featuremaps", True)
    makes_map = config.get("gen.s.use_dada", True) or config.get("gen.m.use_dada", False)
    if config.get("gen.d.architecture") == "base":
        assert found["depth"].name == "decoders.DepthDecoder"
        assert depth["buckets"] == (256 if config.get("gen.d.classify.enable") else None)
        assert depth["low_level"] == config.get("gen.d.use_low_level_feats", False)
        assert (depth["proj_channels"], depth["residual_blocks"]) == (32, 1)
        assert (depth["norm"].name, depth["spectral"]) == ("nn.BatchNorm2d", False)
    else:
        assert found["depth"].name == "decoders.DADADepthDecoder"
        assert depth["fusion"] == makes_map
    masker = layout.model.arguments["masker"].arguments
    assert masker["fuse_segmentation"] == config.get("gen.s.use_dada", True)
    mask = found["mask"].arguments
    if config.get("gen.m.use_spade"):
        assert found["mask"].name == "decoders.SPADEMaskDecoder"
        assert mask["cond_channels"] == config.get("gen.m.spade.cond_nc", 15)
        assert (mask["channels"], mask["upsamplings"], mask["spectral"]) == (128, 3, True)
        assert mask["low_level"] == (not v2)
        projects = config.get("gen.m.use_proj", True) and not mobile and not v2
        assert mask["proj_channels"] == (64 if projects else None)
    else:
        assert found["mask"].name == "decoders.MaskDecoder"
        assert mask["low_level"] == config.get("gen.m.use_low_level_feats", True)
        assert (mask["proj_channels"], mask["residual_blocks"], mask["upsamplings"]) == (64, 3, 3)
        assert mask["spectral"]
    # What the file cannot tell is what is left to say.
    assumed = {assumed.name: assumed.value for assumed in layout.assumed}
    assert assumed["target_stride"] == 4
    assert ("output_stride" in assumed) == (not v2 and not mobile)
    assert ("fuse_mask" in assumed) == ("fusion" in depth and depth["fusion"])
    assert ("detach_condition" in assumed) == config.get("gen.m.use_spade", False)


def _check_painter(config: Config, found: Part) -> None:
    painter = found.arguments
    assert painter["width"] == config.get("gen.p.latent_dim", 640)
    assert painter["upsamplings"] == config.get("gen.p.spade_n_up", 7)
    assert painter["spectral"] == config.get("gen.p.spade_use_spectral_norm", True)
    assert painter["final_shortcut"] == config.get("gen.p.use_final_shortcut", False)
    batch = config.get("gen.p.spade_param_free_norm", "instance") == "batch"
    assert painter["norm"].name == ("nn.BatchNorm2d" if batch else "layers.InstanceNorm")


@pytest.mark.parametrize("name", names("discriminator"))
def test_every_discriminator_is_recognised(name: str) -> None:
    config, shapes = ARCHITECTURES[name]["config_overrides"], shapes_of(name)
    layout = infer(painter_shapes({"gen.p.latent_dim": 16, "gen.p.spade_n_up": 4}), shapes)
    _, networks = build(layout)
    assert networks["critics"].shapes() == shapes
    found = layout.networks()
    tasks = config.get("tasks", ["d", "s", "m", "p"])
    assert ("painter critic" in found) == ("p" in tasks)
    assert ("mask critic" in found) == ("m" in tasks)
    assert ("segmentation critic" in found) == ("s" in tasks)
    if "p" in tasks:
        critic = found["painter critic"]
        local = config.get("dis.p.use_local_discriminator", False)
        kind = "LocalGlobalDiscriminator" if local else "MultiScalePatchDiscriminator"
        assert critic.name == f"discriminators.{kind}"
        assert critic.arguments["in_channels"] == (3 if local else 4)
        patches = critic.arguments["discriminator"].arguments if local else critic.arguments
        assert (patches["scales"], patches["width"], patches["layers"]) == (3, 64, 4)
        batch = config.get("dis.p.norm") == "batch"
        assert patches["norm"].name == ("nn.BatchNorm2d" if batch else "layers.InstanceNorm")
    if "m" in tasks:
        omni = config.get("dis.m.architecture") == "OmniDiscriminator"
        kind = "MultiScalePatchDiscriminator" if omni else "EntropyDiscriminator"
        assert found["mask critic"].name == f"discriminators.{kind}"
        assert found["mask critic"].arguments["spectral"] == (config.get("dis.m.gan_type") != "GAN")


@pytest.mark.parametrize("name", names("generator_default"))
def test_the_published_recipe_trains_on_from_a_public_checkpoint(name: str) -> None:
    lists = {f"{split}_{domain}": "list.json" for split in ("TRAIN", "VAL") for domain in ("S", "R", "RF")}
    macros = {**lists, "DATA": ".", "VGG_WEIGHTS": None, "DEEPLAB_WEIGHTS": "weights.pth"}
    config.parse("recipes/climategan_paper.gin", [f"{macro} = {value!r}" for macro, value in macros.items()])
    with torch.device("meta"):
        system = config.build(System, strict=False)
    _, networks = build(infer(shapes_of(name), shapes_of("discriminator_default")))
    for part, ours in (("model", system.model), ("critics", system.critics)):
        converted = {key: value.shape for key, value in networks[part].state.items()}
        assert converted == {key: value.shape for key, value in ours.state_dict().items()}
