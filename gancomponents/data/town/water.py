"""The flood: a murky plane that mirrors street and sky, ruffled by the wind, clear at its very edge."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.camera import Camera
from gancomponents.data.town.cast import Hits
from gancomponents.data.town.noise import BROAD, ROUGH, Dice, lookup, noise_tile
from gancomponents.data.town.shade import Scene, lit_by
from gancomponents.data.town.solids import Colour

__all__ = ["Flood", "draw_flood", "flood_colours", "plane_inverse"]

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Flood:
    """The water of one street.

    Args:
        level: height of its surface, metres.
        murk: colour of the suspended mud, linear light.
        clarity: depth at which the ground has all but vanished, metres.
        ripple: slope of the waves.
        heading: direction they run in: cosine and sine.
        phase: shift of the wave pattern, metres.
    """

    level: float
    murk: Colour
    clarity: float
    ripple: float
    heading: tuple[float, float]
    phase: float


def draw_flood(dice: Dice, murks: tuple[Colour, ...], level: float) -> Flood:
    """Water drawn at random, standing at a given level."""
    angle = dice.uniform(0, 6.283)
    return Flood(
        level=level,
        murk=dice.pick(murks),
        clarity=dice.uniform(0.12, 0.35),
        ripple=dice.uniform(0.006, 0.03),
        heading=(float(np.cos(angle)), float(np.sin(angle))),
        phase=dice.uniform(0, 500),
    )


def plane_inverse(camera: Camera, level: float) -> Floats:
    """1 / depth at which rays meet the level; negative where they never do.

    Shape: returns (H, W).
    """
    return _reach(camera, level, camera.directions()[1])


def _reach(camera: Camera, level: float, rise: Floats) -> Floats:
    return rise / np.float32(level - camera.origin[1])


def flood_colours(
    scene: Scene,
    camera: Camera,
    hits: Hits,
    samples: npt.NDArray[np.intp],
    dry: Floats,
    reflection: Floats,
    flood: Flood,
    step: int,
) -> Floats:
    """Samples of the picture with the water in it.

    Args:
        scene: the street.
        camera: the eye.
        hits: what its rays hit in the dry street.
        samples: which of its rays, (N,).
        dry: their colours in the dry street, (3, N).
        reflection: colours of the mirrored street, one sample a pixel, (h, w, 3).
        flood: the water.
        step: grid samples per pixel along a side: 2 on a fine grid, else 1.

    Shape: returns (3, N).
    """
    dx, dy, dz = camera.along(samples)
    inverse = _reach(camera, flood.level, dy)
    under = np.flatnonzero(inverse > hits.inverse.reshape(-1).take(samples))
    result = dry.copy()
    if not len(under):
        return result
    dx, dy, dz, inverse = dx[under], dy[under], dz[under], inverse[under]
    rows, columns = np.divmod(samples[under], len(camera.u))
    depth = 1 / inverse
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    ox, _, oz = camera.origin.astype(np.float32)
    x, z = ox + dx * depth, oz + dz * depth
    cosine = -dy / length

    # Waves: slopes of two noise pictures that fade where a pixel covers several of them.
    cos, sin = (np.float32(c) for c in flood.heading)
    a, b = cos * x + sin * z + np.float32(flood.phase), cos * z - sin * x
    span = depth * np.float32(camera.pixel) / np.maximum(cosine, np.float32(0.02))
    small = lookup(noise_tile(ROUGH), a * 60, b * 26) / (1 + (span * 3.0) ** 2)
    long = lookup(noise_tile(BROAD), a * 17, b * 8) / (1 + (span * 0.35) ** 2)
    cross = lookup(noise_tile(BROAD), a * 24, b * 24) / (1 + (span * 1.2) ** 2)
    calm = np.clip(0.75 + 0.35 * lookup(noise_tile(BROAD), x * 5 + flood.phase, z * 5), 0.15, 1.5)
    strength = np.float32(flood.ripple) * calm
    along = strength * (0.7 * small + 0.8 * long)
    aside = strength * (0.8 * cross + 0.4 * small)

    # Tilting the mirror by a slope turns the reflection by twice that, sideways less at a grazing view.
    turn = np.float32(2 / camera.pixel)
    column = (columns.astype(np.float32) - (step - 1)) / step + turn * aside * cosine
    row = (rows.astype(np.float32) - (step - 1)) / step + turn * along * np.minimum(4 * cosine + 0.1, 1)
    mirrored = _sample(reflection, column, row)

    normal_y = np.ones_like(x)
    tilt = np.clip(cosine + 0.6 * along, 0.0, 1.0)
    rest = 1 - tilt
    share = 0.02 + 0.98 * rest**5
    share = np.clip(1.15 * share + 0.06, 0, 0.92)

    # What swims below: mud lit by sky and sun, and the drowned ground where the water is thin.
    zero = np.zeros_like(x)
    sun = lit_by(scene, x, np.full_like(x, flood.level), z, zero, normal_y, zero)
    light = scene.light
    ground = np.maximum(hits.inverse.reshape(-1).take(samples[under]), np.float32(1e-6))
    thickness = (1 / ground - depth) * length
    clear = np.exp(-thickness / np.float32(flood.clarity))
    swirl = 1 + 0.1 * lookup(noise_tile(BROAD), x * 9 + flood.phase, z * 9)
    distance = 1 - np.exp(-np.float32(light.haze) * depth * length)
    below = dry[:, under]
    # A thin line of foam and dirt where the water laps against things.
    lap = np.clip(1 - thickness * 9, 0, 1) * np.clip(0.5 + 0.5 * small, 0, 1) * np.clip(1.2 - span * 2, 0, 1)
    for k in range(3):
        mud = np.float32(flood.murk[k]) * swirl * (light.ambient[k] * 0.85 + light.sun[k] * 0.7 * sun)
        body = mud + (below[k] * np.float32((0.62, 0.6, 0.5)[k]) - mud) * clear
        colour = body + (mirrored[:, k] - body) * share
        foam = np.float32(0.4) * (light.ambient[k] + light.sun[k] * 0.6 * sun)
        colour += (foam - colour) * (0.35 * lap)
        colour += (np.float32(light.horizon[k]) - colour) * (distance * (1 - share))
        result[k, under] = colour
    return result


def _sample(picture: Floats, column: Floats, row: Floats) -> Floats:
    """Bilinear samples of a picture at N places, clamped to its border; (N, 3)."""
    import cv2

    width = 2048  # OpenCV takes coordinates as pictures of limited size
    lines = -(-len(column) // width)
    padded = np.zeros((2, lines * width), dtype=np.float32)
    padded[0, : len(column)], padded[1, : len(row)] = column, row
    x, y = padded.reshape(2, lines, width)
    sampled = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled.reshape(-1, 3)[: len(column)]
