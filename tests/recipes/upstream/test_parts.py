"""Recipes written from parts."""

from pathlib import Path

from torch import nn

from recipes import config
from recipes.climategan import Critics
from recipes.upstream.parts import Part, recipe_text


def _patches(in_channels: int, norm: Part) -> Part:
    arguments = {"in_channels": in_channels, "scales": 1, "width": 2, "layers": 1, "norm": norm}
    return Part("discriminators.MultiScalePatchDiscriminator", arguments)


def test_a_class_in_several_places_keeps_the_arguments_of_each(tmp_path: Path) -> None:
    entropy = Part("discriminators.EntropyDiscriminator", {"in_channels": 11, "width": 2})
    plain = Part("nn.BatchNorm2d", built=False)
    free = Part("nn.BatchNorm2d", {"affine": False}, built=False)
    judges = {"segmentation": entropy, "mask": _patches(2, free), "painter": _patches(4, plain)}
    text = recipe_text([Part("climategan.Critics", judges)])
    (tmp_path / "config.gin").write_text(text)
    config.parse(str(tmp_path / "config.gin"))
    critics = config.build(Critics)
    norms = {}
    for name in ("mask", "painter"):
        critic = getattr(critics, name)
        (norms[name],) = [module for module in critic.modules() if isinstance(module, nn.BatchNorm2d)]
    assert (critics.mask.in_channels, critics.painter.in_channels) == (2, 4)
    assert (norms["mask"].affine, norms["painter"].affine) == (False, True)


def test_parts_alike_are_bound_once() -> None:
    norm = Part("nn.BatchNorm2d", {"affine": False}, built=False)
    alike = {
        "masker": Part("decoders.SPADEMaskDecoder", {"norm": norm}),
        "painter": Part("generators.SPADEPainter", {"norm": norm}),
    }
    text = recipe_text([Part("climategan.ClimateGAN", alike)])
    assert text.count("affine = False") == 1
    assert text.count("norm = @nn.BatchNorm2d\n") == 2
