"""Paint of buildings: walls with windows, doors and shops, roofs, masonry."""

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.noise import BROAD, FINE, ROUGH, lookup, noise_tile, random_tile
from gancomponents.data.town.patch import Coat, Patch, choose, soft

__all__ = ["facade", "roof", "stone"]

Floats = npt.NDArray[np.floating]


def _column(*values: float) -> Floats:
    return np.array(values, dtype=np.float32)[:, None]


_SHOP_SIGNS = np.array(
    [
        [0.35, 0.03, 0.03],
        [0.02, 0.08, 0.25],
        [0.03, 0.16, 0.07],
        [0.4, 0.3, 0.04],
        [0.03, 0.03, 0.03],
        [0.3, 0.28, 0.25],
    ],
    dtype=np.float32,
)


def facade(patch: Patch) -> Coat:
    """A wall: brick or plaster, plinth and storey bands, a grid of windows, a door, shop fronts.

    The solid's free numbers: storey height, height of the ground floor, width of a window bay, flags (1 shop,
    2 door), brick, depth of the foot below ground.
    """
    lx, ly, lz = patch.local
    nlx, _, nlz = patch.local_normal
    foot, long = patch.footprint, patch.stretch
    floor, first, cell, flags, brick, sunk = (patch.extra(k) for k in range(6))
    look, seed = patch.look, patch.seed
    front = np.abs(nlx) > np.abs(nlz)
    width = choose(front, patch.half(2), patch.half(0)) * 2
    a = choose(front, lz, lx) + width * 0.5
    b = ly + patch.half(1) - sunk  # height above the ground
    height = patch.half(1) * 2 - sunk
    side = choose(front, nlx, nlz * 2) * 5

    # Bays and storeys; the ground floor has its own height.
    bays = np.maximum(np.rint(width / cell), 1)
    bay = width / bays
    column = np.clip(np.floor(a / bay), 0, bays - 1)
    fa = a / bay - column
    above = (b - first) / floor
    storey = np.floor(above)
    ground = b < first
    fb = choose(ground, b / first, above - storey)
    tall = choose(ground, first, floor)
    shop = (flags % 2 > 0.5) & ground
    has_door = flags > 1.5
    chance = lookup(
        random_tile(), column * 17 + seed * 487 + side * 3, choose(ground, -1, storey) * 29 + seed * 211
    )

    # The wall itself.
    rough = lookup(noise_tile(ROUGH), a * 22 + seed * 300, b * 22) / (1 + (long * 8) ** 2)
    stain = lookup(noise_tile(BROAD), a * 14 + seed * 500, b * 5)
    course = b * np.float32(1 / 0.15)
    line = np.floor(course)
    header = a * np.float32(1 / 0.44) + 0.5 * (line - 2 * np.floor(line * 0.5))
    block = np.floor(header)
    mortar = np.minimum(np.minimum(course - line, line + 1 - course) * 0.15, (header - block) * 0.44)
    near = brick / (1 + (long * 9) ** 2)
    tint = lookup(random_tile(), block * 5 + seed * 97, line * 3) - 0.5
    tone = 1 + look.texture * (0.06 * rough + near * 0.35 * tint)
    tone = tone - look.dirt * (
        0.09 * np.clip(stain, 0, 2) + 0.22 * np.clip(1 - b * 0.8, 0, 1) * (0.6 + 0.3 * stain)
    )
    wall = patch.colour() * tone
    wall += (_column(0.42, 0.4, 0.36) - wall) * (near * 0.55 * soft(0.011 - mortar, foot * 1.5))
    trim = patch.colour(1)
    wall *= 1 - 0.25 * soft(0.45 - b, long)
    band = soft(0.09 - np.abs(b - first), long) * (height > first + 1.5)
    wall += (trim - wall) * band

    # Windows: an opening with frame, sill and lintel shadow, glass that mirrors the sky.
    narrow = 0.2 + 0.09 * (seed * 7 % 1)
    low, high = np.float32(0.27), choose(ground & ~shop, 0.78, 0.84)
    windowed = (ground | ((above < np.floor((height - first) / floor)) & (above >= 0))) & (bay > 1.2)
    du = (narrow - np.abs(fa - 0.5)) * bay
    dv = np.minimum(fb - low, high - fb) * tall
    # A shop's window spans its bay; its sign runs above.
    du = choose(shop, (0.45 - np.abs(fa - 0.5)) * bay, du)
    dv = choose(shop, np.minimum(b - 0.45, 2.55 - b), dv)
    opening = soft(du, foot) * soft(dv, long) * windowed
    frame = opening * (1 - soft(du - 0.06, foot) * soft(dv - 0.06, long))
    bar = opening * soft(0.025 - np.abs(fa - 0.5) * bay, foot) * (seed * 13 % 1 > 0.4)
    glass_tone = 0.5 + 0.7 * chance
    depth_shade = 0.35 + 0.65 * np.clip((high - fb) * tall * 2.2, 0, 1)
    glass = _column(0.035, 0.045, 0.055) * (glass_tone * depth_shade)
    curtain = (chance > 0.45) & (np.abs(fa - 0.5) > narrow * (0.35 + chance * 0.4)) & ~shop
    glass += (_column(0.34, 0.32, 0.29) * (0.5 + 0.5 * depth_shade) - glass) * (0.7 * curtain)
    blind = (chance < 0.16) & (fb > 0.58) & ~shop
    glass += (_column(0.4, 0.38, 0.34) - glass) * (0.7 * blind)
    # Goods on display: rows of boxes, each in a tone of its own.
    shelf, slot = np.floor(b * 2.6), np.floor(a * 4.0)
    ware = lookup(random_tile(), slot * 7 + seed * 99 + 50, shelf * 5 + 50)
    goods = shop * (ware > 0.4) * (b < 1.75) * np.float32(0.55)
    glass += (_column(0.3, 0.26, 0.2) * (ware * ware) - glass) * goods
    wall += (glass - wall) * opening
    wall += (trim * 0.9 - wall) * np.maximum(frame, bar)
    sill = soft(narrow * bay + 0.06 - np.abs(fa - 0.5) * bay, foot) * soft(
        0.05 - np.abs((fb - low) * tall + 0.05), long
    )
    wall += (trim * 0.95 - wall) * (sill * windowed * ~shop)

    sign = shop * soft(0.28 - np.abs(b - 2.95), long) * (width > 4)
    board = _SHOP_SIGNS.T.take((seed * 6).astype(np.int32), axis=1)
    letters = np.clip(lookup(noise_tile(FINE), a * 28 + seed * 77, b * 20) * 2 - 0.6, 0, 1) * (
        np.abs(b - 2.95) < 0.13
    )
    board = board + (_column(0.6, 0.58, 0.5) - board) * (
        letters * (np.abs(fa - 0.5) < 0.35) / (1 + (foot * 25) ** 2)
    )
    wall += (board - wall) * sign

    # One door to a front, in a bay of its own.
    which = np.floor((seed * 31 % 1) * bays)
    at_door = has_door & ground & (column == which) & (bay > 1.2) & ~(shop & (bays < 2))
    leaf = soft(0.5 - np.abs(fa - 0.5) * bay, foot) * soft(2.1 - b, long) * at_door
    surround = soft(0.62 - np.abs(fa - 0.5) * bay, foot) * soft(2.24 - b, long) * at_door
    wall += (trim - wall) * surround
    door = _SHOP_SIGNS.T.take((seed * 61 % 1 * 6).astype(np.int32), axis=1) * 0.6 + 0.015
    panel = (np.abs(np.abs(fa - 0.5) * bay - 0.22) < 0.14) & (np.abs((b - 0.25) % 0.9 - 0.45) < 0.33)
    wall += (door * choose(panel, 0.75, 1) - wall) * leaf
    # A wide bay with one storey of its own is a garage: its gate has horizontal boards.
    gate = (floor > 8) & (bay > 2.4) & (flags % 2 > 0.5)
    leaf_gate = soft(bay * 0.42 - np.abs(fa - 0.5) * bay, foot) * soft(2.1 - b, long) * gate
    board_line = b * 3.5 - np.floor(b * 3.5)
    wall += (trim * (0.9 - 0.25 * (board_line < 0.12)) - wall) * leaf_gate

    open_glass = (
        opening * (1 - np.maximum(frame, bar)) * (1 - np.maximum(leaf, np.maximum(surround, leaf_gate)))
    )
    gloss = open_glass * np.float32(0.3) * (1 - 0.5 * curtain) * (1 - 0.4 * goods)
    occlusion = np.clip(0.62 + b * 0.16, 0, 1)
    return Coat(np.maximum(wall, 0.004), occlusion=occlusion, gloss=gloss.astype(np.float32))


