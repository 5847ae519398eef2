"""Light on surfaces: the shadow map of the sun, and the darkening where things stand on the ground."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.camera import Camera, sun_camera
from gancomponents.data.town.cast import cast
from gancomponents.data.town.looks import Light
from gancomponents.data.town.sky import sun_direction
from gancomponents.data.town.solids import Geometry, Material

__all__ = ["Contact", "Shadows", "cast_shadows", "contact_shade"]

Floats = npt.NDArray[np.floating]

# The part of the street that casts and receives shadows: left to right, up, near to far; metres.
_LOW, _HIGH = np.array([-24.0, -1.0, -8.0]), np.array([24.0, 14.0, 72.0])
_FAINT = 0.25  # sunlight below this throws no shadow worth its time


@dataclass(frozen=True)
class Shadows:
    """A shadow map.

    Args:
        camera: seen from the sun.
        inverse: 1 / depth of what the sun meets first.
        sun: unit vector to the sun.
    """

    camera: Camera
    inverse: Floats
    sun: npt.NDArray[np.float64]

    def lit(self, x: Floats, y: Floats, z: Floats, nx: Floats, ny: Floats, nz: Floats) -> Floats:
        """Share of sunlight at points with normals, 0..1.

        Shape: arrays (N,); returns (N,).
        """
        camera = self.camera
        lift = np.float32(0.09)  # looking up a little above the surface keeps it from shading itself
        px, py, pz = x + nx * lift, y + ny * lift, z + nz * lift
        right, up, forward = camera.basis.astype(np.float32)
        # Distances are taken from the middle of the street, so that float32 keeps centimetres.
        middle = ((_LOW + _HIGH) / 2).astype(np.float32)
        far = np.float32((middle.astype(np.float64) - camera.origin) @ camera.basis[2])
        px, py, pz = px - middle[0], py - middle[1], pz - middle[2]
        depth = far + (forward[0] * px + forward[1] * py + forward[2] * pz)
        inverse = 1 / depth
        size = len(camera.u)
        scale = np.float32((size - 1) / (camera.u[-1] - camera.u[0]))
        column = ((right[0] * px + right[1] * py + right[2] * pz) * inverse - camera.u[0]) * scale
        scale = np.float32((size - 1) / (camera.v[0] - camera.v[-1]))
        row = (camera.v[0] - (up[0] * px + up[1] * py + up[2] * pz) * inverse) * scale
        known = (column > 0) & (column < size - 2) & (row > 0) & (row < size - 2)
        c, r = column.astype(np.int32), row.astype(np.int32)
        fc, fr = column - c, row - r
        np.clip(c, 0, size - 2, out=c)
        np.clip(r, 0, size - 2, out=r)
        start = r * size
        start += c
        near = self.inverse.reshape(-1)
        clear = [near.take(start + step) <= inverse for step in (0, 1, size, size + 1)]
        top = clear[0] + (clear[1].astype(np.float32) - clear[0]) * fc
        bottom = clear[2] + (clear[3].astype(np.float32) - clear[2]) * fc
        share: Floats = top + (bottom - top) * fr
        return np.where(known, share, np.float32(1))


def cast_shadows(geometry: Geometry, light: Light, texels: int) -> Shadows | None:
    """The shadow map of a street; None under a sky without shadows.

    Args:
        geometry: the street.
        light: the sun.
        texels: side of the map.
    """
    if max(light.sun) < _FAINT:
        return None
    sun = sun_direction(light)
    size = (geometry.high - geometry.low).max(axis=1)
    flat = np.isin(
        geometry.material, (Material.ROAD, Material.PAVING, Material.GRASS, Material.HILL, Material.POND)
    )
    near = (geometry.centre[:, 2] < _HIGH[2] + 5) & (np.abs(geometry.centre[:, 0]) < 40)
    casting = select(geometry, ~flat & near & (size > 0.3))
    camera = sun_camera(sun, low=_LOW, high=_HIGH, texels=texels)
    inverse = cast(casting, camera, smallest=4).inverse
    return Shadows(camera=camera, inverse=inverse * np.float32(1 - 2e-5), sun=sun)


def select(geometry: Geometry, keep: npt.NDArray[np.bool_]) -> Geometry:
    """Some of a scene's solids."""
    kept = {f.name: getattr(geometry, f.name) for f in fields(Geometry)}
    for name, values in kept.items():
        if name not in ("planes", "plane_solid", "starts"):
            kept[name] = values[keep]
    planes = keep[geometry.plane_solid]
    counts = np.diff(geometry.starts)[keep]
    kept["planes"] = geometry.planes[planes]
    kept["starts"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    kept["plane_solid"] = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return Geometry(**kept)


@dataclass(frozen=True)
class Contact:
    """Sky light kept from the ground by what stands on it: a picture seen from above.

    Args:
        shade: factor of the ambient light, rows along the street.
    """

    shade: Floats

    def at(self, x: Floats, z: Floats) -> Floats:
        """The factor at points on the ground; 1 outside the picture."""
        rows, columns = self.shade.shape
        column = ((x - np.float32(_X0)) * np.float32(1 / _TEXEL)).astype(np.int32)
        row = ((z - np.float32(_Z0)) * np.float32(1 / _TEXEL)).astype(np.int32)
        np.clip(column, 0, columns - 1, out=column)
        np.clip(row, 0, rows - 1, out=row)
        row *= columns
        row += column
        return self.shade.reshape(-1).take(row)


_X0, _Z0, _TEXEL, _COLUMNS, _ROWS = -20.0, -4.0, 0.16, 250, 480


def contact_shade(geometry: Geometry) -> Contact:
    """Draw the feet of cars, people, walls and crowns from above, and blur them."""
    import cv2

    picture = np.zeros((_ROWS, _COLUMNS), dtype=np.float32)
    crowns = np.zeros_like(picture)
    material = geometry.material
    feet = np.isin(
        material,
        (Material.CAR_BODY, Material.FACADE, Material.PLAIN, Material.STONE, Material.PERSON, Material.BARK),
    )
    hedge = (material == Material.LEAVES) & (geometry.cut == 0)
    crown = (material == Material.LEAVES) & (geometry.cut != 0)
    low = geometry.centre[:, 1] + geometry.low[:, 1] < 0.75 + 0.06 * np.maximum(geometry.centre[:, 2], 0)
    for chosen, target in (((feet & low) | hedge, picture), (crown, crowns)):
        solids = np.flatnonzero(chosen & (geometry.centre[:, 2] < 75))
        if not len(solids):
            continue
        a, b = geometry.low[solids], geometry.high[solids]
        x = np.stack([a[:, 0], b[:, 0], b[:, 0], a[:, 0]], axis=1)
        z = np.stack([a[:, 2], a[:, 2], b[:, 2], b[:, 2]], axis=1)
        cos, sin = geometry.turn[solids, :1], geometry.turn[solids, 1:]
        wx = cos * x + sin * z + geometry.centre[solids, :1]
        wz = cos * z - sin * x + geometry.centre[solids, 2:]
        corners = np.stack([(wx - _X0) / _TEXEL, (wz - _Z0) / _TEXEL], axis=2)
        corners = np.clip(corners, -4000, 4000)
        for polygon in np.rint(corners * 16).astype(np.int32):
            cv2.fillConvexPoly(target, polygon, 1.0, shift=4)
    near = cv2.GaussianBlur(picture, (0, 0), 1.6)
    wide = cv2.GaussianBlur(cv2.resize(picture, None, fx=0.5, fy=0.5), (0, 0), 3.5)
    above = cv2.GaussianBlur(cv2.resize(crowns, None, fx=0.5, fy=0.5), (0, 0), 4.0)
    soft = cv2.resize(0.4 * wide + 0.3 * above, (_COLUMNS, _ROWS))
    return Contact(np.clip(1 - 0.55 * near - soft, 0.18, 1).astype(np.float32))
