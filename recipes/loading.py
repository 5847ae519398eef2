"""A trained model out of a run folder: only its networks are built, and only weights that are fit to be judged."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from gancomponents.errors import InputError, check_whole
from gancomponents.layers import fuse_batch_norms, spectral_norms
from gancomponents.training import Runtime, checkpoint
from recipes import config
from recipes.climategan.model import ClimateGAN, Masker
from recipes.damage import blamed_on

#: What the flag calls a set of weights, and what a checkpoint does. Look-ahead weights have no name: none are kept.
SETS = {"averaged": "averaged", "raw": "model"}

_PUBLISHED_SIZE = 640
_FIX = "pass the --output of a recipes.run command, its checkpoints folder or one checkpoint"


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to infer, and where it comes from.

    Attributes:
        model: in evaluation mode, on the device.
        weights: "averaged" or "raw".
        step: how many steps it was trained.
        size: side of the images that it was trained on, pixels.
        stretch: whether each of these images was stretched to its full range; the model then sees photos so.
        target_stride: depth and segmentation are predicted at this fraction of the image.
        checkpoint: the folder that the weights were read from.
    """

    model: ClimateGAN
    weights: str
    step: int
    size: int
    stretch: bool
    target_stride: int
    checkpoint: Path

    def __str__(self) -> str:
        return f"{self.weights} weights of step {self.step}, trained at {self.size} pixels"


def load_model(
    run: Path, runtime: Runtime, weights: str = "auto", *, default_size: int = _PUBLISHED_SIZE
) -> LoadedModel:
    """Build the model that a run's config.gin describes, with the weights of its newest checkpoint.

    The data, the critics and the losses are not built, so that a run can be applied where its data are not;
    gin's own state is as before afterwards.

    Args:
        run: a run folder, its checkpoints folder, or one checkpoint.
        runtime: where the model is put.
        weights: "averaged" (an exponential moving average), "raw", or "auto" for averaged ones where there are.
        default_size: the trained size where config.gin binds no ``data.Data.size``, as a converter's does not.

    Raises:
        InputError: for a path that is no run, a checkpoint without these weights, or weights that do not fit.
    """
    if weights not in ("auto", *SETS):
        raise InputError(
            "weights", expected="auto, averaged or raw", got=repr(weights), fix="choose one of these"
        )
    file, path = _find(run)
    name = _choose(path, weights)
    with config.borrowed():
        config.parse(str(file))
        # The weights are read from the checkpoint: pretrained ones would be downloaded in vain.
        config.override("PretrainedEncoder", "weights", None)
        size = check_whole(
            "data.Data.size", config.bound("data.Data.size", default_size), minimum=1, fix=f"correct {file}"
        )
        stretch = bool(config.bound("data.Data.stretch", False))
        with torch.random.fork_rng(devices=[]):
            model = config.build(ClimateGAN, strict=False)
    with blamed_on(path):
        faults = model.load_weights(checkpoint.load_weights(path, SETS[name]))
    if faults:
        got = f"{len(faults)} entries that differ, the first {faults[0]}"
        fix = f"{file} must be the one it was trained with"
        raise InputError(str(path), expected="weights of the networks in config.gin", got=got, fix=fix)
    model.trained_size, model.trained_stretch = size, stretch
    runtime.place(model).eval()
    stride = model.masker.target_stride if isinstance(model.masker, Masker) else 1
    return LoadedModel(model, name, checkpoint.step_of(path), size, stretch, stride, path)


@torch.no_grad()
def fuse(model: ClimateGAN, *, side: int | None = None) -> ClimateGAN:
    """A copy for inference alone: batch norms folded into convolutions, spectral norms into their weights.

    A convolution's own bias is kept: b' = beta + s (b - mean), see `gancomponents.layers.fuse_batch_norms`. Its
    outputs are those of the model up to rounding.

    Args:
        model: it is left alone.
        side: of the random image that shows what feeds what; any that the networks take.
    """
    like = next(model.parameters())
    if side is None:
        side = max(64, 2 * 2 ** getattr(model.painter, "upsamplings", 0))
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(1, 3, side, side, generator=generator) * 2 - 1).to(like)
    parts: dict[str, nn.Module | None] = {
        name: None if part is None else fuse_batch_norms(part, x)
        for name, part in (("masker", model.masker), ("painter", model.painter))
    }
    fused = ClimateGAN(**parts, paste_original=model.paste_original)  # type: ignore[arg-type]
    for layer, _ in list(spectral_norms(fused)):
        nn.utils.parametrize.remove_parametrizations(layer, "weight")
    fused.trained_size, fused.trained_stretch = model.trained_size, model.trained_stretch
    return fused.eval()


def _find(run: Path) -> tuple[Path, Path]:
    """config.gin and the checkpoint."""
    what = f"--run {run}"
    if not run.is_dir():
        raise InputError(what, expected="a run folder", got="no such folder", fix=_FIX)
    if (run / "state.json").is_file():
        checkpoint.step_of(run)
        # A relative path such as "." must have parents too.
        folder, path = run.absolute().parent.parent, run
    else:
        folder = run if (run / "config.gin").is_file() else run.absolute().parent
        found = checkpoint.newest(run / "checkpoints") or checkpoint.newest(run)
        if not (folder / "config.gin").is_file() or (folder != run and found is None):
            raise InputError(what, expected="a run folder", got="no config.gin in it", fix=_FIX)
        if found is None:
            fix = "train it first; a checkpoint is written every save_every steps and at the end"
            raise InputError(what, expected="a run with a whole checkpoint", got="none", fix=fix)
        path = found
    file = folder / "config.gin"
    if not file.is_file():
        got = f"a checkpoint without {file}"
        raise InputError(what, expected="a checkpoint inside a run folder", got=got, fix=_FIX)
    return file, path


def _choose(path: Path, weights: str) -> str:
    known = checkpoint.weights_in(path)
    if weights == "auto":
        return "averaged" if SETS["averaged"] in known else "raw"
    if SETS[weights] not in known:
        there = [name for name, key in SETS.items() if key in known]
        raise InputError(
            str(path),
            expected=f"a checkpoint with {weights} weights",
            got=f"one with {' and '.join(there) or 'none'}",
            fix="choose --weights auto",
        )
    return weights
