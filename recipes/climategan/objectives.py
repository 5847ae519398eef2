"""What ClimateGAN's generator and critics are trained on (ClimateGAN, Schmidt et al. 2022, section 3)."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gancomponents.data.augment import DiffAugment
from gancomponents.losses import AdvEntLoss, AdversarialLoss, BCEGANLoss, advent_loss, clip_weights
from gancomponents.losses.penalties import Penalty
from gancomponents.training import Batch, Losses
from recipes.climategan.critics import Critics
from recipes.climategan.masker_losses import MASKER_DOMAINS, MaskerLosses
from recipes.climategan.model import ClimateGAN
from recipes.climategan.painter_losses import PainterLosses, judge
from recipes.climategan.seen import Seen
from recipes.climategan.terms import Terms

CRITIC_WEIGHTS = {
    "s/advent": 1.0,
    "m/advent": 1.0,
    "p/gan": 1.0,
    "p/global": 1.0,
    "p/local": 1.0,
    "s/penalty": 10.0,
    "m/penalty": 10.0,
}

#: The domains whose entropy maps the AdvEnt critics tell apart: source and target.
ADAPTED = ("s", "r")


class GeneratorObjective(nn.Module):
    """The generator's objective: it owns the model, and borrows the critics that judge it.

    Args:
        model: the networks to train.
        critics: the networks to convince; they are not trained here.
        masker: the masker's terms.
        painter: the painter's terms.
    """

    by_domain = True  # no term has data of two

    def __init__(
        self,
        model: ClimateGAN,
        critics: Critics,
        *,
        masker: MaskerLosses | None = None,
        painter: PainterLosses | None = None,
    ):
        super().__init__()
        self.model = model
        self.masker = (masker or MaskerLosses()) if model.masker is not None else None
        self.painter = (painter or PainterLosses()) if model.painter is not None else None
        #: The phases that are on, see `recipes.climategan.System`; set between two steps.
        self.on: Collection[str] = frozenset()
        self._borrowed = (critics,)  # in a tuple, so that they do not become parameters of this objective

    def forward(self, batch: Batch, shared: Mapping[str, Any]) -> tuple[Losses, dict[str, Any]]:
        """Losses by name, and for the critics: what was seen in each masker domain, what was painted in rf."""
        (critics,) = self._borrowed
        losses: Losses = {}
        outputs: dict[str, Any] = {}
        for domain, data in batch.items():
            if domain in MASKER_DOMAINS and self.masker is not None:
                seen = self._see(data["x"])
                losses |= self.masker(seen, data, domain, critics, self.on)
                if domain == "r" and "painter_for_masker" in self.on and seen.water is not None:
                    term = lambda x=data["x"], seen=seen: self._convince_by_mask(x, seen)  # noqa: E731
                    self.masker.terms.add(losses, "m/painter", domain, term)
                outputs[domain] = _detached(seen)
        if "rf" in batch and self.painter is not None:
            x, mask = batch["rf"]["x"], batch["rf"]["m"]
            fake = self.model.paint(x, mask)
            losses |= self.painter(fake, x, mask, critics)
            outputs["rf"] = fake.detach()
        return losses, outputs

    @torch.no_grad()
    def present(self, batch: Batch) -> dict[str, Any]:
        """What `forward` would hand to the critics, without any loss: for the strict order of updates."""
        outputs: dict[str, Any] = {}
        for domain, data in batch.items():
            if domain in MASKER_DOMAINS and self.masker is not None:
                outputs[domain] = _detached(self._see(data["x"]))
            elif domain == "rf" and self.painter is not None:
                outputs["rf"] = self.model.paint(data["x"], data["m"])
        return outputs

    def _see(self, x: Tensor) -> Seen:
        masker = self.model.masker
        assert masker is not None
        return Seen(masker(x), masker)

    def _convince_by_mask(self, x: Tensor, seen: Seen) -> Tensor:
        """How well a flood under the predicted mask convinces the painter's critic; the painter stands still.

        The mask stays soft: gradients reach it through the paste, the painter's input and the critic's.
        """
        (critics,) = self._borrowed
        assert self.painter is not None
        assert self.model.painter is not None
        with _standing_still(self.model.painter):
            fake = self.model.paint(x, seen.mask)
        return self.painter.convince(judge(critics, x, fake, seen.mask, self.painter.augment))


class CriticObjective(nn.Module):
    """The critics' objective: tell simulated from real entropy maps, and painted from real water.

    Args:
        critics: the networks to train.
        weights: those of `CRITIC_WEIGHTS` that differ; the penalties count where there is a ``penalty``.
        advent: the critics' side of both AdvEnt objectives; source s is 0, target r is 1.
        adversarial: the critic's side of the painter's game, with its label noise.
        penalty: of both AdvEnt critics' gradients, such as `gancomponents.losses.GradientPenalty`
            (Wasserstein GAN with gradient penalty), called with critic, source and target.
        clip: bound on the AdvEnt critics' weights, kept after every update (Wasserstein GAN); None for none.
        augment: augments what the painter's critic sees, real and painted alike.
    """

    def __init__(
        self,
        critics: Critics,
        *,
        weights: Mapping[str, float] | None = None,
        advent: AdvEntLoss | None = None,
        adversarial: AdversarialLoss | None = None,
        penalty: Penalty | None = None,
        clip: float | None = None,
        augment: DiffAugment | None = None,
    ):
        super().__init__()
        self.critics = critics
        self.terms = Terms("critic", CRITIC_WEIGHTS, weights or {})
        self.advent = advent or AdvEntLoss()
        self.adversarial = adversarial or BCEGANLoss()
        self.penalty, self.clip, self.augment = penalty, clip, augment
        if clip is not None and not clip > 0:
            raise ValueError(
                f"clip must be above 0, got {clip}: None for no clipping, 0.01 is the published one"
            )

    def forward(self, batch: Batch, shared: Mapping[str, Any]) -> tuple[Losses, dict[str, Any]]:
        """Losses by name, from what `GeneratorObjective` shared; nothing is handed back."""
        losses: Losses = {}
        # In the order of the batch, since a spectral norm moves with every pass.
        present = [domain for domain in batch if domain in ADAPTED and domain in shared]
        for task, critic in self._adapting().items():
            maps = {domain: shared[domain][task] for domain in present if task in shared[domain]}
            # Outside training a domain alone is where another's held-out list has ended: no game of two.
            if len(maps) == len(ADAPTED) or (maps and self.training):
                self._adapt(losses, task, critic, maps)
        if "rf" in shared and self.critics.painter is not None:
            x, mask = batch["rf"]["x"], batch["rf"]["m"]
            names = [f"p/{name}" for name in ("gan", "global", "local")]
            if any(self.terms.wants(name) for name in names):
                verdicts = judge(self.critics, x, shared["rf"].to(x.dtype), mask, self.augment)
                for name, (real, painted) in verdicts.items():
                    term = lambda real=real, painted=painted: self.adversarial.discriminator(real, painted)  # noqa: E731
                    self.terms.add(losses, f"p/{name}", "rf", term)
        return losses, {}

    def constrain(self) -> None:
        """Clip the AdvEnt critics' weights; the loop calls this after every update."""
        if self.clip is not None:
            for critic in self._adapting().values():
                clip_weights(critic, self.clip)

    def _adapting(self) -> dict[str, nn.Module]:
        """The AdvEnt critics by task."""
        both = {"s": self.critics.segmentation, "m": self.critics.mask}
        return {task: critic for task, critic in both.items() if critic is not None}

    def _adapt(self, losses: Losses, task: str, critic: nn.Module, maps: Mapping[str, Tensor]) -> None:
        def game() -> Tensor:
            scores = {domain: critic(entropies) for domain, entropies in maps.items()}
            if len(scores) == len(ADAPTED):
                return self.advent.discriminator(*(scores[domain] for domain in ADAPTED))
            ((domain, alone),) = scores.items()  # a mixing may give domains steps of their own
            return advent_loss(alone, ADAPTED.index(domain), self.advent.discriminator_kind)

        self.terms.add(losses, f"{task}/advent", "+".join(d for d in ADAPTED if d in maps), game)
        if (penalty := self.penalty) is not None and self.training and len(maps) == len(ADAPTED):
            source, target = (maps[domain] for domain in ADAPTED)
            self.terms.add(losses, f"{task}/penalty", "s+r", lambda: penalty(critic, source, target))


def _detached(seen: Seen) -> dict[str, Tensor]:
    return {task: entropies.detach() for task, entropies in seen.entropies.items()}


@contextmanager
def _standing_still(module: nn.Module) -> Iterator[None]:
    """Inside, passes through the module leave no gradient on its parameters; afterwards all is as before."""
    trained = [p for p in module.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
