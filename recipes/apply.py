"""Flood, burn and smoke anybody's photos: ``python -m recipes.apply --run DIR --images PATH --output DIR``."""

import argparse
import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from gancomponents.data import read_image, write_image
from gancomponents.errors import InputError
from gancomponents.training import Runtime, checkpoint
from recipes import cli, config, pictures
from recipes.folder import RunFolder
from recipes.recipe import Recipe

_PICTURES = ("flood", "wildfire", "smog", "mask")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_STEP = 32
_LONGEST = 8  # times the shorter side, as the networks see it: a longer strip would take their memory

_EXAMPLES = """examples:
  python -m recipes.apply --run runs/flood --images street.jpg --output flooded
  python -m recipes.apply --run runs/flood --images photos/ --output flooded --size 256"""


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and write four pictures for every photo."""
    flags = _parser().parse_args(arguments)
    run, output = RunFolder(Path(flags.run)), Path(flags.output)
    _check_numbers(flags.size, flags.threshold)
    images = _find_images(Path(flags.images))
    runtime = Runtime(flags.device, flags.precision)
    _check_output(output, images)
    _check_readable(images)
    recipe = load(run, runtime)
    size = flags.size or recipe.data.size
    output.mkdir(parents=True, exist_ok=True)
    for path in tqdm(images, unit="photo", disable=None):
        for name, picture in imagine(recipe, read_image(path), size, flags.threshold).items():
            write_image(output / f"{path.stem}_{name}.png", pictures.of_image(picture))
    count = f"{len(images)} photo{'s' * (len(images) > 1)}"
    print(f"{count}, {len(_PICTURES) * len(images)} pictures in {output}")


def load(run: RunFolder, runtime: Runtime) -> Recipe:
    """Build the recipe of a run with the weights of its newest checkpoint.

    Raises:
        InputError: when the folder is no run, has no whole checkpoint, or its weights do not fit.
    """
    fix = "pass the --output of a recipes.run command"
    if not run.config.is_file():
        raise InputError(f"--run {run.path}", expected="a run folder", got="no config.gin in it", fix=fix)
    path = checkpoint.newest(run.checkpoints)
    if path is None:
        fix = "train it first; a checkpoint is written every save_every steps and at the end"
        raise InputError(f"--run {run.path}", expected="a run with a checkpoint", got="none", fix=fix)
    logging.getLogger("gancomponents").setLevel(logging.ERROR)  # what losses have to say matters to training
    here = {"device": str(runtime.device), "precision": runtime.precision}
    config.parse(str(run.config), [f"run.Recipe.{name} = {value!r}" for name, value in here.items()])
    recipe = config.build(Recipe, strict=False)
    faults = recipe.system.model.load_weights(checkpoint.load_weights(path))
    if faults:
        got = f"{len(faults)} entries that differ, the first {faults[0]}"
        fix = "the run's config.gin must be the one it was trained with"
        raise InputError(str(path), expected="weights of the networks in config.gin", got=got, fix=fix)
    return recipe


def imagine(recipe: Recipe, photo: pictures.Picture, size: int, threshold: float) -> dict[str, Tensor]:
    """Flood, wildfire, smog and mask of one photo (H, W, 3) uint8, each (3, H, W) in [-1, 1].

    The networks see the photo with its shorter side at about ``size`` pixels, in its own aspect; the events are
    laid over the photo itself, so that whatever is not painted keeps every detail.
    """
    x = torch.from_numpy(photo).permute(2, 0, 1)[None].to(recipe.runtime.device).float() / 127.5 - 1
    height, width = x.shape[-2:]
    scale = size / min(height, width)
    sides = [_side(side * scale, size) for side in (height, width)]
    small = F.interpolate(x, sides, mode="bilinear", antialias=True, align_corners=False).clamp(-1, 1)
    full = recipe.system.imagine(small, recipe.runtime, photo=x, threshold=threshold)
    return {name: picture[0] for name, picture in full.items()}


def _side(wanted: float, size: int) -> int:
    """The multiple of 32 nearest to ``wanted``, from ``size`` to eight times that."""
    shortest = max(_STEP, size // _STEP * _STEP) if size > _STEP else 2 * _STEP
    return min(max(_STEP * round(wanted / _STEP), shortest), _LONGEST * shortest)


def _find_images(path: Path) -> list[Path]:
    kinds = ", ".join(_SUFFIXES)
    if not path.exists():
        fix = "check the path"
        raise InputError(f"--images {path}", expected="an image or a folder", got="no such path", fix=fix)
    if path.is_file():
        return [path]
    images = sorted(p for p in path.iterdir() if p.suffix.lower() in _SUFFIXES)
    if not images:
        fix = "pass a folder of photos"
        raise InputError(f"--images {path}", expected=f"a folder with {kinds} files", got="none", fix=fix)
    stems: dict[str, Path] = {}
    for image in images:
        if image.stem in stems:
            got = f"{stems[image.stem].name} and {image.name}"
            raise InputError(f"--images {path}", expected="one image of each name", got=got, fix="rename one")
        stems[image.stem] = image
    return images


def _check_numbers(size: int | None, threshold: float) -> None:
    if size is not None and not 2 * _STEP <= size <= 4096:
        raise InputError(
            "--size", expected=f"{2 * _STEP} to 4096", got=str(size), fix="choose a size in between"
        )
    if not 0 <= threshold <= 1:
        raise InputError("--threshold", expected="0 to 1", got=str(threshold), fix="pass a probability")


def _check_output(output: Path, images: Sequence[Path]) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(
            f"--output {output}", expected="a folder", got="a file", fix="choose another --output"
        )
    for image, name in itertools.product(images, _PICTURES):
        target = output / f"{image.stem}_{name}.png"
        if target.exists():
            fix = "choose another --output, or remove it"
            raise InputError(
                f"--output {output}", expected="a folder without these results", got=str(target), fix=fix
            )


def _check_readable(images: Sequence[Path]) -> None:
    """Every photo is decoded once before the first is flooded, so that a broken one leaves nothing half done."""
    problems: list[InputError] = []
    for path in tqdm(images, unit="photo", desc="checking", disable=None, leave=False):
        try:
            read_image(path)
        except InputError as error:
            problems.append(error)
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more photos are broken)" if len(problems) > 1 else ""
        fix = f"{first.fix}; nothing was written"
        raise InputError(first.what, expected=first.expected, got=f"{first.got}{more}", fix=fix)


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        "python -m recipes.apply",
        description="Write <stem>_flood.png, _wildfire.png, _smog.png and _mask.png for every photo.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, metavar="DIR", help="a run folder of recipes.run")
    parser.add_argument("--images", required=True, metavar="PATH", help="a photo, or a folder of photos")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for the pictures")
    parser.add_argument("--size", type=int, help="shorter side as the networks see it (default: as trained)")
    parser.add_argument("--threshold", type=float, default=0.5, help="water probability that floods a pixel")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", help="auto, fp32 or bf16")
    return parser


if __name__ == "__main__":
    cli.run(main)
