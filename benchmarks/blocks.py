"""Blocks beside the obvious peer on the same work: forward and backward time, and peak memory.

    pip install -e ".[bench]"
    python -m benchmarks.blocks --json benchmarks/results/blocks.json

Each row has two sides that do the same work on the same input: ours, and a block of another package with the same
widths (or plain torch). Both are called in turn; the ratio is that of the medians, above 1 where ours is faster.
Memory is that of one forward and backward beyond weights and input.

The JSON holds ``machine``, ``device``, ``layout``, ``rounds`` and ``rows``; a row has ``block``, ``peer`` (a
package), ``precision``, ``note``, ``ratio``, and for ``ours`` and ``peer_side`` the ``median``, ``min`` and ``max``
in milliseconds and ``peak_mib``.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, RandomSampler

from benchmarks.timing import Work, describe_machine, peak_mebibytes, summary, time_in_turns
from gancomponents.data import DomainSampler
from gancomponents.decoders import ASPP
from gancomponents.discriminators import PatchDiscriminator
from gancomponents.encoders import DeepLabV3ResNet
from gancomponents.generators import SPADEPainter
from gancomponents.layers import SPADEResidualBlock
from gancomponents.optim import ExtraAdam
from recipes import cli

#: Channels before and after each block of a painter 64 wide with five doublings, coarse to fine, then the last.
_PAINTER = ((64, 64), (64, 64), (64, 64), (64, 32), (32, 16), (16, 8), (8, 8))


@dataclass(frozen=True)
class Pair:
    """Two modules that do the same work."""

    peer: str
    ours: Callable[[], nn.Module]
    theirs: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Tensor, ...]]
    note: str = ""


def _their_spade_block(in_channels: int, out_channels: int) -> nn.Module:
    from monai.networks.nets.spade_network import SPADENetResBlock

    return SPADENetResBlock(
        2, in_channels, out_channels, label_nc=3, spade_intermediate_channels=128, norm="INSTANCE"
    )


class _TheirPainter(nn.Module):
    """The painter's layout from MONAI's blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.latent = nn.Conv2d(3, 64, 3, padding=1)
        self.blocks = nn.ModuleList(_their_spade_block(before, after) for before, after in _PAINTER)
        self.to_image = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, cond: Tensor) -> Tensor:
        y = self.latent(nn.functional.interpolate(cond, scale_factor=1 / 32))
        for index, block in enumerate(self.blocks):
            doubled = 0 < index < len(self.blocks) - 1
            y = block(nn.functional.interpolate(y, scale_factor=2) if doubled else y, cond)
        return torch.tanh(self.to_image(nn.functional.leaky_relu(y, 0.2)))


def _their_patch() -> nn.Module:
    from monai.networks.nets import PatchDiscriminator as TheirPatchDiscriminator

    return TheirPatchDiscriminator(2, 64, 4, num_layers_d=3, norm="INSTANCE")


def _their_aspp() -> nn.Module:
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPP as TheirASPP

    return TheirASPP(2048, 256, (6, 12, 18), separable=False, dropout=0.5)


def _their_encoder() -> nn.Module:
    from torchvision.models import resnet101

    network = resnet101(replace_stride_with_dilation=[False, True, True])
    return nn.Sequential(*list(network.children())[:-2])


PAIRS: dict[str, Pair] = {
    "SPADE block": Pair(
        "monai",
        lambda: SPADEResidualBlock(64, 32, 3, spectral=False),
        lambda: _their_spade_block(64, 32),
        lambda: (torch.randn(2, 64, 64, 64), torch.randn(2, 3, 128, 128)),
        "one convolution for gamma and beta",
    ),
    "painter": Pair(
        "monai",
        lambda: SPADEPainter(64, upsamplings=5, spectral=False),
        _TheirPainter,
        lambda: (torch.randn(2, 3, 128, 128),),
    ),
    "PatchGAN": Pair(
        "monai",
        lambda: PatchDiscriminator(4, layers=3, spectral=False),
        _their_patch,
        lambda: (torch.randn(2, 4, 128, 128),),
    ),
    "ASPP": Pair(
        "segmentation-models-pytorch",
        lambda: ASPP(2048, image_pooling=True, dropout=0.5),
        _their_aspp,
        lambda: (torch.randn(2, 2048, 16, 16),),
    ),
    "ResNet-101, output stride 8": Pair(
        "torchvision",
        DeepLabV3ResNet,
        _their_encoder,
        lambda: (torch.randn(1, 3, 128, 128),),
        "dilations differ, the work does not",
    ),
}


def forward_and_backward(
    name: str, side: str, device: str = "cpu", precision: str = "fp32", channels_last: bool = True
) -> Work:
    """One side of a pair as a call that runs it forward and backward."""
    pair = PAIRS[name]
    torch.manual_seed(0)
    module = (pair.ours if side == "ours" else pair.theirs)().to(device).train()
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    module.to(memory_format=memory_format)
    inputs = [x.to(device, memory_format=memory_format) for x in pair.inputs()]

    def work() -> None:
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=precision == "bf16"):
            outputs = module(*inputs)
        final = outputs[-1] if isinstance(outputs, (list, tuple)) else outputs
        final.float().square().mean().backward()
        module.zero_grad(set_to_none=False)

    return work


