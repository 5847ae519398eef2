"""Paint of everything else: leaves, bark, people, signs, planks, and the coachwork of cars."""

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.noise import FINE, ROUGH, lookup, noise_tile
from gancomponents.data.town.patch import Coat, Patch, choose, soft

__all__ = ["bark", "car_body", "car_cabin", "leaves", "person", "plain", "planks", "sign", "wheel"]

Floats = npt.NDArray[np.floating]


def _column(*values: float) -> Floats:
    return np.array(values, dtype=np.float32)[:, None]


def leaves(patch: Patch) -> Coat:
    """Foliage: bright tufts over dark gaps; the crown's underside in its own shade."""
    x, y, z = patch.position
    nx, ny, nz = patch.normal
    look, seed = patch.look, patch.seed
    shift = seed * 13
    fade = 1 / (1 + (patch.footprint * 7) ** 2)
    # Noise is laid on from the side that the surface faces most, so that it never smears.
    sideways, upwards = np.abs(nx), np.abs(ny)
    above = (upwards > sideways) & (upwards > np.abs(nz))
    a = choose(~above & (sideways > np.abs(nz)), z, x) + shift
    b = choose(above, z, y)
    fine = lookup(noise_tile(FINE), a, b, 38.0) * fade
    tuft = lookup(noise_tile(ROUGH), a + 3, b, 21.0)
    up = np.clip((y - patch.extra(0)) / np.maximum(patch.extra(1), 0.1), -1, 1)
    tone = 1 + 0.34 * fine + 0.3 * tuft
    tone = np.maximum(tone, 0.22) * (0.9 + 0.2 * (seed - 0.5))
    albedo = patch.colour() * tone
    # Some leaves turn yellow where the light reaches them.
    warm = np.clip(tuft + up - 0.3, 0, 1) * 0.3
    albedo[0] *= 1 + warm
    albedo[1] *= 1 + 0.5 * warm
    occlusion = np.clip(0.72 + 0.3 * up + 0.12 * tuft * look.texture, 0.25, 1.1)
    return Coat(albedo, occlusion=occlusion)


def bark(patch: Patch) -> Coat:
    """Bark: upright streaks."""
    lx, ly, lz = patch.local
    streak = lookup(noise_tile(ROUGH), (lx - lz) * 90, ly * 14 + patch.seed * 200)
    return Coat(patch.colour() * np.maximum(1 + 0.3 * patch.look.texture * streak, 0.3))


def plain(patch: Patch) -> Coat:
    """One colour, a little worn."""
    x, y, z = patch.position
    wear = lookup(noise_tile(ROUGH), x * 30 + z * 30, y * 30)
    return Coat(patch.colour() * (1 + 0.06 * patch.look.texture * wear))


def person(patch: Patch) -> Coat:
    """Cloth and skin: soft folds."""
    lx, ly, lz = patch.local
    fold = lookup(noise_tile(ROUGH), (lx + lz) * 60 + patch.seed * 300, ly * 40)
    return Coat(patch.colour() * (1 + 0.12 * fold), occlusion=0.8 + 0.2 * patch.normal[1])


def planks(patch: Patch) -> Coat:
    """Sawn wood with grain."""
    lx, ly, lz = patch.local
    grain = lookup(noise_tile(ROUGH), (lx + lz) * 60, ly * 9 + patch.seed * 200)
    return Coat(patch.colour() * (1 + 0.14 * patch.look.texture * grain))


