"""Labels of real and fake, smoothed and now and then flipped."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancomponents.losses._scores import Scores, final_scores, mean_over_scales


def check_noise(label_smoothing: float, flip_probability: float) -> None:
    """Refuse a smoothing or a probability outside [0, 1].

    >>> check_noise(0.2, 0.05)
    """
    for name, value in (("label_smoothing", label_smoothing), ("flip_probability", flip_probability)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be in [0, 1], got {value}: 0 switches it off")


def against_label(
    scores: Scores,
    is_real: bool,
    criterion: Callable[[Tensor, Tensor | float], Tensor],
    *,
    label_smoothing: float,
    flip_probability: float,
    alternating_flips: bool,
) -> Tensor:
    """The mean over scales of ``criterion(scores, target)``, the target drawn as ``bce_loss`` says.

    >>> import torch
    >>> never = {"label_smoothing": 0.0, "flip_probability": 0.0, "alternating_flips": False}
    >>> float(against_label(torch.ones(2), False, lambda s, t: (s - t).mean(), **never))
    1.0
    """
    check_noise(label_smoothing, flip_probability)
    maps = final_scores(scores)
    label = 1.0 if is_real else 0.0
    if label_smoothing == 0 and flip_probability == 0:
        return mean_over_scales([criterion(score, label) for score in maps])
    draws = torch.rand(len(maps) + 1, device=maps[0].device, dtype=maps[0].dtype)
    flip = (draws[-1] < flip_probability).to(draws.dtype)
    terms = []
    for scale, score in enumerate(maps):
        swapped = flip if not alternating_flips or scale % 2 == 0 else torch.zeros_like(flip)
        real = label + (1 - 2 * label) * swapped  # the label, or 1 - label when flipped
        target = real + (1 - 2 * real) * label_smoothing * draws[scale]  # 1 - e or e
        terms.append(criterion(score, target))
    return mean_over_scales(terms)
