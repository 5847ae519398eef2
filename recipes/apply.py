"""Flood, burn and smoke anybody's photos: ``python -m recipes.apply --run DIR --images PATH --output DIR``."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from tqdm import tqdm

from gancomponents.data import write_image
from gancomponents.errors import InputError, check_whole
from gancomponents.training import Runtime
from recipes import cli, photos
from recipes.climategan.events import EVENTS, possible
from recipes.climategan.painting import Resolution
from recipes.loading import LoadedModel, fuse, load_model
from recipes.timing import Stopwatch

_SMALLEST, _LARGEST = 64, 4096
_CORNERS = 9  # of the clouds' noise, to a side

_EXAMPLES = """examples:
  python -m recipes.apply --run runs/flood --images street.jpg --output flooded
  python -m recipes.apply --run runs/flood --images photos/ --output flooded --size 256 --events flood
  python -m recipes.apply --run runs/flood --images photos/ --output flooded --batch 4 --half --fuse --json

A run's config.gin is code, as any .gin file: use only runs that you trust,
or put a config.gin of your own into theirs."""


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and write the events of every photo."""
    flags = _parser().parse_args(arguments)
    events = _check(flags)
    output = Path(flags.output)
    images = photos.find(Path(flags.images))[: flags.max_images]
    runtime = Runtime(flags.device, "fp32" if flags.half else flags.precision)
    extras = [name for name, wanted in (("mask", flags.save_masks), ("input", flags.save_input)) if wanted]
    photos.check_output(output, images, [*events, *extras], overwrite=flags.overwrite)
    watch = None if flags.no_time else Stopwatch(runtime.device)
    with _stage(watch, "read"):
        found = photos.check_readable(images)
    loaded = load_model(Path(flags.run), runtime, weights=flags.weights)
    events = _check_possible(loaded, events, asked=flags.events is not None)
    if flags.keep_ratio:
        _check_multiples(found, _multiple(loaded), flags.max_width)
    if not flags.json:
        weights = ", weights in fp16" if flags.half else ""
        print(f"{flags.run}: {loaded}, on {runtime}{weights}", flush=True)
    written = _write_all(flags, loaded, runtime, found, events, watch)
    if flags.json:
        print(json.dumps(_summary(loaded, runtime, found, written, output, watch, half=flags.half)))
        return
    print(f"{len(found)} photo{'s' * (len(found) > 1)}, {len(written)} pictures in {output}")
    if watch is not None:
        print(watch.table(len(found)))


def _write_all(
    flags: argparse.Namespace,
    loaded: LoadedModel,
    runtime: Runtime,
    found: Sequence[photos.Photo],
    events: Sequence[str],
    watch: Stopwatch | None,
) -> list[Path]:
    model = fuse(loaded.model) if flags.fuse else loaded.model
    model = model.half() if flags.half else model
    options = {
        "size": "full" if flags.keep_ratio else flags.size or loaded.size,
        "threshold": None if flags.threshold == -1 else flags.threshold,
        "cloudy": flags.cloudy,
        "events": events,
        "resolution": flags.resolution,
        "autocast": runtime.autocast_dtype,
        "timings": watch,
        "layout": "HWC",
    }
    output, written, dry = Path(flags.output), [], 0
    output.mkdir(parents=True, exist_ok=True)
    with tqdm(total=len(found), unit="photo", disable=None) as progress:
        for batch in photos.batches(found, flags.batch):
            with _stage(watch, "read"):
                pictures = [photo.read() for photo in batch]
                if flags.keep_ratio:
                    size = photos.size_in_multiples(*batch[0].size, _multiple(loaded), flags.max_width)
                    pictures = [photos.resize(picture, size) for picture in pictures]
                x = np.stack(pictures)
            angles = torch.stack([_angles(flags.seed + photo.index) for photo in batch])
            made = model.infer_all(x, angles=angles, **options)
            if made.mask is not None:
                dry += sum(not mask.any() for mask in made.mask)
            results = {name: getattr(made, name) for name in events}
            results |= {"mask": made.mask} if flags.save_masks and made.mask is not None else {}
            results |= {"input": x} if flags.save_input else {}
            with _stage(watch, "write"):
                for name, values in results.items():
                    for photo, picture in zip(batch, values, strict=True):
                        written.append(photos.target(output, photo.path, name))
                        write_image(written[-1], picture)
            progress.update(len(batch))
    if dry and "flood" in events:
        advice = "try a lower --threshold or a longer training"
        print(f"no water is predicted in {dry} of {len(found)} photos: {advice}", file=sys.stderr)
    return written


def _stage(watch: Stopwatch | None, name: str) -> AbstractContextManager[None]:
    return nullcontext() if watch is None else watch.stage(name)


def _angles(seed: int) -> torch.Tensor:
    """Clouds of a photo's own, the same in every batch and on every device."""
    generator = torch.Generator().manual_seed(seed)
    return 2 * math.pi * torch.rand(_CORNERS, _CORNERS, generator=generator)


def _multiple(loaded: LoadedModel) -> int:
    return 2 ** int(getattr(loaded.model.painter, "upsamplings", 5))


