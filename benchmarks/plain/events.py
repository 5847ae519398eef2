"""All events of a photo, each computed as it is described."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gancomponents.events import smog
from recipes.climategan.model import ClimateGAN

Stage = Callable[[str], AbstractContextManager[None]]


@torch.no_grad()
def plain_infer_all(
    model: ClimateGAN, photos: np.ndarray, stage: Stage = lambda name: nullcontext()
) -> dict[str, np.ndarray]:
    """Flood, wildfire and smog of photos (B, H, W, 3), uint8 in and out; ``model`` in evaluation mode."""
    device = next(model.parameters()).device
    with stage("convert"):
        x = torch.from_numpy(photos).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    with stage("predict"):
        depth, logits, water = model(x)
    with stage("paint"):
        flood = model.paint(x, (water.sigmoid() > 0.5).float())
    with stage("wildfire"):
        fire = plain_wildfire(x, logits)
    with stage("smog"):
        haze = smog(x, depth)
    with stage("convert"):
        return {
            name: (127.5 * (image + 1)).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
            for name, image in {"flood": flood, "wildfire": fire, "smog": haze}.items()
        }


def plain_wildfire(x: Tensor, logits: Tensor, *, green: float = 125) -> Tensor:
    """`gancomponents.events.wildfire` of square photos: a dense blur, the sky grown pixel by pixel."""
    size = min(x.shape[2:])
    scene = (127.5 * (x + 1) + torch.tensor([40.0, -10, -20], device=x.device)[:, None, None]).clamp(0, 255)
    grey = (0.2989 * scene[:, 0] + 0.587 * scene[:, 1] + 0.114 * scene[:, 2]).mean((1, 2))
    scene = (1.5 * scene - 0.5 * grey[:, None, None, None]).clamp(0, 255)
    scene = (0.73 * scene).clamp(0, 255)
    sky = (logits.argmax(1, keepdim=True) == 9).float()
    sky[:, :, 2 * sky.shape[2] // 3 :] = 0
    sky = F.interpolate(sky, size=x.shape[2:], mode="nearest")
    sigma = 140.5 / 640 * size
    weight = 200 / 255 * dense_blur(grown(grown(sky, 3), 2), 2 * int(sigma) + 1, sigma)
    glow = torch.tensor([255.0, green, 0], device=x.device)[:, None, None]
    burning = (weight * glow + (1 - weight) * scene).clamp(0, 255)
    return (0.8 * burning).clamp(0, 255) / 127.5 - 1


def dense_blur(x: Tensor, kernel_size: int, sigma: float) -> Tensor:
    """Gaussian blur by one convolution with a square kernel, the border reflected."""
    offsets = torch.arange(kernel_size, device=x.device) - kernel_size // 2
    row = torch.exp(-offsets.float().square() / (2 * sigma**2))
    kernel = torch.outer(row, row)
    kernel = kernel / kernel.sum()
    reach = kernel_size // 2
    return F.conv2d(F.pad(x, [reach] * 4, mode="reflect"), kernel[None, None])


def grown(mask: Tensor, dim: int, share: float = 0.18) -> Tensor:
    """The union of the mask's copies, moved both ways by every distance up to a share of that side."""
    result = mask.clone()
    size = mask.shape[dim]
    for distance in range(1, int(share * size)):
        kept = mask.narrow(dim, 0, size - distance)
        result.narrow(dim, distance, size - distance).add_(kept)
        kept = mask.narrow(dim, distance, size - distance)
        result.narrow(dim, 0, size - distance).add_(kept)
    return result.clamp(max=1)
