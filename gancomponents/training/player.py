"""One side of the adversarial game: an objective, the optimiser of what it owns, a schedule, an average."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gancomponents.optim.ema import ExponentialMovingAverage
from gancomponents.optim.groups import parameter_groups
from gancomponents.optim.schedules import Constant, set_learning_rate
from gancomponents.training.faults import step_unless

#: Named, already weighted terms of a loss, scalars.
Losses = dict[str, Tensor]
#: From steps done to what a schedule counts.
Clock = Callable[[int], int]
#: From domain to field to a batch of that field, ``batch["s"]["x"]``.
Batch = Mapping[str, Mapping[str, Any]]


class Objective(Protocol):
    """What a player plays: an `nn.Module` that owns what it trains and names every term of its loss.

    ``forward(batch, shared)`` returns the losses, scalars that are already weighted, and detached outputs that
    the other side may reuse; ``shared`` is what the other side returned in the same step, or empty.

    One whose terms have data of one domain each may say so by an attribute ``by_domain = True``. The loop then
    passes a batch's domains one after the other, each with its backward pass, so that the graph of one alone is in
    memory; the gradients are the same.
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
        average: builds averages of the objective's weights, which are then judged and kept in their place, such
            as `gancomponents.optim.ExponentialMovingAverage`; they start when first asked for, so that the
            objective may be moved to its device before.

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
        average: Callable[[nn.Module], ExponentialMovingAverage] | None = None,
    ):
        self.objective = objective
        self._make_average = average
        self.schedule = schedule or Constant()
        #: Scales losses where the runtime is fp16; it is the loop that sets it.
        self.scaler = torch.amp.GradScaler("cpu", enabled=False)
        self.skipped = 0
        self.parameters = [p for p in objective.parameters() if p.requires_grad]
        self.optimiser = optimiser(parameter_groups(objective, rates) if rates else self.parameters)

    def freeze(self, frozen: bool) -> None:
        """Switch gradients of everything this player trains off or on, for the other side's pass."""
        for parameter in self.parameters:
            parameter.requires_grad_(not frozen)

    def update(self, losses: Losses, step: int) -> None:
        """One optimiser step on the sum of the named losses."""
        self.forget()
        self.backward(losses)
        self.step(step)

    def forget(self) -> None:
        """Drop the gradients."""
        self.optimiser.zero_grad(set_to_none=True)

    def backward(self, losses: Losses, parts: int = 1) -> None:
        """Add the gradients of the sum of the named losses, those of one in so many parts of a batch."""
        total = torch.stack([loss.reshape(()) for loss in losses.values()]).sum()
        if parts > 1:
            total = total / parts
        self.scaler.scale(total).backward()

    def gradients(self) -> list[Tensor]:
        """The gradients that there are, unscaled from now on."""
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimiser)
        return [p.grad for p in self.parameters if p.grad is not None]

    def step(self, step: int, bad: Tensor | None = None, clock: Clock = int) -> bool:
        """One optimiser step on the gradients as they stand.

        Args:
            step: steps done before.
            bad: a scalar on the device; where it is True, the step is undone there.
            clock: from steps done to what the schedule counts. Skipped steps do not count as done.

        Returns:
            Whether the step was made: gradient scaling skips one whose gradients have overflowed in fp16, and
            waits for the device to know. Undone steps are made.
        """
        average = self.average  # starts here where nobody has asked before: from the untrained weights
        set_learning_rate(self.optimiser, self.schedule, clock(max(0, step - self.skipped)))
        if self.scaler.is_enabled():
            made = self._scaled_step(bad)
        else:
            made = True
            if bad is None:
                self.optimiser.step()
            else:
                step_unless(bad, self.optimiser)
        # Only what a pair of extragradient steps ends with is averaged, never its look-ahead.
        if average is not None and made and getattr(self.optimiser, "next_half", None) != "update":
            average.update(None if bad is None else ~bad)
        return made

    def _scaled_step(self, bad: Tensor | None) -> bool:
        scale = self.scaler.get_scale()
        if bad is not None and bad:
            self.scaler.update(scale)  # forgets that these gradients overflowed: they are no measure of it
            return False
        stepped: list[bool] = []
        told = self.optimiser.register_step_post_hook(lambda *_: stepped.append(True))
        self.scaler.step(self.optimiser)
        told.remove()
        self.scaler.update()
        # Fused optimisers look for an overflow themselves, in a step that does nothing then.
        made = bool(stepped) and self.scaler.get_scale() >= scale
        self.skipped += not made
        return made

    @property
    def overflows(self) -> bool:
        """Whether a gradient that is not finite may come of scaling, and the next scale down do away with it."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1

    def abandon_pair(self) -> None:
        """Start an extragradient pair again, where one is open (`gancomponents.optim.ExtraAdam`)."""
        abandon = getattr(self.optimiser, "abandon_pair", None)
        if abandon is not None:
            abandon()

    @cached_property
    def average(self) -> ExponentialMovingAverage | None:
        """The averages of the objective's weights, or None."""
        if self._make_average is None:
            return None
        with self._at_anchor():
            return self._make_average(self.objective)

    def learning_rates(self, prefix: str) -> dict[str, float]:
        """The rate of every parameter group as last used, as ``prefix`` or, for a named group, ``prefix/name``."""
        groups = self.optimiser.param_groups
        return {f"{prefix}/{g['name']}" if "name" in g else prefix: float(g["lr"]) for g in groups}

    @contextmanager
    def settled(self, *, averaged: bool = True) -> Iterator[None]:
        """A context in which the weights are those to judge and keep: averages where there are any.

        Without averages they are the trained ones, and never look-ahead ones: where an optimiser leaves its
        extrapolated point between two steps (`gancomponents.optim.ExtraAdam`), its anchor stands in.

        Args:
            averaged: False for the trained weights even where there are averages.
        """
        with self._at_anchor() as stack:
            if averaged and self.average is not None:
                stack.enter_context(self.average.applied())
            yield

    @contextmanager
    def _at_anchor(self) -> Iterator[ExitStack]:
        with ExitStack() as stack:
            at_anchor = getattr(self.optimiser, "at_anchor", None)
            if at_anchor is not None:
                stack.enter_context(at_anchor())
            yield stack

    def state_dict(self) -> dict[str, Any]:
        """Weights as they stand (look-ahead ones included, between a pair), averages, the optimiser's state.

        The latter is keyed by the parameters' names in the objective, not by their positions, so that it can be
        taken apart; ``kind`` names the optimiser.
        """
        state, names = self.optimiser.state_dict(), self._names()
        groups = [{**g, "params": [names[i] for i in g["params"]]} for g in state["param_groups"]]
        return {
            "objective": self.objective.state_dict(),
            "optimiser": {
                "kind": type(self.optimiser).__name__,
                "state": {names[i]: value for i, value in state["state"].items()},
                "param_groups": groups,
            },
            "average": None if self.average is None else self.average.state_dict(),
            "scaler": self.scaler.state_dict(),
            "skipped": self.skipped,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave. Averages that it lacks start from its weights.

        Raises:
            ValueError: another optimiser, other parameters, or in other groups; nothing has changed then.
        """
        saved, names = state["optimiser"], self._names()
        self._check(saved)
        self.objective.load_state_dict(state["objective"])
        index = {name: i for i, name in enumerate(names)}
        groups = [{**g, "params": [index[name] for name in g["params"]]} for g in saved["param_groups"]]
        moments = {index[name]: value for name, value in saved["state"].items()}
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.__dict__.pop("average", None)  # one that started before belongs to other weights
        if self.average is not None and state["average"] is not None:
            self.average.load_state_dict(state["average"])
        if self.scaler.is_enabled() and state.get("scaler"):  # none of a run in another precision
            self.scaler.load_state_dict(state["scaler"])
        self.skipped = state.get("skipped", 0)

    def _check(self, saved: Mapping[str, Any]) -> None:
        kind = type(self.optimiser).__name__
        if saved["kind"] != kind:
            raise ValueError(
                f"state['optimiser'] must be of {kind}, got {saved['kind']}: build the player as it was"
            )
        own, theirs = self._groups(), [list(group["params"]) for group in saved["param_groups"]]
        if own != theirs:
            different = sorted({n for g in own for n in g} ^ {n for g in theirs for n in g})
            got = f"{different[0]!r} ({len(different)} in all)" if different else "them in other groups"
            raise ValueError(
                f"state['optimiser'] must hold the player's parameters in its groups, got {got}: build the "
                "player with the objective and rates that it had when the state was saved"
            )

    def _groups(self) -> list[list[str]]:
        """The parameters' names in each of the optimiser's groups."""
        names = {id(p): name for name, p in self.objective.named_parameters()}
        return [[names[id(p)] for p in group["params"]] for group in self.optimiser.param_groups]

    def _names(self) -> list[str]:
        """The parameters' names, in the order in which the optimiser counts them."""
        return [name for group in self._groups() for name in group]