def _summary(
    loaded: LoadedModel,
    runtime: Runtime,
    found: Sequence[photos.Photo],
    written: Sequence[Path],
    output: Path,
    watch: Stopwatch | None,
    *,
    half: bool,
) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "checkpoint": str(loaded.checkpoint),
        "weights": loaded.weights,
        "step": loaded.step,
        "device": str(runtime.device),
        "precision": "fp16" if half else runtime.precision,
        "output": str(output),
        "images": len(found),
        "pictures": [path.name for path in written],
    }
    if watch is not None:
        summary["seconds"] = {name: round(seconds, 6) for name, seconds in watch.seconds.items()}
        summary["images_per_second"] = round(len(found) / max(sum(watch.seconds.values()), 1e-9), 3)
    return summary


def _check(flags: argparse.Namespace) -> list[str]:
    """Every number in its range and no two flags that contradict each other; the events asked for."""
    if flags.size is not None and not _SMALLEST <= flags.size <= _LARGEST:
        expected = f"{_SMALLEST} to {_LARGEST}"
        raise InputError("--size", expected=expected, got=str(flags.size), fix="choose a size in between")
    if not (0 <= flags.threshold <= 1 or flags.threshold == -1):
        fix = "pass a probability, or -1 for soft masks"
        raise InputError("--threshold", expected="0 to 1, or -1", got=str(flags.threshold), fix=fix)
    for name in ("batch", "max_images", "max_width"):
        if getattr(flags, name) is not None:
            check_whole(f"--{name.replace('_', '-')}", getattr(flags, name), minimum=1)
    check_whole("--seed", flags.seed, minimum=0, maximum=2**62)
    conflicts = (
        ("--size", flags.size is not None and flags.keep_ratio, "no --size beside --keep-ratio"),
        ("--max-width", flags.max_width is not None and not flags.keep_ratio, "--keep-ratio beside it"),
        ("--half", flags.half and flags.precision != "auto", "no --precision beside it"),
    )
    for flag, clashes, expected in conflicts:
        if clashes:
            raise InputError(flag, expected=expected, got="both" if "no" in expected else "none")
    if flags.events is None:
        return list(EVENTS)
    events = [name.strip() for name in flags.events.split(",")]
    if not set(events) <= set(EVENTS):
        expected = f"some of {','.join(EVENTS)}"
        raise InputError("--events", expected=expected, got=flags.events, fix="separate them by commas")
    return list(dict.fromkeys(events))


def _check_possible(loaded: LoadedModel, events: Sequence[str], *, asked: bool) -> list[str]:
    able = possible(loaded.model)
    missing = [name for name in events if name not in able]
    if loaded.model.masker is None:
        fix = "pass a run with a masker; in Python, its painter paints under masks of yours: model.paint(x, mask)"
        raise InputError("--run", expected="a model that predicts", got="a painter alone", fix=fix)
    if missing and asked:
        expected = f"{', '.join(able) or 'none'}, which this run's model can make"
        fix = "choose another run, or other --events"
        raise InputError("--events", expected=expected, got=", ".join(missing), fix=fix)
    if missing:
        print(f"left out, as the model lacks the networks: {', '.join(missing)}", file=sys.stderr)
    return [name for name in events if name in able]


def _check_multiples(found: Sequence[photos.Photo], multiple: int, max_width: int | None) -> None:
    for photo in found:
        if min(photos.size_in_multiples(*photo.size, multiple, max_width)) < multiple:
            raise InputError(
                str(photo.path),
                expected=f"{multiple} pixels or more on a side for --keep-ratio",
                got=f"{photo.size[0]}x{photo.size[1]}" + ("" if max_width is None else f" at {max_width}"),
                fix="leave --keep-ratio away",
            )


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        "python -m recipes.apply",
        description="Write <stem>_flood.png, _wildfire.png, _smog.png and _mask.png for every photo.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add, on_off = parser.add_argument, argparse.BooleanOptionalAction
    add("--run", required=True, metavar="DIR", help="a run folder of recipes.run, or one of its checkpoints")
    add("--images", required=True, metavar="PATH", help="a photo, or a folder of photos")
    add("--output", required=True, metavar="DIR", help="folder for the pictures")
    add("--weights", default="auto", help="averaged, raw, or auto (default): averaged if there are")
    add("--events", metavar="NAMES", help=f"some of {','.join(EVENTS)} (default: all)")
    add("--size", type=int, help="shorter side as the networks see it (default: as trained)")
    add("--threshold", type=float, default=0.5, help="water probability that floods a pixel; -1: soft masks")
    add("--cloudy", action=on_off, default=False, help="show the painter a clouded sky (upstream's default)")
    add("--seed", type=int, default=0, help="of the clouds")
    add("--resolution", choices=get_args(Resolution), default="full", help="at which the painter paints")
    add("--keep-ratio", action="store_true", help="shrink photos to multiples of the painter's stride")
    add("--max-width", type=int, metavar="PX", help="with --keep-ratio: the largest width")
    add("--batch", type=int, default=1, metavar="N", help="photos of one size at a time")
    add("--max-images", type=int, metavar="N", help="only the first N photos")
    add("--save-masks", action=on_off, default=True, help="write the masks too")
    add("--save-input", action="store_true", help="write the photos too, as they were seen")
    add("--overwrite", action="store_true", help="replace results of earlier commands")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    add("--half", action="store_true", help="fp16 weights and arithmetic")
    add("--fuse", action="store_true", help="fold batch and spectral norms into the convolutions")
    add("--no-time", action="store_true", help="measure and print no timings")
    add("--json", action="store_true", help="print one JSON object on standard output, and nothing else")
    return parser


if __name__ == "__main__":
    cli.run(main)
