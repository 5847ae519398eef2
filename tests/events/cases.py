"""Conformance cases of `gancomponents.events`."""

import math

import torch
from torch import Tensor

from gancomponents import events
from tests.case import Case, Elsewhere


def _x(batch: int) -> Tensor:
    return torch.rand(batch, 3, 9, 14) * 2 - 1


def _mask(batch: int) -> Tensor:
    return torch.rand(batch, 1, 9, 14)


def _logits(batch: int) -> Tensor:
    return torch.randn(batch, 11, 5, 6)


_ONE_ANSWER = {"gradients": "the sky is an argmax of the logits"}

CASES: list[Case | Elsewhere] = [
    Case(
        "events.flood",
        lambda: events.flood,
        lambda b: (_x(b), _mask(b)),
        lambda b: (b, 3, 9, 14),
        call=lambda f, x, mask: f(x, mask, torch.tanh),
        label="soft",
    ),
    Case(
        "events.flood",
        lambda: events.flood,
        lambda b: (_x(b), _mask(b), _x(b)),
        lambda b: (b, 3, 9, 14),
        call=lambda f, x, mask, seen: f(x, mask, torch.tanh, threshold=0.5, seen=seen),
        label="binary-seen",
    ),
    Case(
        "events.cloudy",
        lambda: events.cloudy,
        lambda b: (_x(b), _mask(b), torch.rand(b, 3, 4)),
        lambda b: (b, 3, 9, 14),
        call=lambda f, x, sky, angles: f(x, sky, angles=angles),
    ),
    Case(
        "events.perlin_noise",
        lambda: events.perlin_noise,
        lambda b: (2 * math.pi * torch.rand(b, 4, 3),),
        lambda b: (b, 9, 14),
        call=lambda f, angles: f(angles, (9, 14)),
    ),
    Case(
        "events.gaussian_blur",
        lambda: events.gaussian_blur,
        lambda b: (_x(b),),
        lambda b: (b, 3, 9, 14),
        call=lambda f, x: f(x, 21, 3.0),
    ),
    Case(
        "events.sky_mask",
        lambda: events.sky_mask,
        lambda b: (_logits(b),),
        lambda b: (b, 1, 9, 14),
        call=lambda f, logits: f(logits, (9, 14)),
        cannot=_ONE_ANSWER,
    ),
    Case(
        "events.sky_mask",
        lambda: events.sky_mask,
        lambda b: (_logits(b),),
        lambda b: (b, 1, 9, 14),
        call=lambda f, logits: f(logits, (9, 14), growth=0.3, crop_bottom=False, smooth=True),
        label="smooth",
        cannot=_ONE_ANSWER,
    ),
    *(
        Case(
            "events.smog",
            lambda: events.smog,
            lambda b: (_x(b), torch.rand(b, 1, 5, 6)),
            lambda b: (b, 3, 9, 14),
            call=lambda f, x, depth, stretch=stretch: f(x, depth, stretch=stretch),
            label=label,
        )
        for label, stretch in (("plain", False), ("stretch", True))
    ),
    Case(
        "events.wildfire",
        lambda: events.wildfire,
        lambda b: (_x(b), _logits(b)),
        lambda b: (b, 3, 9, 14),
        label="smooth",
    ),
    Case(
        "events.wildfire",
        lambda: events.wildfire,
        lambda b: (_x(b), _logits(b), 100 + 50 * torch.rand(b)),
        lambda b: (b, 3, 9, 14),
        call=lambda f, x, logits, green: f(x, logits, green=green, kernel_size=7, sigma=2.0),
        label="green",
    ),
    Case(
        "events.wildfire",
        lambda: events.wildfire,
        lambda b: (_x(b), _logits(b)),
        lambda b: (b, 3, 9, 14),
        call=lambda f, x, logits: f(x, logits, stretch=True, integer_levels=True),
        label="levels",
        tolerance=0.05,  # a level, where rounding falls on the other side
    ),
]
