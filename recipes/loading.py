"""The networks of a finished run, for commands that only infer."""

import logging
from pathlib import Path
from typing import NamedTuple

from gancomponents.errors import InputError
from gancomponents.training import Runtime, checkpoint
from recipes import config
from recipes.climategan import ClimateGAN
from recipes.folder import RunFolder

CHOICES = ("auto", "averaged", "raw")


class LoadedModel(NamedTuple):
    """Networks in evaluation mode on the runtime's device, and where their weights come from.

    Attributes:
        model: the networks.
        weights: "averaged" or "raw".
        step: of the checkpoint.
        size: the shorter side that they were trained with, pixels.
    """

    model: ClimateGAN
    weights: str
    step: int
    size: int


def load_model(run: Path, runtime: Runtime, weights: str = "auto") -> LoadedModel:
    """The networks of a run with the weights of its newest checkpoint.

    Args:
        run: its folder.
        runtime: where they go.
        weights: "averaged", "raw", or "auto": averaged ones where the checkpoint has them.

    Raises:
        InputError: when the folder is no run, has no whole checkpoint or not the weights asked for, or they do
            not fit the networks.
    """
    folder = RunFolder(run)
    if not folder.config.is_file():
        fix = "pass the --output of a recipes.run command"
        raise InputError(f"--run {run}", expected="a run folder", got="no config.gin in it", fix=fix)
    path = checkpoint.newest(folder.checkpoints)
    if path is None:
        fix = "train it first; a checkpoint is written every save_every steps and at the end"
        raise InputError(f"--run {run}", expected="a run with a checkpoint", got="none", fix=fix)
    there = "averaged" in checkpoint.weights_in(path)
    if weights == "averaged" and not there:
        fix = "pass --weights raw, or auto"
        raise InputError(f"--run {run}", expected="averaged weights", got="raw ones only", fix=fix)
    chosen = "averaged" if there and weights != "raw" else "raw"
    logging.getLogger("gancomponents").setLevel(logging.ERROR)  # what losses have to say matters to training
    config.parse(str(folder.config))
    model = config.build(ClimateGAN, strict=False)
    faults = model.load_weights(checkpoint.load_weights(path, "model" if chosen == "raw" else chosen))
    if faults:
        got = f"{len(faults)} entries that differ, the first {faults[0]}"
        fix = "the run's config.gin must be the one it was trained with"
        raise InputError(str(path), expected="weights of the networks in config.gin", got=got, fix=fix)
    runtime.place(model).eval()
    return LoadedModel(model, chosen, checkpoint.step_of(path), config.bound("data.Data.size", 128))
