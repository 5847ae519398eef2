"""pix2pix on the Town: from a map of class labels to the street it describes.

The losses of Isola et al. 2017 with the least-squares game; ``python docs/examples/pix2pix.py``.
"""

import numpy as np
import torch
import torch.nn.functional as F

from gancomponents.data import LABELS
from gancomponents.data.town import render_frame
from gancomponents.discriminators import PatchDiscriminator
from gancomponents.generators import UNetGenerator
from gancomponents.losses import LeastSquaresGANLoss

CLASSES = len(LABELS)


def streets(count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Label maps, one-hot (count, 11, size, size), and images (count, 3, size, size) in [-1, 1]."""
    frames = [render_frame(seed, size=size) for seed in range(count)]
    labels = torch.from_numpy(np.stack([frame.labels for frame in frames])).long()
    images = torch.from_numpy(np.stack([frame.image for frame in frames])).permute(0, 3, 1, 2)
    return F.one_hot(labels, CLASSES).permute(0, 3, 1, 2).float(), images / 127.5 - 1


def main(steps: int = 300, size: int = 64, count: int = 32, batch: int = 4) -> list[float]:
    """Train; returns the L1 distance to the true street at each step."""
    torch.manual_seed(0)
    labels, images = streets(count, size)
    generator = UNetGenerator(CLASSES, 3, width=32, levels=5)
    critic = PatchDiscriminator(CLASSES + 3, width=32, layers=2)
    adversarial = LeastSquaresGANLoss()
    generator_step = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    critic_step = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=(0.5, 0.999))
    distances = []
    for step in range(steps):
        chosen = torch.randint(count, (batch,))
        label, real = labels[chosen], images[chosen]
        fake = generator(label)

        seen, judged = critic.compare(torch.cat([label, real], 1), torch.cat([label, fake.detach()], 1))
        critic_step.zero_grad()
        adversarial.discriminator(seen, judged).backward()
        critic_step.step()

        distance = F.l1_loss(fake, real)
        loss = adversarial.generator(critic(torch.cat([label, fake], 1))) + 100 * distance
        generator_step.zero_grad()
        loss.backward()
        generator_step.step()
        distances.append(distance.item())
        if step % 50 == 0:
            print(f"step {step}: L1 {distances[-1]:.3f}")
    return distances


if __name__ == "__main__":
    main()
