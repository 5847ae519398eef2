"""Paint of the ground: asphalt with markings and puddles, paving with kerbs, grass, hills, open water."""

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.noise import BROAD, FINE, ROUGH, lookup, noise_tile, random_tile
from gancomponents.data.town.patch import Coat, Patch, choose, soft

__all__ = ["grass", "hill", "paving", "pond", "road"]

Floats = npt.NDArray[np.floating]

_WHITE = np.array([0.62, 0.62, 0.6], dtype=np.float32)[:, None]


def _fresnel(cosine: Floats) -> Floats:
    """Mirrored share at water: Schlick, R = 0.02 + 0.98 (1 - cos)^5."""
    rest = np.clip(1 - cosine, 0, 1)
    square = rest * rest
    return np.float32(0.02) + np.float32(0.98) * square * square * rest


def road(patch: Patch) -> Coat:
    """Asphalt: grain, patches and cracks; centre line, stop line and zebra; gutters and puddles."""
    x, _, z = patch.position
    foot, long = patch.footprint, patch.stretch
    look = patch.look
    right, left = patch.extra(0), patch.extra(4)
    grain = lookup(noise_tile(FINE), x, z, 60.0) / (1 + (long * 30) ** 2)
    blotch = lookup(noise_tile(BROAD), x, z, 11.0)
    tone = 1 + look.texture * (0.1 * grain + 0.07 * blotch)
    edge = np.minimum(right - x, x + left)  # distance to the nearer kerb
    tone = tone * (1 - 0.18 * np.clip(1 - edge * 2.2, 0, 1))
    # Wheel tracks: two polished bands in each lane.
    middle = (right - left) * 0.5
    lane = (right + left) * 0.25
    track = np.abs(np.abs(np.abs(x - middle) - lane * 0.75) - 0.75)
    tone = tone * (1 - 0.07 * np.clip(1 - track * 2.5, 0, 1))
    crack = np.abs(lookup(noise_tile(BROAD), x, z, 17.0))
    tone = tone * (1 - look.dirt * 0.3 * np.clip(1 - crack * 22, 0, 1) / (1 + (long * 12) ** 2))
    albedo = patch.colour() * tone

    style, zebra = patch.extra(1), patch.extra(2)
    offset = np.abs(x - middle)
    dash = z * np.float32(1 / 6.0)
    dash = dash - np.floor(dash)
    centre = soft(0.075 - offset, foot) * choose(style > 1.5, 1, (dash < 0.45) & (style > 0.5))
    centre = centre * (np.abs(z - zebra - 1.2) > 3.4)
    side = soft(0.05 - np.abs(edge - 0.28), foot) * (style > 1.5)
    stripe = x - middle
    stripe = stripe - np.floor(stripe)
    walk = soft(0.25 - np.abs(stripe - 0.5), foot) * soft(1.5 - np.abs(z - zebra - 1.5), long) * (edge > 0.25)
    stop = soft(0.2 - np.abs(z - zebra + 1.4), long) * (x > middle) * (edge > 0.2)
    marking = np.maximum(np.maximum(centre, side), np.maximum(walk, stop)) * (right < 100)
    worn = np.clip(1.1 - look.dirt * (0.35 + 0.4 * lookup(noise_tile(ROUGH), x, z, 40.0)), 0.15, 1)
    albedo += (_WHITE - albedo) * (marking * worn)

    # Puddles: the lowest spots of a rolling surface, more of them in the gutters.
    amount = patch.extra(3)
    field = lookup(noise_tile(BROAD), x * 24 + 97, z * 9) + 0.9 * np.clip(1.2 - edge, 0, 1)
    deep = field - (2.25 - 0.75 * amount)
    wet = (deep > 0) & (amount > 0) & (z < 60)
    damp = np.clip(1 + deep * 5, 0, 1) * (amount > 0)
    albedo *= 1 - 0.45 * damp
    gloss = choose(wet, _fresnel(-patch.view[1]) * 0.9 + 0.05, 0.12 * damp * _fresnel(-patch.view[1]))
    return Coat(albedo, gloss=gloss, wet=wet)


