"""What each part that was made fast buys at the published widths: beside its plain form, in turns, in one run.

    python -m benchmarks.parts --threads 2 --json parts.json
    python -m benchmarks.parts --table parts.json   # measures nothing

Both sides have the same weights and inputs and the same memory order, and run forward and backward; optimisers and
events have no backward pass. Memory is what one call takes at its peak, in a process of its own.

The JSON holds ``machine``, ``rounds`` and ``rows``; a row has ``part``, ``plain`` (what it is compared with),
``precision``, ``seconds`` and ``plain_seconds`` (``median``, ``min`` and ``max``), ``ratio`` (plain over ours, by
round, likewise), and ``peak_mib`` and ``plain_peak_mib`` where memory was measured, else null.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.files import check_target, read_result
from benchmarks.flags import whole
from benchmarks.plain.events import plain_wildfire
from benchmarks.plain.networks import plain_copy, together
from benchmarks.plain.optimiser import PlainExtraAdam
from benchmarks.timing import Work, describe_machine, peak_mebibytes, summary, time_in_turns
from gancomponents.discriminators import MultiScalePatchDiscriminator
from gancomponents.discriminators.pairs import compared
from gancomponents.events import wildfire
from gancomponents.generators import SPADEPainter
from gancomponents.layers import AtrousConv2d, InstanceNorm, SPADEResidualBlock, spectral_norm
from gancomponents.optim import ExtraAdam
from recipes import cli

SIDE = 256
PRECISIONS = ("fp32", "bf16")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

#: Makes a side's work: ours or plain, in a precision.
Make = Callable[[bool, str], Work]


@dataclass(frozen=True)
class Part:
    """A part and what it is compared with; ``memory`` says whether that is measured too."""

    plain: str
    make: Make
    memory: bool = False
    precisions: Sequence[str] = PRECISIONS


def _passes(module: nn.Module, precision: str, *inputs: Tensor) -> Work:
    """Forward and backward, channels-last."""
    module = module.to(memory_format=torch.channels_last)
    given = [x.to(memory_format=torch.channels_last) for x in inputs]
    given[0].requires_grad_()

    def work() -> None:
        for tensor in (*module.parameters(), *given):
            tensor.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            y = module(*given)
        y.backward(torch.ones_like(y))

    return work


def _atrous(dilation: int, ours: bool, precision: str) -> Work:
    kind = AtrousConv2d if ours else nn.Conv2d
    return _passes(
        kind(2048, 256, 3, padding=dilation, dilation=dilation), precision, torch.randn(1, 2048, 32, 32)
    )


def _instance_norm(ours: bool, precision: str) -> Work:
    x = torch.randn(2, 40, SIDE, SIDE).to(_DTYPES[precision])
    return _passes(InstanceNorm(40) if ours else nn.InstanceNorm2d(40), precision, x)


class _Weight(nn.Module):
    """A convolution's weight, normalised."""

    def __init__(self, conv: nn.Module):
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return self.conv.weight * x  # type: ignore[operator]


def _spectral_norm(ours: bool, precision: str) -> Work:
    norm = spectral_norm if ours else nn.utils.parametrizations.spectral_norm
    return _passes(_Weight(norm(nn.Conv2d(512, 512, 4))), precision, torch.ones(1, 1, 1, 1))


def _block(ours: bool, precision: str) -> Work:
    block: nn.Module = SPADEResidualBlock(40, 20, 3)
    inputs = torch.randn(1, 40, SIDE, SIDE), torch.randn(1, 3, SIDE, SIDE)
    return _passes(block if ours else plain_copy(block), precision, *inputs)


def _painter(side: int, ours: bool, precision: str) -> Work:
    painter: nn.Module = SPADEPainter(640)
    return _passes(painter if ours else plain_copy(painter), precision, torch.rand(1, 3, side, side))


class _Judged(nn.Module):
    """How far a frozen critic tells a fake from a real picture, by its features."""

    def __init__(self, compare: Callable[..., Any], critic: nn.Module):
        super().__init__()
        self.critic, self.compare = critic.requires_grad_(False), compare

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        verdicts = [[f for scale in side for f in scale] for side in self.compare(self.critic, real, fake)]
        return torch.stack([(r.detach() - f).float().abs().mean() for r, f in zip(*verdicts, strict=True)])


def _critic(ours: bool, precision: str) -> Work:
    critic = MultiScalePatchDiscriminator(4, scales=3, layers=4, bias=True)
    judged = _Judged(compared if ours else together, critic)
    return _passes(judged, precision, *torch.randn(2, 1, 4, SIDE, SIDE))