def sign(patch: Patch) -> Coat:
    """Faces of traffic signs and lights.

    Free numbers: what it is (0 prohibition, 1 limit, 2 mandatory, 3 warning, 4 board, 5 traffic light), half width,
    half height.
    """
    lx, ly, _ = patch.local
    foot = patch.footprint
    face, wide, tall = patch.extra(0), patch.extra(1), patch.extra(2)
    radius = np.sqrt(lx * lx + ly * ly)
    albedo = np.repeat(_column(0.24, 0.25, 0.26), len(patch), axis=1)  # backs and edges: bare metal
    shown = patch.local_normal[2] < -0.5
    white, red, blue = _column(0.66, 0.66, 0.64), _column(0.5, 0.015, 0.015), _column(0.01, 0.07, 0.42)

    def fill(where: Floats, colour: Floats) -> None:
        nonlocal albedo
        albedo = albedo + (colour - albedo) * (where * shown)

    disc = (face < 2.5).astype(np.float32)
    fill((face == 0) * disc, red)
    fill((face == 0) * soft(0.07 - np.abs(ly), foot) * soft(wide * 0.72 - np.abs(lx), foot), white)
    fill((face == 1) * disc, red)
    fill((face == 1) * soft(wide * 0.76 - radius, foot), white)
    digit = np.abs(np.abs(lx) - wide * 0.25) < wide * 0.16
    fill((face == 1) * digit * soft(tall * 0.36 - np.abs(ly), foot), _column(0.02, 0.02, 0.02))
    fill((face == 2) * disc, blue)
    arrow = np.maximum(
        soft(0.05 - np.abs(lx), foot) * soft(wide * 0.55 - np.abs(ly), foot),
        soft(0.09 - np.abs(ly - wide * 0.35 + np.abs(lx) * 0.9), foot) * (np.abs(lx) < wide * 0.45),
    )
    fill((face == 2) * arrow, white)
    fill((face == 3).astype(np.float32), red)
    inner = np.minimum((0.5 - ly - 1.73 * np.abs(lx)) * 0.5, ly + 0.3)
    fill((face == 3) * soft(inner - 0.075, foot), white)
    fill((face == 3) * soft(0.035 - np.abs(lx), foot) * (np.abs(ly - 0.02) < 0.14), _column(0.02, 0.02, 0.02))
    board = (face == 4).astype(np.float32)
    fill(board, patch.colour())
    rim = np.minimum(wide - np.abs(lx), tall - np.abs(ly))
    text = (np.abs(ly * 3 / tall - np.rint(ly * 3 / tall)) < 0.28) & (
        lookup(noise_tile(FINE), lx * 40, ly * 5) > -0.4
    )
    ink = choose(patch.colour().mean(axis=0) > 0.4, 0.03, 0.6).astype(np.float32)
    fill(board * np.maximum(soft(0.03 - np.abs(rim - 0.04), foot), text * (rim > 0.09) * 0.85), ink[None])
    lamp = face == 5
    albedo = choose(lamp, patch.colour(), albedo)
    lens = soft(0.105 - np.sqrt(lx * lx + (ly - np.rint(ly * 3.4) / 3.4) ** 2), foot) * (np.abs(ly) < 0.44)
    place = np.rint(ly * 3.4)  # 1 red, 0 amber, -1 green
    lit = choose(patch.seed < 0.5, 1.0, -1.0)
    glow = np.stack(
        [choose(place >= 0, 1.0, 0.05), choose(place == 1, 0.05, 0.8), choose(place < 0, 0.4, 0.02)]
    )
    glow = (glow * choose(place == lit, 2.2, 0.08)).astype(np.float32)
    fill(lens * lamp, glow)
    return Coat(albedo.astype(np.float32))


