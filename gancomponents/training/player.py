"""One side of the adversarial game: an objective, the optimiser of what it owns, and a schedule."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gancomponents.optim.groups import parameter_groups
from gancomponents.optim.schedules import Constant, set_learning_rate

#: Named, already weighted terms of a loss, scalars.
Losses = dict[str, Tensor]
#: From domain to field to a batch of that field, ``batch["s"]["x"]``.
Batch = Mapping[str, Mapping[str, Any]]


class Objective(Protocol):
    """What a player plays: an `nn.Module` that owns what it trains and names every term of its loss.

    ``forward(batch, shared)`` returns the losses, scalars that are already weighted, and detached outputs that
    the other side may reuse; ``shared`` is what the other side returned in the same step, or empty.
    """

    def __call__(self, batch: Batch, shared: Mapping[str, Any]) -> tuple[Losses, dict[str, Any]]: ...

    def parameters(self) -> Iterable[nn.Parameter]: ...

    def state_dict(self) -> dict[str, Tensor]: ...


class Player:
    """An objective with its optimiser and its learning-rate schedule.

    Args:
        objective: an `Objective`; its parameters are what this player trains.
        optimiser: builds the optimiser from the parameters, or from groups of them where there are ``rates``.
        schedule: maps a step (from 0) to the factor on every group's learning rate; None keeps it constant.
        rates: learning rate of each named part of the objective that shall not have the optimiser's own
            (`gancomponents.optim.parameter_groups`).

    Raises:
        ValueError: a rate for a part that the objective does not have.

    >>> class Mean(nn.Linear):
    ...     def forward(self, batch, shared):
    ...         return {"mean": super().forward(batch["s"]["x"]).mean()}, {}
    >>> player = Player(Mean(2, 1), lambda p: torch.optim.SGD(p, lr=0.1), lambda step: 0.5**step)
    >>> losses, _ = player.objective({"s": {"x": torch.ones(1, 2)}}, {})
    >>> player.update(losses, step=1)
    >>> player.learning_rates("lr/generator")
    {'lr/generator': 0.05}
    """

    def __init__(
        self,
        objective: nn.Module,
        optimiser: Callable[..., Optimizer],
        schedule: Callable[[int], float] | None = None,
        *,
        rates: Mapping[str, float] | None = None,
    ):
        self.objective = objective
        self.schedule = schedule or Constant()
        self.parameters = [p for p in objective.parameters() if p.requires_grad]
        self.optimiser = optimiser(parameter_groups(objective, rates) if rates else self.parameters)

    def freeze(self, frozen: bool) -> None:
        """Switch gradients of everything this player trains off or on, for the other side's pass."""
        for parameter in self.parameters:
            parameter.requires_grad_(not frozen)

    def update(self, losses: Losses, step: int) -> None:
        """One optimiser step on the sum of the named losses."""
        set_learning_rate(self.optimiser, self.schedule, step)
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack([loss.reshape(()) for loss in losses.values()]).sum().backward()
        self.optimiser.step()

    def learning_rates(self, prefix: str) -> dict[str, float]:
        """The rate of every parameter group as last used, as ``prefix`` or, for a named group, ``prefix/name``."""
        groups = self.optimiser.param_groups
        return {f"{prefix}/{g['name']}" if "name" in g else prefix: float(g["lr"]) for g in groups}

    def settled(self) -> AbstractContextManager[Any]:
        """A context in which the weights are those to judge and keep.

        An optimiser that looks ahead (`gancomponents.optim.ExtraAdam`) leaves its extrapolated point between
        two steps; here, its anchor stands in.
        """
        at_anchor = getattr(self.optimiser, "at_anchor", None)
        return at_anchor() if at_anchor is not None else nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """Weights as they stand (look-ahead ones included, between a pair) and the optimiser's state."""
        return {"objective": self.objective.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