def _optimiser(ours: bool, precision: str) -> Work:
    params = [nn.Parameter(torch.randn(512, 512, 3, 3)) for _ in range(20)]
    for p in params:
        p.grad = torch.randn_like(p)
    return (ExtraAdam if ours else PlainExtraAdam)(params, lr=1e-4).step


def _wildfire(ours: bool, precision: str) -> Work:
    x, logits = torch.rand(1, 3, 640, 640) * 2 - 1, torch.randn(1, 11, 160, 160)
    return lambda: (wildfire if ours else plain_wildfire)(x, logits)


PARTS: dict[str, Part] = {
    **{
        f"atrous convolution 2048 to 256, dilation {rate}, at 32 px": Part(
            "nn.Conv2d", partial(_atrous, rate)
        )
        for rate in (6, 12, 18)
    },
    "instance norm, two maps of 40 channels": Part("nn.InstanceNorm2d", _instance_norm),
    "spectral norm of 512 x 512 x 4 x 4": Part("torch's", _spectral_norm, precisions=("fp32",)),
    "SPADE block, 40 to 20 channels": Part("three convolutions and torch's norms", _block, memory=True),
    "painter, 640 wide": Part("the same of plain blocks", partial(_painter, SIDE), memory=True),
    "painter at 512 px": Part("the same of plain blocks", partial(_painter, 512), memory=True),
    "frozen critic of real and fake": Part("one pass over both", _critic, memory=True),
    "ExtraAdam, 47 M weights": Part("a loop of tensor operations", _optimiser, precisions=("fp32",)),
    "wildfire at 640 px": Part("dense blur, growth by shifts", _wildfire, precisions=("fp32",)),
}


def measure(name: str, precision: str, rounds: int) -> dict[str, Any]:
    """A row."""
    part = PARTS[name]
    torch.manual_seed(0)
    works = {side: part.make(side == "ours", precision) for side in ("ours", "plain")}
    seconds = time_in_turns(works, rounds=rounds, warm_up=1)
    del works
    peaks = {
        side: peak_mebibytes(part.make, side == "ours", precision) if part.memory else None
        for side in seconds
    }
    return {
        "part": name,
        "plain": part.plain,
        "precision": precision,
        "seconds": summary(seconds["ours"]),
        "plain_seconds": summary(seconds["plain"]),
        "ratio": summary([b / a for a, b in zip(seconds["ours"], seconds["plain"], strict=True)]),
        "peak_mib": peaks["ours"],
        "plain_peak_mib": peaks["plain"],
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows in Markdown.

    >>> spread = {"median": 0.02, "min": 0.01, "max": 0.03}
    >>> row = {"part": "a", "plain": "b", "precision": "fp32", "seconds": spread, "plain_seconds": spread}
    >>> print(table([{**row, "ratio": spread, "peak_mib": 9.6, "plain_peak_mib": 20}]).splitlines()[2])
    | a | b | fp32 | 20 | 20 | 0.02 (0.01 to 0.03) | 10 of 20 |
    """
    lines = [
        "| part | beside | precision | ms | plain, ms | times as fast (least to most) | MiB at the peak |",
        "|:-----|:-------|:----------|---:|----------:|------------------------------:|----------------:|",
    ]
    for row in rows:
        milliseconds = [f"{1000 * row[key]['median']:.3g}" for key in ("seconds", "plain_seconds")]
        ratio = "{median:.3g} ({min:.3g} to {max:.3g})".format(**row["ratio"])
        memory = "" if row["peak_mib"] is None else f"{row['peak_mib']:.0f} of {row['plain_peak_mib']:.0f}"
        cells = [row["part"], row["plain"], row["precision"], *milliseconds, ratio, memory]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, measure, print a table."""
    parser = cli.Parser("python -m benchmarks.parts", description="What each part that was made fast buys.")
    parser.add_argument("--rounds", type=whole(1), default=7, help="timed calls of each side (7)")
    parser.add_argument("--threads", type=whole(1), help="of torch (its own choice)")
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    parser.add_argument("--table", metavar="FILE", help="measure nothing: print that result as a table")
    flags = parser.parse_args(arguments)
    if flags.table:
        print(table(read_result("--table", flags.table, "rows")["rows"]))
        return
    check_target(flags.json)
    if flags.threads:
        torch.set_num_threads(flags.threads)
    result: dict[str, Any] = {"machine": describe_machine(), "rounds": flags.rounds, "rows": []}
    for name, part in PARTS.items():
        for precision in part.precisions:
            result["rows"].append(measure(name, precision, flags.rounds))
            print(table(result["rows"][-1:]).splitlines()[-1], flush=True)
    if flags.json:
        Path(flags.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    cli.run(main)