def car_body(patch: Patch) -> Coat:
    """Coachwork: doors, sills, wheel arches, bumpers, lamps, number plates; lacquer that mirrors the sky.

    Free numbers: half length, half width, half distance of the axles, wheel radius, height of belt and of bonnet.
    """
    lx, ly, lz = patch.local
    foot = patch.footprint
    _, side, axle, wheel, belt, bonnet = (patch.extra(k) for k in range(6))
    nlx, nly, nlz = patch.local_normal
    flank = np.abs(nlx) > 0.6
    end = (np.abs(nlz) > 0.6).astype(np.float32)
    albedo = patch.colour().copy()

    def fill(where: Floats, colour: Floats) -> None:
        nonlocal albedo
        albedo = albedo + (colour - albedo) * where

    dark = _column(0.012, 0.012, 0.013)
    arch = np.sqrt((np.abs(lz) - axle) ** 2 + (ly - wheel) ** 2)
    seam = np.minimum(np.abs(lz - axle * 0.62), np.abs(lz + axle * 0.72))
    seam = np.minimum(seam, np.abs(lz + 0.05))
    fill(flank * soft(0.014 - seam, foot) * (ly > 0.34) * 0.8, dark)
    handle = soft(0.03 - np.abs(ly - belt * 0.84), foot) * (np.abs(np.abs(lz - 0.05) - 0.5) < 0.1)
    fill(flank * handle, dark * 4)
    fill(flank * soft(0.32 - ly, foot), dark * 2)
    fill(flank * soft(wheel + 0.06 - arch, foot), dark)
    fill(end * soft(0.42 - ly, foot), dark * 2.5)
    front = lz > 0
    lamp_height = choose(front, bonnet * 0.86, bonnet * 0.98)
    beside = np.abs(lx) > side * 0.56
    lamp = end * beside * soft(0.085 - np.abs(ly - lamp_height), foot)
    fill(lamp * front, _column(0.85, 0.85, 0.8))
    fill(lamp * ~front, _column(0.5, 0.01, 0.01))
    grille = end * front * soft(0.1 - np.abs(ly - bonnet * 0.72), foot) * (np.abs(lx) < side * 0.5)
    fill(grille, dark)
    plate = end * soft(0.055 - np.abs(ly - 0.5), foot) * (np.abs(lx) < 0.26)
    fill(plate, _column(0.65, 0.62, 0.5))
    under = nly < -0.3
    fill(under.astype(np.float32), dark)
    vx, vy, vz = patch.view
    nx, ny, nz = patch.normal
    facing = np.clip(1 + (vx * nx + vy * ny + vz * nz), 0, 1)
    gloss = (0.05 + 0.55 * facing**3) * (arch > wheel + 0.06) * (ly > 0.36)
    return Coat(albedo, occlusion=np.clip(0.35 + ly * 0.8, 0, 1), gloss=gloss.astype(np.float32))


def car_cabin(patch: Patch) -> Coat:
    """The cabin: windows all round between pillars, painted roof; vans have windows in front only.

    Free numbers: height of belt and roof, ends of the cabin, whether it is glazed all round, start of the roof.
    """
    _, ly, lz = patch.local
    foot = patch.footprint
    belt, roof_height, nose, tail, glazed, screen = (patch.extra(k) for k in range(6))
    nlx, nly, nlz = patch.local_normal
    top = nly > 0.93
    flank = np.abs(nlx) > 0.8
    height = (ly - belt) / (roof_height - belt)
    # The pillars lean with the screens: positions are taken along the window's own slanted ends.
    ahead = nose + (screen - nose) * height
    span = np.minimum(ahead - lz, lz - tail - 0.35 * height)
    pane = soft(span - 0.12, foot) * soft(height - 0.04, foot * 2) * soft(0.86 - height, foot * 2)
    pillar = soft(np.abs(lz - 0.5 * (nose + tail) + 0.05) - 0.04, foot)
    side = flank * pane * pillar * choose(glazed > 0.5, 1, lz > 0.45)
    screens = (~flank & ~top) * soft(0.9 - height, foot * 2) * choose((glazed < 0.5) & (nlz < 0), 0, 1)
    window = np.maximum(side, screens)
    glass = _column(0.015, 0.018, 0.02) * (0.7 + 0.6 * height)
    albedo = patch.colour()
    albedo = albedo + (glass - albedo) * window
    vx, vy, vz = patch.view
    nx, ny, nz = patch.normal
    facing = np.clip(1 + (vx * nx + vy * ny + vz * nz), 0, 1)
    gloss = (0.05 + 0.5 * facing**3) * (1 - window) + window * (0.24 + 0.5 * facing**3)
    return Coat(albedo, gloss=gloss.astype(np.float32))


def wheel(patch: Patch) -> Coat:
    """Tyre and rim with spokes."""
    _, ly, lz = patch.local
    radius = np.sqrt(ly * ly + lz * lz) / patch.extra(0)
    rim = soft((0.62 - radius) * 0.3, patch.footprint) * (np.abs(patch.local_normal[0]) > 0.5)
    angle = np.arctan2(ly, lz) * np.float32(5 / (2 * np.pi))
    spoke = np.abs(angle - np.rint(angle)) < 0.28
    metal = patch.colour(1) * choose(spoke | (radius < 0.16), 1.0, 0.2).astype(np.float32)
    albedo = patch.colour()
    albedo = albedo + (metal - albedo) * rim
    return Coat(albedo, occlusion=np.full(len(patch), 0.55, dtype=np.float32))
