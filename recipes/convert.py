"""Turn a public ClimateGAN checkpoint into a run of ours: ``python -m recipes.convert FILE.pth --output DIR``."""

import argparse
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gancomponents.errors import InputError, printable
from gancomponents.training import checkpoint
from recipes import cli
from recipes.folder import RunFolder
from recipes.upstream import files
from recipes.upstream.conversion import Network, build
from recipes.upstream.layout import Layout, infer
from recipes.upstream.settings import SETTINGS

_EXAMPLES = """examples:
  python -m recipes.convert latest_ckpt.pth --output runs/public
  python -m recipes.convert masker_folder painter_folder --output runs/public
  python -m recipes.convert latest_ckpt.pth --output runs/public --set output_stride=16 --set fuse_mask=True
  python -m recipes.apply --run runs/public --images street.jpg --output flooded --size 640

settings that no checkpoint tells, with their defaults:
""" + "\n".join(
    f"  {name:<18} {setting.default!s:<10} {setting.meaning}" for name, setting in SETTINGS.items()
)

_NAMES = {"model": "G", "critics": "D"}


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, convert, and say what was found, assumed and written."""
    flags = _parser().parse_args(arguments)
    if len(flags.files) > 2:
        got, fix = f"{len(flags.files)} files", "pass a masker's and a painter's, or one with both"
        raise InputError("FILE", expected="one or two checkpoints", got=got, fix=fix)
    run = RunFolder(Path(flags.output))
    run.claim()
    upstream = files.read([Path(file) for file in flags.files])
    layout = infer(*upstream.shapes(), flags.set)
    text, networks = build(layout)
    _describe(upstream, layout)
    given = {"model": upstream.generator, "critics": upstream.discriminator}
    for name, network in networks.items():
        _check(_NAMES[name], network, given[name], keys=flags.keys)
    _print_parts(networks, keys=flags.keys)
    weights = {name: network.fill(given[name]) for name, network in networks.items()}
    _write(run.path, upstream, layout, _heading(upstream, layout) + text, networks, weights)
    _print_left(upstream)
    print(f"converted into {run.path}; every key is listed in {run.path / 'conversion.json'}")


def _describe(upstream: files.Upstream, layout: Layout) -> None:
    names = " and ".join(printable(path) for path in upstream.paths)
    print(f"{names}: epoch {upstream.epoch}, step {upstream.step}\n")
    print("read from its keys and shapes")
    for name, part in layout.networks().items():
        print(f"  {name:<20} {part}")
    print("\nnot in the file, assumed")
    for assumed in layout.assumed:
        why = "(asked for)" if assumed.asked else "(default: the file cannot tell)"
        print(f"  {assumed.name:<20} {assumed.value!s:<11} {why} {SETTINGS[assumed.name].meaning}")
    print("  another value: --set NAME=VALUE\n")


def _check(name: str, network: Network, given: files.State, *, keys: bool) -> None:
    """Every key of upstream's is used, every entry of ours filled, or nothing is written."""
    faults = network.faults({key: tuple(value.shape) for key, value in given.items()})
    faults += [f"{key}: NaN or infinity" for key, value in given.items() if not torch.isfinite(value).all()]
    if not faults:
        return
    if keys:
        print("\n".join(map(printable, faults)))
    count = f"{len(faults)} fault{'s' * (len(faults) > 1)}"
    got = f"{count}, first {'; '.join(faults[:3])}"
    fix = "check that the file is whole and of a configuration that upstream has; --keys lists all faults"
    raise InputError(name, expected="exactly the entries of its architecture", got=got, fix=fix)


def _print_parts(networks: Mapping[str, Network], *, keys: bool) -> None:
    print(f"{'part':<20} {'entries':>8} {'values':>12}")
    for network in networks.values():
        for part, slots in network.parts.items():
            values = sum(slot.read(network.state).numel() for slot in slots.values())
            print(f"{part:<20} {len(slots):>8} {values:>12,}")
            if keys:
                for key, slot in slots.items():
                    print(f"    {key} -> {slot}")
    print()


def _print_left(upstream: files.Upstream) -> None:
    if upstream.ignored:
        print(
            f"not converted: {printable(', '.join(upstream.ignored))} (training starts with fresh optimisers)"
        )
    if upstream.replaced:
        second = printable(upstream.paths[1].name)
        print(f"not converted: {len(upstream.replaced)} entries of the first file that {second} has too")


def _heading(upstream: files.Upstream, layout: Layout) -> str:
    names = " and ".join(
        printable(path.name) for path in upstream.paths
    )  # a line break would end the comment
    lines = [f"# Converted from {names}, epoch {upstream.epoch}, step {upstream.step}."]
    if layout.assumed:
        lines.append("# What the file cannot tell:")
    lines += [f"#   {assumed.name} = {assumed.value}" for assumed in layout.assumed]
    return "\n".join(lines) + "\n\n"


def _write(
    folder: Path,
    upstream: files.Upstream,
    layout: Layout,
    text: str,
    networks: Mapping[str, Network],
    weights: Mapping[str, Mapping[str, Tensor]],
) -> None:
    """The whole run folder, or nothing: it is made beside its place and moved there."""
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    run = RunFolder(partial)
    partial.mkdir()
    try:
        run.write(run.config, text)
        run.write(partial / "conversion.json", json.dumps(_record(upstream, layout, networks), indent=1))
        # No optimiser's state: a run can infer from this, or start from its weights, but not resume.
        state: dict[str, Any] = {"step": upstream.step, "epoch": upstream.epoch, "loop": None, "before": {}}
        checkpoint.save(run.checkpoints, upstream.step, state, weights, keep=1)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _record(upstream: files.Upstream, layout: Layout, networks: Mapping[str, Network]) -> dict[str, Any]:
    return {
        "files": [str(path) for path in upstream.paths],
        "epoch": upstream.epoch,
        "step": upstream.step,
        "inferred": {name: str(part) for name, part in layout.networks().items()},
        "assumed": {assumed.name: assumed.value for assumed in layout.assumed},
        "not_converted": list(upstream.ignored),
        "replaced": list(upstream.replaced),
        "keys": {
            _NAMES[name]: {key: str(slot) for key, slot in network.slots.items()}
            for name, network in networks.items()
        },
    }


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        "python -m recipes.convert",
        description="Convert a public ClimateGAN checkpoint: masker, painter or both. Nothing in it is executed.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a checkpoint, or the folder it is in; two: masker, painter"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="run folder to write, new or empty")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the file cannot tell, see below",
    )
    parser.add_argument("--keys", action="store_true", help="print where every key goes")
    return parser


if __name__ == "__main__":
    cli.run(main)
