"""A training step of the flagship as anybody would write it first."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.plain.networks import plain_copy
from benchmarks.plain.optimiser import PlainExtraAdam
from gancomponents.training import Batch
from recipes.climategan.objectives import CriticObjective, GeneratorObjective
from recipes.climategan.seen import Seen
from recipes.climategan.system import System

Losses = dict[str, Tensor]


class PlainStep:
    """Copies of a system's networks, trained plainly: losses and gradients are those of the system's own loop.

    The critics' update computes again whatever it needs: encoder, decoders and the painter's picture.

    Args:
        system: a flagship's, as a recipe builds it; it is left alone, and its mode is that of the copies.
        order: as of `gancomponents.training.AdversarialLoop`: "simultaneous", where both sides' gradients are taken
            at the weights that the step began with, or "strict", where critics judge the updated generator.
    """

    def __init__(self, system: System, order: str = "simultaneous"):
        generator, critic = system.generator.objective, system.critic and system.critic.objective
        assert isinstance(generator, GeneratorObjective)
        assert isinstance(critic, CriticObjective)
        self.order = order
        self.model, self.critics = plain_copy(system.model), plain_copy(system.critics)
        self.masker_losses, self.painter_losses = (
            None if losses is None else plain_copy(losses) for losses in (generator.masker, generator.painter)
        )
        self.advent, self.adversarial = copy.deepcopy(critic.advent), copy.deepcopy(critic.adversarial)
        self.generator_optimiser, self.critic_optimiser = (
            PlainExtraAdam(
                net.parameters(), **{k: player.optimiser.defaults[k] for k in ("lr", "betas", "eps")}
            )
            for net, player in ((self.model, system.generator), (self.critics, system.critic))
            if player is not None
        )

    def __call__(self, batch: Batch) -> Losses:
        """Train both sides on one batch; return every named loss, detached."""
        self.generator_optimiser.zero_grad()
        self.critic_optimiser.zero_grad()
        before = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        losses = self.backward_generator(batch)
        if self.order == "strict":
            self.generator_optimiser.step()
        else:
            for name, buffer in self.model.named_buffers():
                buffer.copy_(before[name])  # or the second pass would not be that of the first
        found = self.backward_critics(batch)
        if self.order == "simultaneous":
            self.generator_optimiser.step()
        self.critic_optimiser.step()
        return losses | found

    def backward_generator(self, batch: Batch) -> Losses:
        """Gradients of the generator, by one backward pass of all domains."""
        self.critics.requires_grad_(False)
        losses = self.generator_losses(batch)
        _backward(losses)
        self.critics.requires_grad_(True)
        return {name: loss.detach() for name, loss in losses.items()}

    def backward_critics(self, batch: Batch) -> Losses:
        """Gradients of the critics, everything computed again."""
        losses = self.critic_losses(batch, self.present(batch))
        _backward(losses)
        return {name: loss.detach() for name, loss in losses.items()}

    def generator_losses(self, batch: Batch) -> Losses:
        """The generator's terms, with their graph."""
        losses: Losses = {}
        for domain, data in batch.items():
            if domain == "rf" and self.painter_losses is not None:
                fake = self.model.paint(data["x"], data["m"])
                losses |= self.painter_losses(fake, data["x"], data["m"], self.critics)
            elif domain != "rf" and self.masker_losses is not None and self.model.masker is not None:
                seen = Seen(self.model.masker(data["x"]), self.model.masker)
                losses |= self.masker_losses(seen, data, domain, self.critics)
        return losses

    def present(self, batch: Batch) -> dict[str, Any]:
        """What the critics judge. Only the painter goes without a graph."""
        shown: dict[str, Any] = {}
        for domain, data in batch.items():
            if domain == "rf" and self.painter_losses is not None:
                with torch.no_grad():
                    shown[domain] = self.model.paint(data["x"], data["m"])
            elif domain != "rf" and self.model.masker is not None:
                shown[domain] = Seen(self.model.masker(data["x"]), self.model.masker).entropies
        return shown

    def critic_losses(self, batch: Batch, shown: Mapping[str, Any]) -> Losses:
        """The critics' terms, with their graph."""
        losses: Losses = {}
        domains = [domain for domain in batch if domain in ("s", "r")]
        for task, critic in (("s", self.critics.segmentation), ("m", self.critics.mask)):
            if critic is not None and domains:
                scores = {domain: critic(shown[domain][task].detach()) for domain in domains}
                losses[f"critic/{task}/advent/s+r"] = self.advent.discriminator(scores["s"], scores["r"])
        if "rf" in shown and self.critics.painter is not None:
            x, mask = batch["rf"]["x"], batch["rf"]["m"]
            (verdict,) = self.critics.judge_painting(x, shown["rf"], mask).values()
            losses["critic/p/gan/rf"] = self.adversarial.discriminator(*verdict)
        return losses


def _backward(losses: Losses) -> None:
    torch.stack(list(losses.values())).sum().backward()
