"""A run folder of the tiny system as training leaves it, without the training."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from gancomponents.training import checkpoint
from recipes import config
from recipes.climategan import ClimateGAN
from tests.recipes.tiny import TINY

#: As initialised for training, depth and mask are so flat that rounding shows in what is stretched from them.
_LIVELY = ("climategan.Masker.init_gain = 2.0",)


def tiny_model(*more: str, seed: int = 0) -> ClimateGAN:
    """The tiny ClimateGAN, its norms and biases unlike those of a new one; gin is left configured as it is."""
    config.parse("recipes/climategan.gin", [*TINY, *_LIVELY, *more])
    torch.manual_seed(seed)
    model: ClimateGAN = config.build(ClimateGAN, strict=False)
    for layer in model.modules():
        if isinstance(getattr(layer, "running_var", None), torch.Tensor):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.normal_(layer.bias, 0, 0.1)
    return model.eval()


def write_run(
    folder: Path, *, sets: Iterable[str] = ("model",), step: int = 7, more: tuple[str, ...] = ()
) -> Path:
    """config.gin and one checkpoint, with other weights in each set."""
    weights = {}
    for seed, name in enumerate(sets):
        with config.borrowed():
            weights[name] = tiny_model(*more, seed=seed).state_dict()
            text = config.parsed_text()
    checkpoint.save(folder / "checkpoints", step, {}, weights, keep=1)
    (folder / "config.gin").write_text(text)
    return folder
