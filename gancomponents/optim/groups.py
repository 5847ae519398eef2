"""A learning rate for each part of a model."""

import difflib
from collections.abc import Mapping
from typing import Any

from torch import nn


def parameter_groups(
    module: nn.Module,
    rates: Mapping[str, float],
    *,
    default: float | None = None,
) -> list[dict[str, Any]]:
    """Groups for an optimiser: the parameters of each named part at its rate, all others at the default.

    Every trainable parameter is in exactly one group: that of the longest name which covers it, so a part
    inside a part may have a rate of its own. Upstream leaves the encoder out, untrained, where a task is
    missing; here what no rate names still trains.

    Args:
        module: the whole of what the optimiser trains.
        rates: learning rate by the dotted name of a part: a submodule ("encoder", "decoders.depth") or a
            single parameter. A factor on all of them is the schedule's affair.
        default: rate of everything else; by default the group holds none and takes the optimiser's own ``lr``.

    Returns:
        One dictionary per part that holds trainable parameters, in the order of ``rates``, the rest last.
        Each has ``params``, ``lr`` and ``name`` (for logs; "default" for the rest). Parameters that are
        frozen now are in no group. A parameter shared by two parts belongs to the one registered first.

    Raises:
        ValueError: a part that the module does not have, or a negative rate.

    >>> model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "painter": nn.Linear(2, 3)})
    >>> groups = parameter_groups(model, {"encoder": 1e-5}, default=5e-5)
    >>> [(group["name"], group["lr"], len(group["params"])) for group in groups]
    [('encoder', 1e-05, 2), ('default', 5e-05, 2)]
    """
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    known = {name for name, _ in (*module.named_modules(), *module.named_parameters()) if name}
    for part, rate in rates.items():
        if part not in known:
            raise ValueError(f"rates must name parts of the module, got {part!r}: {_hint(part, known)}")
        _check_rate(f"rates[{part!r}]", rate)
    if default is not None:
        _check_rate("default", default)

    members: dict[str, list[nn.Parameter]] = {part: [] for part in rates}
    rest: list[nn.Parameter] = []
    for name, p in parameters.items():
        covering = [part for part in rates if name == part or name.startswith(part + ".")]
        (members[max(covering, key=len)] if covering else rest).append(p)

    groups: list[dict[str, Any]] = [
        {"params": params, "lr": rates[part], "name": part} for part, params in members.items() if params
    ]
    if rest:
        own = {} if default is None else {"lr": default}
        groups.append({"params": rest, **own, "name": "default"})
    return groups


def _check_rate(name: str, rate: float) -> None:
    if rate < 0:
        raise ValueError(f"{name} must be at least 0, got {rate}: 0 keeps the part as it is")


def _hint(part: str, known: set[str]) -> str:
    near = difflib.get_close_matches(part, sorted(known), n=1, cutoff=0.0)
    return f"did you mean {near[0]!r}?" if near else "the module has no parts"
