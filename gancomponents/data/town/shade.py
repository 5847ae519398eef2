"""From hits to light: points, paint, sun, shadow, sky light and haze, some thousands of samples at a time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.camera import Camera
from gancomponents.data.town.cast import Hits
from gancomponents.data.town.light import Contact, Shadows
from gancomponents.data.town.looks import Light, Look
from gancomponents.data.town.materials import PAINTS
from gancomponents.data.town.patch import Patch, Points
from gancomponents.data.town.sky import sky_colour, sun_direction
from gancomponents.data.town.solids import KINDS, Geometry, Material

__all__ = ["Scene", "lit_by", "shade"]

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int32]
Index = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]

_BAND = 70_000  # samples shaded at a time: few enough for the cache, enough to hide numpy's overhead
_LABELS = np.array([kind.label for kind in KINDS.values()], dtype=np.uint8)
_SKY, _WATER = KINDS["sky"].label, KINDS["water"].label
_FLAT = np.isin(np.arange(len(Material)), (Material.ROAD, Material.PAVING, Material.GRASS))


@dataclass(frozen=True)
class Scene:
    """A street with its light.

    Args:
        geometry: what stands there.
        light: sun and air.
        look: materials.
        shadows: of the sun, None where it is veiled.
        contact: darkening of the ground.
    """

    geometry: Geometry
    light: Light
    look: Look
    shadows: Shadows | None
    contact: Contact


def shade(scene: Scene, camera: Camera, hits: Hits, samples: Index) -> tuple[Floats, Bytes]:
    """Colours and class ids of some of a camera's samples.

    Args:
        scene: the street.
        camera: the rays.
        hits: what they hit.
        samples: which of them, as indices into the flattened sampling grid, (N,).

    Shape: returns linear light (3, N) float32 and labels (N,) uint8.
    """
    colour = np.empty((3, len(samples)), dtype=np.float32)
    labels = np.full(len(samples), _SKY, dtype=np.uint8)
    count = len(scene.geometry)
    owner = np.concatenate([scene.geometry.plane_solid, np.arange(count, dtype=np.int32)])
    for start in range(0, len(samples), _BAND):
        band = slice(start, start + _BAND)
        at = samples[band]
        direction = camera.along(at)
        length = np.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)
        x, y, z = (d / length for d in direction)
        surface = hits.surface.reshape(-1).take(at)
        sky = np.flatnonzero(surface < 0)
        if len(sky):
            colour[:, start + sky] = sky_colour(scene.light, x[sky], y[sky], z[sky])
        solid = np.flatnonzero(surface >= 0)
        if len(solid):
            points = Points(
                geometry=scene.geometry,
                camera=camera,
                solid=owner.take(surface[solid]),
                surface=surface[solid],
                depth=1 / hits.inverse.reshape(-1).take(at[solid]),
                view=(x[solid], y[solid], z[solid]),
                length=length[solid],
            )
            colour[:, start + solid], labels[start + solid] = _shade_points(scene, points)
    return colour, labels


def _shade_points(scene: Scene, points: Points) -> tuple[Floats, Bytes]:
    material = scene.geometry.material.take(points.solid)
    labels = _LABELS[scene.geometry.kind].take(points.solid)
    albedo = np.empty((3, len(points)), dtype=np.float32)
    occlusion = np.ones(len(points), dtype=np.float32)
    gloss = np.zeros(len(points), dtype=np.float32)
    for paint in np.flatnonzero(np.bincount(material, minlength=len(Material))).tolist():
        at = np.flatnonzero(material == paint)
        coat = PAINTS[paint](Patch(points, at, scene.look, scene.light))
        albedo[:, at] = coat.albedo
        if coat.occlusion is not None:
            occlusion[at] = coat.occlusion
        if coat.gloss is not None:
            gloss[at] = coat.gloss
        if coat.wet is not None:
            labels[at[coat.wet]] = _WATER
    return _illuminate(scene, points, albedo, occlusion, gloss, _FLAT.take(material)), labels


def lit_by(scene: Scene, x: Floats, y: Floats, z: Floats, nx: Floats, ny: Floats, nz: Floats) -> Floats:
    """Sunlight that falls on a surface: cosine times what the shadows leave.

    Shape: arrays (N,); returns (N,).
    """
    sun = sun_direction(scene.light).astype(np.float32)
    cosine = np.maximum(nx * sun[0] + ny * sun[1] + nz * sun[2], 0)
    if scene.shadows is None:
        return cosine
    facing = np.flatnonzero(cosine > 0)
    cosine[facing] *= scene.shadows.lit(*(a.take(facing) for a in (x, y, z, nx, ny, nz)))
    return cosine


def _illuminate(
    scene: Scene,
    points: Points,
    albedo: Floats,
    occlusion: Floats,
    gloss: Floats,
    flat: npt.NDArray[np.bool_],
) -> Floats:
    light = scene.light
    x, y, z = points.position
    nx, ny, nz = points.normal
    sky = np.float32(0.62) + np.float32(0.38) * ny
    ground = np.flatnonzero(flat)
    sky[ground] *= scene.contact.at(x[ground], z[ground])
    sky *= occlusion
    sun = lit_by(scene, x, y, z, nx, ny, nz) * (np.float32(0.4) + np.float32(0.6) * occlusion)
    result = albedo
    for k in range(3):
        result[k] *= np.float32(light.sun[k]) * sun + np.float32(light.ambient[k]) * sky
    shiny = np.flatnonzero(gloss > 0.01)
    if len(shiny):
        # Mirror direction r = v - 2 (v.n) n; what is reflected downwards is the dull street.
        vx, vy, vz = (v.take(shiny) for v in points.view)
        mx, my, mz = nx.take(shiny), ny.take(shiny), nz.take(shiny)
        twice = 2 * (vx * mx + vy * my + vz * mz)
        rx, ry, rz = vx - twice * mx, vy - twice * my, vz - twice * mz
        mirrored = sky_colour(light, rx, ry, rz, clouds=False)
        mirrored *= np.minimum(np.maximum(0.5 + 2.5 * ry, np.float32(0.22)), np.float32(1))
        before = result[:, shiny]
        result[:, shiny] = before + (mirrored - before) * gloss.take(shiny)
    haze = 1 - np.exp(np.float32(-light.haze) * points.depth * points.length)
    for k in range(3):
        result[k] += (np.float32(light.horizon[k]) - result[k]) * haze
    return result