def paving(patch: Patch) -> Coat:
    """Slabs, setts or concrete, each a little different; a line of kerb stones; the kerb's face."""
    x, _, z = patch.position
    foot, long = patch.footprint, patch.stretch
    look = patch.look
    pattern = patch.extra(1)
    wide = choose(pattern < 0.5, 0.6, choose(pattern < 1.5, 0.24, 1.5)).astype(np.float32)
    deep = choose(pattern < 0.5, 0.6, choose(pattern < 1.5, 0.16, 1.5)).astype(np.float32)
    b = z / deep
    row = np.floor(b)
    a = x / wide + choose(pattern < 1.5, 0.5 * (row - 2 * np.floor(row * 0.5)), 0)
    column = np.floor(a)
    fa, fb = a - column, b - row
    fade = 1 / (1 + (long / deep * 1.6) ** 2)
    gap = np.float32(0.012)
    joint = 1 - soft(np.minimum(fa, 1 - fa) * wide - gap, foot) * soft(
        np.minimum(fb, 1 - fb) * deep - gap, long
    )
    slab = lookup(random_tile(), column * 7 + 13, row * 11 + 5) - 0.5
    stain = lookup(noise_tile(BROAD), x, z, 13.0)
    tone = 1 + fade * (0.22 * slab * look.texture - 0.4 * joint) + look.texture * 0.05 * stain
    tone = tone - look.dirt * 0.1 * np.clip(stain - 0.4, 0, 1)
    albedo = patch.colour() * tone
    kerb = patch.extra(0)
    inside = np.abs(x - kerb)
    stone = soft(0.17 - inside, foot) * (kerb != 0)
    piece = z - np.floor(z)
    rim = patch.colour(1) * (1 - 0.3 * soft(0.015 - np.minimum(piece, 1 - piece), long))
    albedo += (rim - albedo) * stone
    face = np.abs(patch.normal[1]) < 0.5
    albedo *= choose(face, np.float32(0.78), np.float32(1.0))
    return Coat(albedo)


def grass(patch: Patch) -> Coat:
    """Lawn: blades, tufts, dry patches; bare soil on its steep sides."""
    x, y, z = patch.position
    long = patch.stretch
    look = patch.look
    blades = lookup(noise_tile(FINE), x, z, 55.0) / (1 + (long * 22) ** 2)
    tuft = lookup(noise_tile(ROUGH), x, z, 21.0) / (1 + (long * 3) ** 2)
    broad = lookup(noise_tile(BROAD), x, z, 9.0)
    tone = 1 + look.texture * (0.22 * blades + 0.16 * tuft) + 0.1 * broad
    albedo = patch.colour() * np.maximum(tone, 0.25)
    dry = np.clip(broad * 0.6 + 0.15 * tuft - 0.35, 0, 0.8) * look.dirt
    straw = np.array([0.3, 0.24, 0.1], dtype=np.float32)[:, None]
    albedo += (straw - albedo) * (0.6 * dry)
    steep = np.clip(1.4 - 2 * np.abs(patch.normal[1]), 0, 1)
    soil = np.array([0.14, 0.095, 0.055], dtype=np.float32)[:, None] * (
        1 + 0.25 * lookup(noise_tile(ROUGH), z, y, 50.0)
    )
    albedo += (soil - albedo) * steep
    return Coat(albedo)


def hill(patch: Patch) -> Coat:
    """Distant hills: fields, with woods on their tops."""
    x, y, z = patch.position
    broad = lookup(noise_tile(BROAD), x, z + 2 * y, 1.1)
    fine = lookup(noise_tile(ROUGH), x, z + 2 * y, 6.0)
    albedo = patch.colour() * (1 + 0.1 * fine)
    wood = np.clip((broad + 0.35 * fine + (y - 25) * 0.02) * 1.5, 0, 1)
    albedo += (patch.colour(1) * (0.7 + 0.15 * fine) - albedo) * wood
    return Coat(albedo)


def pond(patch: Patch) -> Coat:
    """Still open water: murk below, sky above, faint ripples."""
    x, _, z = patch.position
    ripple = lookup(noise_tile(ROUGH), x * 30, z * 9) / (1 + (patch.stretch * 2) ** 2)
    albedo = patch.colour() * (0.75 + 0.1 * ripple)
    gloss = np.clip(_fresnel(-patch.view[1]) * (1 + 0.35 * ripple) + 0.08, 0, 0.95)
    side = patch.normal[1] < 0.5
    return Coat(albedo, gloss=choose(side, 0, gloss).astype(np.float32))
