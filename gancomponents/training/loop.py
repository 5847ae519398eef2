"""The adversarial loop. It knows players, objectives and a runtime; it knows no task, domain or data set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from gancomponents.errors import check_whole
from gancomponents.layers.precision import without_autocast
from gancomponents.training.accumulation import SpectralVectors, mean_losses, split
from gancomponents.training.faults import ELSEWHERE, Buffers, Fault, FaultWatch
from gancomponents.training.player import Batch, Clock, Losses, Player
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
        on_fault: what becomes of the updates after a loss or a gradient that is not finite: "stop" undoes them all,
            for the caller to stop; "skip" undoes those of that step.
        accumulate: play a batch in so many parts of equal rows, one after the other, and step once on the mean of
            their gradients: less memory, more time. The same as the whole batch but for what couples its images,
            such as batch norms; losses are means over the parts that have them.
        compile: what makes an objective's forward pass faster, such as ``torch.compile``; None for nothing.
            Checkpoints know nothing of it.

    Raises:
        ValueError: an unknown order, a strict one of an objective that cannot present, or fewer than one part.
    """

    def __init__(
        self,
        generator: Player,
        critic: Player | None,
        runtime: Runtime,
        *,
        order: str = "simultaneous",
        on_fault: str = "stop",
        accumulate: int = 1,
        compile: Callable[[nn.Module], Callable[..., Any]] | None = None,
    ):
        check_whole("accumulate", accumulate, minimum=1)
        if order not in _ORDERS:
            raise ValueError(f"order must be one of {_ORDERS}, got {order!r}: choose one")
        if order == "strict" and not hasattr(generator.objective, "present"):
            name = type(generator.objective).__name__
            raise ValueError(f"order must be 'simultaneous' for an objective without present(), got {name}")
        self.generator = generator
        self.critic = critic
        self.runtime = runtime
        self.order = order
        self.accumulate = accumulate
        #: Norm of all gradients of each player that moved in the last step, on the device.
        self.gradient_norms: dict[str, Tensor] = {}
        self._watch = FaultWatch(on_fault, runtime.defer, runtime.device)
        self._buffers = Buffers(player.objective for player in self.players.values())
        for player in self.players.values():
            runtime.place(player.objective)
            player.scaler = runtime.scaler()
        faster = compile or (lambda objective: objective)
        self._forward = {name: faster(player.objective) for name, player in self.players.items()}

    @property
    def players(self) -> dict[str, Player]:
        """The players by name, in the order of their updates."""
        named = {"generator": self.generator, "critic": self.critic}
        return {name: player for name, player in named.items() if player is not None}

    def step(self, batch: Batch, step: int, clock: Clock = int) -> dict[str, Tensor]:
        """Train both sides on one batch and return every named loss, detached, on the device.

        A side that has no loss in this batch stands still. Where a loss or a gradient is not finite, nothing of the
        step remains, but for the generator's update in the strict order where only the critics failed; `fault`
        tells, and is to be asked after every step. Where fp16 scaling skips a half of an extragradient pair, both
        sides start the pair again.

        Args:
            batch: by domain.
            step: steps done before.
            clock: from steps done to what learning-rate schedules count.

        Raises:
            InputError: a batch that cannot be accumulated over parts of equal rows.
            FloatingPointError: for something not finite that nobody has asked `fault` for in many steps.
        """
        self.runtime.begin_step(step)
        parts = [self.runtime.to_device(part) for part in split(batch, self.accumulate)]
        self.gradient_norms = {}
        self._buffers.keep()
        for player in self.players.values():
            player.forget()
        updates = []
        if self.order == "strict" and self.critic is not None:
            first = self._play(["generator"], parts)
            updates.append(self._update(first, step, clock))
            played = self._play(["critic"], parts)
        else:
            first = {}
            played = self._play(list(self.players), parts)
        # Both backward passes, then both updates: each was taken at the weights that the step began with.
        updates.append(self._update(played, step, clock))
        for bad in (bad for bad, _ in updates[:-1] if bad is not None):
            self._buffers.restore(bad)  # once more: the critics' turn has changed them again
        if not all(made for _, made in updates):
            for player in self.players.values():
                player.abandon_pair()
        self.runtime.finish_step()
        return {name: loss for found in (first | played).values() for name, loss in found.items()}

    def fault(self, *, now: bool = False) -> Fault | None:
        """What was not finite in a step before the last one, told once; with ``now``, in that one too.

        Reading the last step waits for the device.
        """
        return self._watch.read(now=now)

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

    def _play(self, names: Sequence[str], parts: Sequence[Batch]) -> dict[str, Losses]:
        """The losses of these sides, detached, who play each part in turn; their gradients are there afterwards."""
        found: dict[str, list[Losses]] = {name: [] for name in names}
        # Looked for only where there is a second part to put them back for.
        objectives = [player.objective for player in self.players.values()] if len(parts) > 1 else []
        vectors = SpectralVectors(objectives)
        for part in parts:
            vectors.restore()
            outputs = {} if "generator" in names else self._present(part)
            for name in names:
                player = self.players[name]
                if self.critic is not None:
                    self.critic.freeze(player is self.generator)
                losses, outputs = self._backward(name, part, outputs, len(parts))
                found[name].append(losses)
        return {name: mean_losses(losses) for name, losses in found.items()}

    def _backward(
        self, name: str, batch: Batch, shared: dict[str, Any], parts: int
    ) -> tuple[Losses, dict[str, Any]]:
        """Losses, detached, and outputs of one side on one of so many parts; adds its gradients."""
        player = self.players[name]
        pieces: Sequence[Batch] = [batch]
        # On XLA the compiler orders the passes, and graphs of a resumed run round as before only when left whole.
        if getattr(player.objective, "by_domain", False) and self.runtime.device.type != "xla":
            pieces = [{domain: data} for domain, data in batch.items()]
        found: Losses = {}
        outputs: dict[str, Any] = {}
        with self.runtime.autocast():  # around them all: the weights are cast once
            for piece in pieces:
                losses, more = self._forward[name](piece, shared)
                outputs |= more
                if losses:
                    with without_autocast(next(iter(losses.values()))):
                        player.backward(losses, parts)
                found |= {term: loss.detach() for term, loss in losses.items()}
        return found, outputs

    def _present(self, batch: Batch) -> dict[str, Any]:
        with self.runtime.autocast():
            # A Player's objective is any module; __init__ has made sure of this method.
            outputs: dict[str, Any] = self.generator.objective.present(batch)  # type: ignore[operator]
        return outputs

    def _update(self, played: Mapping[str, Losses], step: int, clock: Clock) -> tuple[Tensor | None, bool]:
        """Step those sides that have losses, together or not at all.

        Returns:
            Whether that was undone, on the device, or None where no side has any; whether all steps were made.
        """
        processes = self.runtime.processes
        moving = {name: losses for name, losses in played.items() if processes.any(bool(losses))}
        flags: dict[str, Tensor] = {}
        for losses in moving.values():
            flags |= {term: ~torch.isfinite(loss.reshape(())) for term, loss in losses.items()}
        if processes.count > 1 and moving:
            elsewhere = torch.zeros((), device=self.runtime.device)
            if flags:
                elsewhere = torch.stack(list(flags.values())).any().float()
            parameters = [p for name in moving for p in self.players[name].parameters]
            processes.average_gradients(parameters, elsewhere)
            processes.average_statistics(player.objective for player in self.players.values())
            flags[ELSEWHERE] = elsewhere > 0
        for name in moving:
            player = self.players[name]
            norm = self.gradient_norms[name] = get_total_norm(player.gradients())
            if not player.overflows:  # which is no fault
                flags[f"gradients of the {name}"] = ~torch.isfinite(norm)
        if not flags:
            return None, True
        bad = self._watch.add(step, flags)
        self._buffers.restore(bad)  # before an average takes them over
        made = True
        for name in moving:
            player = self.players[name]
            made &= player.step(step, bad, clock)
            constrain = getattr(player.objective, "constrain", None)
            if constrain is not None:
                constrain()
        return bad, made

    def rates(self) -> dict[str, float]:
        """Each player's learning rates, by ``lr/<player>``; in fp16 also ``scale/`` and ``skipped/<player>``."""
        rates = (player.learning_rates(f"lr/{name}") for name, player in self.players.items())
        scaled = {n: player for n, player in self.players.items() if player.scaler.is_enabled()}
        return (
            {name: rate for found in rates for name, rate in found.items()}
            | {f"scale/{name}": player.scaler.get_scale() for name, player in scaled.items()}
            | {f"skipped/{name}": float(player.skipped) for name, player in scaled.items()}
        )

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
        self._watch.clear()
        self.runtime.restore_rng(state["rng"])
        self.runtime.finish_step()  # so that the next one is traced as if nothing had been loaded