def roof(patch: Patch) -> Coat:
    """Rows of tiles on the slopes, wall under the gables."""
    lx, ly, lz = patch.local
    nlx, nly, nlz = patch.local_normal
    look, seed = patch.look, patch.seed
    steep = (np.abs(nly) < 0.1).astype(np.float32)
    along = choose(np.abs(nlx) > np.abs(nlz), lz, lx)
    row = ly * np.float32(1 / 0.22)
    line = np.floor(row)
    fade = 1 / (1 + (patch.stretch * 5) ** 2)
    step = row - line
    tile = lookup(random_tile(), along * 4 + 31 + (line % 2) * 0.5, line * 7 + seed * 300) - 0.5
    moss = lookup(noise_tile(BROAD), along * 16 + seed * 400, ly * 16)
    tone = 1 + fade * (look.texture * 0.3 * tile - 0.35 * np.clip(1 - step * 5, 0, 1)) + 0.06 * moss
    albedo = patch.colour() * tone
    green = np.clip(moss - 0.7, 0, 1) * 0.5 * look.dirt
    albedo += (_column(0.09, 0.1, 0.05) - albedo) * green
    plaster = lookup(noise_tile(ROUGH), along * 20, ly * 20)
    albedo += (patch.colour(1) * (1 + 0.05 * look.texture * plaster) - albedo) * steep
    under = nly < -0.3
    albedo *= choose(under, 0.5, 1).astype(np.float32)
    return Coat(albedo)


def stone(patch: Patch) -> Coat:
    """Masonry: courses of blocks for walls (first free number set), plain stone or concrete otherwise."""
    lx, ly, lz = patch.local
    nlx, _, nlz = patch.local_normal
    a = choose(np.abs(nlx) > np.abs(nlz), lz, lx)
    course = ly * np.float32(1 / 0.17) + 40
    line = np.floor(course)
    b = a * np.float32(1 / 0.38) + 0.5 * (line % 2)
    block = np.floor(b)
    near = patch.extra(0) / (1 + (patch.stretch * 6) ** 2)
    tint = lookup(random_tile(), block * 5 + patch.seed * 97 + 60, line * 3) - 0.5
    gap = np.minimum((course - line) * 0.17, (b - block) * 0.38)
    stain = lookup(noise_tile(BROAD), a * 18 + patch.seed * 300, ly * 18)
    tone = (
        1 + near * (0.4 * tint - 0.4 * soft(0.016 - gap, patch.footprint)) + 0.07 * patch.look.texture * stain
    )
    return Coat(patch.colour() * (tone - 0.1 * patch.look.dirt * np.clip(stain, 0, 1)))
