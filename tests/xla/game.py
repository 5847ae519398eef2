"""A game of everything that a step may hold: batch and spectral norms, label noise, a penalty, averages, schedules.

``python -m tests.xla.game`` plays it on every core that there is, and prints what came out.
"""

import json
import sys
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from gancomponents.data import DiffAugment
from gancomponents.layers import resize, spectral_norm, upsample_nearest
from gancomponents.losses import BCEGANLoss, gradient_penalty
from gancomponents.optim import ExponentialMovingAverage, ExtraAdam, StepDecay
from gancomponents.training import AdversarialLoop, Player, Runtime, xla

ROWS = 4


class Forger(nn.Module):
    def __init__(self, critic: nn.Module, noise: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1)
        )
        self.gan, self.noise = BCEGANLoss(), noise
        self._borrowed = (critic,)

    def forward(self, batch, shared):
        x = batch["s"]["x"]
        fake = upsample_nearest(self.net(resize(x, (4, 4))), (8, 8))
        if self.noise:
            fake = fake + 0.1 * torch.rand_like(fake)
        return {"gan": self.gan.generator(self._borrowed[0](fake))}, {"fake": fake.detach()}


class Judge(nn.Module):
    def __init__(self, net: nn.Module, noise: bool) -> None:
        super().__init__()
        self.net = net
        self.gan = BCEGANLoss() if noise else BCEGANLoss(label_smoothing=0, flip_probability=0)
        self.augment = DiffAugment() if noise else None

    def forward(self, batch, shared):
        x, fake = batch["s"]["x"], shared["fake"]
        if self.augment is not None:
            x, fake = self.augment(x, fake)
        losses = {"gan": self.gan.discriminator(self.net(x), self.net(fake))}
        if self.augment is not None:
            losses["penalty"] = gradient_penalty(self.net, x, fake)
        return losses, {}


def loop_on(
    device: str, precision: str = "fp32", *, noise: bool = True, optimiser: type = ExtraAdam
) -> AdversarialLoop:
    torch.manual_seed(1)
    critic = nn.Sequential(
        spectral_norm(nn.Conv2d(3, 4, 4, stride=2)), nn.LeakyReLU(0.2), spectral_norm(nn.Conv2d(4, 1, 3))
    )
    schedule = StepDecay(every=1, gamma=0.9)  # another rate in every step
    make = partial(optimiser, lr=1e-2)
    average = partial(ExponentialMovingAverage, decay=0.9)
    runtime = Runtime(device, precision)
    generator = Player(Forger(critic, noise), make, schedule, average=average)
    return AdversarialLoop(generator, Player(Judge(critic, noise), make, schedule), runtime)


def batches(first: int, last: int) -> Iterator[dict]:
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        yield {"s": {"x": torch.rand(ROWS, 3, 8, 8, generator=generator), "paths": ["a.png"] * ROWS}}


def play(loop: AdversarialLoop, first: int, last: int) -> list[dict[str, Tensor]]:
    """The losses of steps, as numbers."""
    read = []
    for step, batch in enumerate(loop.runtime.feed(batches(first, last)), start=first):
        losses = loop.step(batch, step)
        read.append(dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True)))
    return read


def weights(loop: AdversarialLoop) -> dict[str, Tensor]:
    found = {}
    for name, player in loop.players.items():
        with player.settled():
            state = player.objective.state_dict()
            found |= {f"{name}/{key}": value.cpu().clone() for key, value in state.items()}
    return found


if __name__ == "__main__":
    loop = loop_on("xla", noise=False)
    losses = play(loop, 0, 5)
    before = xla.compilations()
    losses += play(loop, 5, 9)
    found = {"cores": xla.cores(), "compiled": xla.compilations() - before, "left": xla.fallbacks()}
    last = {name: value.tolist() for name, value in weights(loop).items()}
    json.dump({**found, "losses": losses, "weights": last}, sys.stdout)
