"""Cases: ours and the plain form of one piece of work, timed in turns, and what part of the ceiling they reach."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import Work, summary, time_in_turns


@dataclass
class Case:
    """One piece of work.

    Attributes:
        name: in tables and JSON.
        ours: does it; None where there is nothing of ours.
        plain: the plain form's; None where ours has no such twin.
        flops: of matrix products and convolutions that the work needs, backward included; None for unknown.
        plain_flops: those that the plain form does, where it computes something again.
        stages: filled by the works, seconds by stage for each call of ours and of the plain form.
    """

    name: str
    ours: Work
    plain: Work | None = None
    flops: int | None = None
    plain_flops: int | None = None
    stages: dict[str, list[dict[str, float]]] = field(default_factory=dict)


def count(work: Work) -> int:
    """FLOPs of the matrix products and convolutions of a work, which runs once.

    >>> import torch
    >>> count(lambda: torch.ones(2, 3) @ torch.ones(3, 4))
    48
    """
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def measure(
    cases: Sequence[Case], *, rounds: int, warm_up: int, device: str, ceiling: float, plain_ceiling: float
) -> dict[str, dict[str, Any]]:
    """A row for each case, all of them timed in turns.

    Args:
        cases: in the order in which they depend on each other, if they do.
        rounds: timed calls of each.
        warm_up: calls before those.
        device: where.
        ceiling: FLOP/s of the precision that ours runs in.
        plain_ceiling: the same of fp32.
    """
    works: dict[str, Work] = {}
    for case in cases:
        works[case.name] = case.ours
        if case.plain is not None:
            works[f"plain {case.name}"] = case.plain
    seconds = time_in_turns(works, rounds=rounds, warm_up=warm_up, device=device)
    return {
        case.name: _row(
            case, seconds[case.name], seconds.get(f"plain {case.name}"), rounds, ceiling, plain_ceiling
        )
        for case in cases
    }


def _row(
    case: Case,
    ours: list[float],
    plain: list[float] | None,
    rounds: int,
    ceiling: float,
    plain_ceiling: float,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "seconds": summary(ours),
        **_achieved(case.flops, summary(ours)["median"], ceiling),
    }
    if plain is not None:
        median = summary(plain)["median"]
        done = _achieved(case.plain_flops or case.flops, median, plain_ceiling)
        row |= {"plain_seconds": summary(plain)} | {f"plain_{key}": value for key, value in done.items()}
        row["ratio"] = summary([b / a for a, b in zip(ours, plain, strict=True)])
    for name, calls in case.stages.items():
        timed = calls[-rounds:]
        row[name] = {stage: summary([call[stage] for call in timed])["median"] for stage in timed[0]}
    return row


def _achieved(flops: int | None, seconds: float, ceiling: float) -> dict[str, float]:
    if not flops:
        return {}
    return {"flops": flops, "flop_per_second": flops / seconds, "share": flops / seconds / ceiling}
