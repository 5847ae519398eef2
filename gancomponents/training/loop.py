"""The adversarial loop. It knows players, objectives and a runtime; it knows no task, domain or data set."""

from typing import Any

from torch import Tensor

from gancomponents.training.player import Batch, Player
from gancomponents.training.runtime import Runtime

_ORDERS = ("simultaneous", "strict")


class AdversarialLoop:
    """Alternate a generator and its critics, step by step.

    `step` keeps its results on the device; nothing in it waits for the host.

    Args:
        generator: the player whose objective runs first and returns the outputs to be judged.
        critic: its opponent, or None for a purely supervised recipe.
        runtime: where the steps run; the objectives are placed there.
        order: "simultaneous": the critics judge what the generator step has computed, so nothing is computed
            twice. "strict": they judge what the updated generator presents, at the price of another pass of it,
            without gradients; its objective then needs ``present(batch)``, which returns the outputs alone.

    Raises:
        ValueError: an unknown order, or a strict one of an objective that cannot present.
    """

    def __init__(
        self, generator: Player, critic: Player | None, runtime: Runtime, *, order: str = "simultaneous"
    ):
        if order not in _ORDERS:
            raise ValueError(f"order must be one of {_ORDERS}, got {order!r}: choose one")
        if order == "strict" and not hasattr(generator.objective, "present"):
            name = type(generator.objective).__name__
            raise ValueError(f"order must be 'simultaneous' for an objective without present(), got {name}")
        self.generator = generator
        self.critic = critic
        self.runtime = runtime
        self.order = order
        for player in self.players.values():
            runtime.place(player.objective)

    @property
    def players(self) -> dict[str, Player]:
        """The players by name, in the order of their updates."""
        named = {"generator": self.generator, "critic": self.critic}
        return {name: player for name, player in named.items() if player is not None}

    def step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Train both sides on one batch and return every named loss, detached, on the device.

        A side that has no loss in this batch stands still.
        """
        batch = self.runtime.to_device(batch)
        if self.critic is not None:
            self.critic.freeze(True)
        losses, outputs = self._play(self.generator, batch, {}, step)
        if self.critic is not None:
            self.critic.freeze(False)
            if self.order == "strict":
                with self.runtime.autocast():
                    # A Player's objective is any module; __init__ has made sure of this method.
                    outputs = self.generator.objective.present(batch)  # type: ignore[operator]
            losses |= self._play(self.critic, batch, outputs, step)[0]
        return losses

    def rehearse(self, batch: Batch) -> dict[str, Tensor]:
        """Compute every loss of a batch without training on it."""
        batch = self.runtime.to_device(batch)
        losses: dict[str, Tensor] = {}
        outputs: dict[str, Any] = {}
        with self.runtime.autocast():
            for player in self.players.values():
                found, outputs = player.objective(batch, outputs)
                losses |= found
        return losses

    def _play(
        self, player: Player, batch: Batch, shared: dict[str, Any], step: int
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        with self.runtime.autocast():
            losses, outputs = player.objective(batch, shared)
        if losses:
            player.update(losses, step)
            constrain = getattr(player.objective, "constrain", None)
            if constrain is not None:
                constrain()
        return {name: loss.detach() for name, loss in losses.items()}, outputs

    def learning_rates(self) -> dict[str, float]:
        """Each player's learning rates, by ``lr/<player>``."""
        rates = (player.learning_rates(f"lr/{name}") for name, player in self.players.items())
        return {name: rate for found in rates for name, rate in found.items()}

    def train(self, mode: bool = True) -> None:
        """Set the mode of every objective."""
        for player in self.players.values():
            player.objective.train(mode)

    def state_dict(self) -> dict[str, Any]:
        """Everything a step depends on, except the step number and the data."""
        players = {name: player.state_dict() for name, player in self.players.items()}
        return {"players": players, "rng": self.runtime.rng_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave, the random generators last."""
        for name, player in self.players.items():
            player.load_state_dict(state["players"][name])
        self.runtime.restore_rng(state["rng"])
