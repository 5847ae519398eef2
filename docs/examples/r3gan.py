"""An unconditional GAN of small street pictures: relativistic pairs with R1 and R2 penalties, and averaged weights.

The objective of Huang et al. 2024 (R3GAN); ``python docs/examples/r3gan.py``.
"""

import numpy as np
import torch

from gancomponents.data.town import render_frame
from gancomponents.discriminators import ImageDiscriminator
from gancomponents.generators import LatentGenerator
from gancomponents.losses import RelativisticLoss, r1_penalty, r2_penalty
from gancomponents.optim import ExponentialMovingAverage


def streets(count: int, size: int) -> torch.Tensor:
    """Images (count, 3, size, size) in [-1, 1]."""
    images = np.stack([render_frame(seed, size=size).image for seed in range(count)])
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1


def main(
    steps: int = 400, size: int = 32, count: int = 256, batch: int = 16, gamma: float = 1.0
) -> list[float]:
    """Train; returns at each step, and at the end for averaged weights, how far the mean colours are apart."""
    torch.manual_seed(0)
    images = streets(count, size)
    generator = LatentGenerator(64, width=32, base=(size // 8, size // 8), upsamplings=3)
    critic = ImageDiscriminator(3, width=32, downsamplings=3)
    game = RelativisticLoss()
    average = ExponentialMovingAverage(generator, decay=0.99)
    generator_step = torch.optim.Adam(generator.parameters(), lr=5e-4, betas=(0.0, 0.99))
    critic_step = torch.optim.Adam(critic.parameters(), lr=5e-4, betas=(0.0, 0.99))
    gaps = []
    for step in range(steps):
        real = images[torch.randint(count, (batch,))]
        fake = generator(torch.randn(batch, 64))

        seen, judged = critic.compare(real, fake.detach())
        penalty = r1_penalty(critic, real) + r2_penalty(critic, real, fake.detach())
        critic_step.zero_grad()
        (game.discriminator(seen, judged) + gamma * penalty).backward()
        critic_step.step()

        seen, judged = critic.compare(real, fake)
        generator_step.zero_grad()
        game.generator(judged, seen).backward()
        generator_step.step()
        average.update()
        gaps.append((fake.mean((0, 2, 3)) - real.mean((0, 2, 3))).abs().mean().item())
        if step % 50 == 0:
            print(f"step {step}: mean colours {gaps[-1]:.3f} apart")
    with average.applied(), torch.no_grad():
        fake = generator(torch.randn(count, 64))
    return [*gaps, (fake.mean((0, 2, 3)) - images.mean((0, 2, 3))).abs().mean().item()]


if __name__ == "__main__":
    main()
