"""Segmentation that learns from rendered streets with labels and adapts to photographs without: AdvEnt.

Vu et al. 2019 (ADVENT): adversarial and direct entropy minimisation; ``python docs/examples/advent.py``.
"""

import numpy as np
import torch

from gancomponents.data import LABELS
from gancomponents.data.town import render_frame
from gancomponents.decoders import DeepLabV3PlusDecoder
from gancomponents.discriminators import EntropyDiscriminator
from gancomponents.encoders import MobileNetV2
from gancomponents.losses import AdvEntLoss, advent_input, min_entropy, segmentation_cross_entropy
from gancomponents.metrics import confusion_matrix, mean_iou


def streets(count: int, size: int, look: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (count, 3, size, size) in [-1, 1], rendered ("s") or photographed ("r"), and their labels."""
    frames = [render_frame(1000 * (look == "r") + seed, size=size, look=look) for seed in range(count)]
    images = torch.from_numpy(np.stack([frame.image for frame in frames])).permute(0, 3, 1, 2) / 127.5 - 1
    return images, torch.from_numpy(np.stack([frame.labels for frame in frames])).long()


def main(steps: int = 200, size: int = 64, count: int = 48, weight: float = 0.001) -> tuple[float, float]:
    """Train, adapting with ``weight``; returns the mean IoU on photographs before and after."""
    torch.manual_seed(0)
    (source, labels), (target, truth) = streets(count, size, "s"), streets(count, size, "r")
    encoder = MobileNetV2(width_multiplier=0.5)
    decoder = DeepLabV3PlusDecoder(encoder.out_channels, len(LABELS), aspp_channels=32, channels=32)
    critic, game = EntropyDiscriminator(len(LABELS), width=16), AdvEntLoss()
    networks = torch.nn.ModuleList([encoder, decoder])
    learner = torch.optim.Adam(networks.parameters(), lr=2e-3)
    critic_step = torch.optim.Adam(critic.parameters(), lr=1e-4, betas=(0.5, 0.999))

    def score() -> float:
        networks.eval()
        with torch.no_grad():
            logits = decoder(encoder(target), size=(size, size))
        networks.train()
        return mean_iou(confusion_matrix(logits, truth, len(LABELS))).item()

    before = score()
    for _ in range(steps):
        known, unknown = torch.randint(count, (2, 4))
        logits = decoder(encoder(torch.cat([source[known], target[unknown]])), size=(size, size))
        here, there = logits.softmax(1).chunk(2)
        adaptation = game.generator(critic(advent_input(there))) + min_entropy(there)
        learner.zero_grad()
        (segmentation_cross_entropy(logits[:4], labels[known]) + weight * adaptation).backward()
        learner.step()
        critic_step.zero_grad()
        game.discriminator(*(critic(advent_input(p.detach())) for p in (here, there))).backward()
        critic_step.step()
    return before, score()


if __name__ == "__main__":
    print("mean IoU on photographs, before and after: {:.3f}, {:.3f}".format(*main()))
