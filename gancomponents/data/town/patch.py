"""The visible points of a picture, and those of one material: where they are, how they face, what they ask for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.camera import Camera
from gancomponents.data.town.looks import Light, Look
from gancomponents.data.town.solids import Geometry

__all__ = ["Coat", "Patch", "Points", "choose", "soft"]

Floats = npt.NDArray[np.floating]  # float32 all through: the stubs lose that in mixed arithmetic
Ints = npt.NDArray[np.int32]
Triple = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Points:
    """Points that a camera sees, N of them.

    Args:
        geometry: the street.
        camera: the eye.
        solid: which solid each belongs to, (N,).
        surface: which surface, as in ``Hits``.
        depth: along the optical axis, metres.
        view: unit directions from the eye.
        length: length of a ray per unit depth.
    """

    geometry: Geometry
    camera: Camera
    solid: Ints
    surface: Ints
    depth: Floats
    view: Triple
    length: Floats

    def __len__(self) -> int:
        return len(self.solid)

    @cached_property
    def position(self) -> Triple:
        """World coordinates."""
        far = self.depth * self.length
        x, y, z = self.camera.origin.astype(np.float32)
        return x + far * self.view[0], y + far * self.view[1], z + far * self.view[2]

    @cached_property
    def normal(self) -> Triple:
        """Outward unit normals in the world."""
        planes = self.geometry.planes
        table = planes[:, :3].astype(np.float32)
        index = np.minimum(self.surface, max(len(planes) - 1, 0))
        nx, ny, nz = (table[:, k].take(index) for k in range(3))
        curved = np.flatnonzero(self.surface >= len(planes))
        if len(curved):
            # The gradient of a quadric, K (p - centre), in its own axes and back.
            solid, geometry = self.solid[curved], self.geometry
            frame = np.concatenate([geometry.centre, geometry.turn, geometry.curvature], axis=1)
            cx, cy, cz, cos, sin, kx, ky, kz = frame.astype(np.float32).take(solid, axis=0).T
            x, y, z = (p[curved] for p in self.position)
            x, y, z = x - cx, y - cy, z - cz
            lx, ly, lz = (cos * x - sin * z) * kx, y * ky, (sin * x + cos * z) * kz
            norm = 1 / np.maximum(np.sqrt(lx * lx + ly * ly + lz * lz), np.float32(1e-9))
            lx, ly, lz = lx * norm, ly * norm, lz * norm
            nx[curved], ny[curved], nz[curved] = cos * lx + sin * lz, ly, cos * lz - sin * lx
        return nx, ny, nz


@dataclass(frozen=True)
class Coat:
    """What a material says of its points.

    Args:
        albedo: share of light thrown back, (3, N).
        occlusion: factor of the sky light, (N,).
        gloss: share of mirrored sky, (N,).
        wet: which points are open water, (N,) bool.
    """

    albedo: Floats
    occlusion: Floats | None = None
    gloss: Floats | None = None
    wet: npt.NDArray[np.bool_] | None = None


class Patch:
    """Points of one material, to be painted.

    Args:
        points: all points.
        at: which of them.
        look: materials.
        light: weather.
    """

    def __init__(self, points: Points, at: npt.NDArray[np.intp], look: Look, light: Light):
        self.points, self.at, self.look, self.light = points, at, look, light
        self.geometry, self.solid = points.geometry, points.solid.take(at)

    def __len__(self) -> int:
        return len(self.at)

    def _of(self, all_points: Triple) -> Triple:
        x, y, z = all_points
        return x.take(self.at), y.take(self.at), z.take(self.at)

    @cached_property
    def position(self) -> Triple:
        """World coordinates."""
        return self._of(self.points.position)

    @cached_property
    def normal(self) -> Triple:
        """Outward unit normals in the world."""
        return self._of(self.points.normal)

    @cached_property
    def view(self) -> Triple:
        """Unit directions from the eye."""
        return self._of(self.points.view)

    @cached_property
    def turn(self) -> tuple[Floats, Floats]:
        """Cosine and sine of each solid's yaw."""
        return self._table(self.geometry.turn[:, 0]), self._table(self.geometry.turn[:, 1])

    @cached_property
    def local(self) -> Triple:
        """Coordinates along each solid's own axes, from its own origin."""
        x, y, z = (p - self._table(self.geometry.centre[:, k]) for k, p in enumerate(self.position))
        cos, sin = self.turn
        return cos * x - sin * z, y, sin * x + cos * z

    @cached_property
    def local_normal(self) -> Triple:
        """Normals along each solid's own axes."""
        cos, sin = self.turn
        nx, ny, nz = self.normal
        return cos * nx - sin * nz, ny, sin * nx + cos * nz

    @cached_property
    def footprint(self) -> Floats:
        """Width that a pixel covers across the line of sight, metres."""
        return self.points.depth.take(self.at) * np.float32(self.points.camera.pixel)

    @cached_property
    def stretch(self) -> Floats:
        """Length that a pixel covers along the surface, metres: the footprint over the cosine of incidence."""
        nx, ny, nz = self.normal
        vx, vy, vz = self.view
        return self.footprint / np.maximum(np.abs(nx * vx + ny * vy + nz * vz), np.float32(0.03))

    def colour(self, which: int = 0) -> Floats:
        """A colour of each point's solid, (3, N)."""
        return np.stack([self.geometry.colours[:, which, k].take(self.solid) for k in range(3)])

    def extra(self, index: int) -> Floats:
        """A free number of each point's solid."""
        return self.geometry.extras[:, index].take(self.solid)

    @cached_property
    def seed(self) -> Floats:
        """The random number of each point's solid."""
        return self.geometry.seed.take(self.solid)

    def half(self, axis: int) -> Floats:
        """Half extent of each point's solid along an own axis."""
        return self._table((self.geometry.high[:, axis] - self.geometry.low[:, axis]) / 2)

    def _table(self, column: npt.NDArray[np.float64]) -> Floats:
        return column.astype(np.float32).take(self.solid)


#: What a material is: a function from its points to their coat.
Painter = Callable[[Patch], Coat]


def soft(inside: Floats, width: Floats) -> Floats:
    """Coverage of a pixel of some width by a half plane ``inside`` metres away: 0 outside, 1 well inside.

    >>> soft(np.float32([-1, 0, 1]), np.float32(0.5)).tolist()
    [0.0, 0.5, 1.0]
    """
    ratio = inside / np.maximum(width, np.float32(1e-5))
    ratio += np.float32(0.5)
    return np.minimum(np.maximum(ratio, np.float32(0)), np.float32(1))


def choose(condition: npt.NDArray[np.bool_], one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """``np.where`` that stays in float32 when given plain numbers.

    >>> choose(np.array([True, False]), 0.5, 2).dtype.name
    'float32'
    """
    return np.where(condition, np.asarray(one, dtype=np.float32), np.asarray(other, dtype=np.float32))