def adam_step(name: str, side: str, device: str = "cpu") -> Work:
    """Two steps of an optimiser over the painter's parameters: an extragradient pair, or two of torch's Adam."""
    parameters = [
        nn.Parameter(p.detach().clone().to(device)) for p in SPADEPainter(64, upsamplings=5).parameters()
    ]
    for p in parameters:
        p.grad = torch.randn_like(p)
    optimizer = ExtraAdam(parameters) if side == "ours" else torch.optim.Adam(parameters, foreach=True)

    def work() -> None:
        optimizer.step()
        optimizer.step()

    return work


def draw_steps(name: str, side: str) -> Work:
    """A shuffle of a million rows and its first hundred batches of four."""
    rows, batch, steps = 1_000_000, 4, 100

    def ours() -> None:
        sampler = DomainSampler({"s": rows}, batch)
        for step in range(steps):
            sampler.draw(step)

    def theirs() -> None:
        sampler = BatchSampler(RandomSampler(range(rows)), batch, drop_last=True)
        list(islice(sampler, steps))

    return ours if side == "ours" else theirs


@contextmanager
def _missing_peer(name: str, peer: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise SystemExit(f"{name}: {peer} is not installed ({error}); pip install -e '.[bench]'") from error


#: What has no forward and backward pass: the work, the peer and a remark.
OTHERS: dict[str, tuple[Callable[..., Work], str, str]] = {
    "extragradient pair": (adam_step, "torch.optim.Adam", "ours keeps a look-ahead copy besides"),
    "sampler, a million rows": (
        draw_steps,
        "torch.utils.data.RandomSampler",
        "a shuffle and 100 batches of 4",
    ),
}


def measure(name: str, precision: str, flags: argparse.Namespace) -> dict[str, Any]:
    """One row: both sides in turn, milliseconds and MiB."""
    make: Callable[..., Work]
    arguments: tuple[Any, ...]
    if name in PAIRS:
        make, arguments = forward_and_backward, (flags.device, precision, flags.channels_last)
        peer, note = PAIRS[name].peer, PAIRS[name].note
    else:
        make, peer, note = OTHERS[name]
        arguments = (flags.device,) if make is adam_step else ()
    with _missing_peer(name, peer):
        works = {side: make(name, side, *arguments) for side in ("ours", "peer")}
    times = time_in_turns(works, rounds=flags.rounds, warm_up=flags.warm_up, device=flags.device)
    row: dict[str, Any] = {"block": name, "peer": peer, "precision": precision, "note": note}
    for side, key in (("ours", "ours"), ("peer", "peer_side")):
        memory = peak_mebibytes(make, name, side, *arguments, device=flags.device)
        row[key] = {**summary([1e3 * seconds for seconds in times[side]]), "peak_mib": memory}
    row["ratio"] = row["peer_side"]["median"] / row["ours"]["median"]
    return row


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, measure, print a table."""
    names = [*PAIRS, *OTHERS]
    parser = cli.Parser("python -m benchmarks.blocks", description="Time blocks beside their obvious peers.")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--only", nargs="+", default=names, choices=names, metavar="BLOCK")
    parser.add_argument("--rounds", type=int, default=7, help="timed calls of each side (7)")
    parser.add_argument("--warm-up", type=int, default=2, help="calls before those (2)")
    parser.add_argument("--contiguous", dest="channels_last", action="store_false", help="not channels-last")
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    flags = parser.parse_args(arguments)
    machine = describe_machine("torchvision", "segmentation-models-pytorch", "monai")
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    layout = "channels-last" if flags.channels_last else "contiguous"
    print(f"{flags.device}, {layout}, {flags.warm_up} warm-up calls, {flags.rounds} timed in turn; ms, MiB")
    print(f"{'block':30s}{'':6s}{'ours':>9s}{'peer':>9s}{'faster by':>11s}{'MiB':>8s}{'peer':>8s}  against")
    rows = []
    for name in flags.only:
        for precision in flags.precision if name in PAIRS else ["fp32"]:
            rows.append(measure(name, precision, flags))
            print(_line(rows[-1]), flush=True)
    if flags.json:
        result = {
            "machine": machine,
            "device": flags.device,
            "layout": layout,
            "rounds": flags.rounds,
            "rows": rows,
        }
        Path(flags.json).write_text(json.dumps(result, indent=2) + "\n")


def _line(row: dict[str, Any]) -> str:
    ours, peer = row["ours"], row["peer_side"]
    memory = "".join(
        "     n/a" if side["peak_mib"] is None else f"{side['peak_mib']:8.0f}" for side in (ours, peer)
    )
    note = f"; {row['note']}" if row["note"] else ""
    return (
        f"{row['block']:30s}{row['precision']:6s}{ours['median']:9.1f}{peer['median']:9.1f}"
        f"{row['ratio']:10.2f}x{memory}  {row['peer']}{note}"
    )


if __name__ == "__main__":
    cli.run(main)
