"""Pinhole cameras whose ray parameter is the depth along the optical axis."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Camera", "look_along", "mirror", "photograph", "sun_camera"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Rays ``origin + depth * (forward + u * right + v * up)``; depth is metric z-depth, as in Virtual KITTI.

    World axes: x to the right of the street, y up, z along the street; metres.

    Args:
        origin: position, (3,).
        basis: rows right, up, forward, (3, 3).
        u: tangent of each column's angle, (W,).
        v: tangent of each row's angle, (H,), upwards.
        pixel: tangent spanned by one pixel of the picture (not of the finer sampling grid).
    """

    origin: Doubles
    basis: Doubles
    u: Floats
    v: Floats
    pixel: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the sampling grid."""
        return len(self.v), len(self.u)

    def directions(self) -> tuple[Floats, Floats, Floats]:
        """World x, y, z of every ray's direction, scaled to unit depth.

        Shape: three arrays (H, W).
        """
        right, up, forward = self.basis.astype(np.float32)
        x, y, z = ((forward[k] + up[k] * self.v)[:, None] + (right[k] * self.u)[None, :] for k in range(3))
        return x, y, z

    def along(self, samples: npt.NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
        """World x, y, z of some rays' directions, as indices into the flattened grid.

        Shape: (N,) to three arrays (N,).
        """
        row, column = np.divmod(samples, len(self.u))
        v, u = self.v.take(row), self.u.take(column)
        right, up, forward = self.basis.astype(np.float32)
        x, y, z = (forward[k] + up[k] * v + right[k] * u for k in range(3))
        return x, y, z


def look_along(yaw: float, pitch: float) -> Doubles:
    """Camera basis for a heading; yaw turns right, pitch looks up, radians.

    >>> look_along(0.0, 0.0).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    right = np.array([cy, 0.0, -sy])
    forward = np.array([sy * cp, sp, cy * cp])
    return np.stack([right, np.cross(forward, right), forward]) + 0.0  # + 0.0: no negative zeros


def photograph(
    height: int, width: int, *, origin: Doubles, yaw: float, pitch: float, fov: float, supersample: bool
) -> Camera:
    """A camera for a picture, optionally with a sampling grid twice as fine.

    The fine grid has ``2 n + 1`` samples a side: its odd samples are the pixel centres, where labels and depth are
    exact; the even ones are pixel corners, whose colours join in to smooth edges.

    Args:
        height: rows of the picture.
        width: columns of the picture.
        origin: position in the world, metres.
        yaw: heading, radians.
        pitch: elevation, radians.
        fov: angle of view across the longer side, radians.
        supersample: whether to make the fine grid.

    >>> camera = photograph(4, 4, origin=np.zeros(3), yaw=0, pitch=0, fov=np.pi / 2, supersample=True)
    >>> camera.shape, float(camera.u[1]), float(camera.v[1])
    ((9, 9), -0.75, 0.75)
    """
    pixel = 2 * np.tan(fov / 2) / max(height, width)

    def grid(n: int) -> Doubles:
        positions = np.arange(2 * n + 1) / 2 if supersample else np.arange(n) + 0.5
        return (positions - n / 2) * pixel

    return Camera(
        origin=np.asarray(origin, dtype=np.float64),
        basis=look_along(yaw, pitch),
        u=grid(width).astype(np.float32),
        v=(-grid(height)).astype(np.float32),
        pixel=float(pixel),
    )


def mirror(camera: Camera, level: float) -> Camera:
    """The camera seen in a horizontal mirror at height ``level``: its rays are the reflections' own.

    >>> eye = photograph(4, 4, origin=np.array([0, 2, 0]), yaw=0, pitch=0, fov=1, supersample=False)
    >>> mirror(eye, 0.5).origin.tolist()
    [0.0, -1.0, 0.0]
    """
    flip = np.array([1.0, -1.0, 1.0])
    origin = camera.origin * flip + np.array([0.0, 2 * level, 0.0])
    return Camera(origin=origin, basis=camera.basis * flip, u=camera.u, v=camera.v, pixel=camera.pixel)


def sun_camera(direction: Doubles, *, low: Doubles, high: Doubles, texels: int) -> Camera:
    """A camera far away towards the sun that just holds a box of the world: its depths are the shadow map.

    Args:
        direction: unit vector to the sun.
        low: lowest corner of the box.
        high: highest corner of the box.
        texels: side of the map.

    >>> overhead = sun_camera(np.array([0.6, 0.8, 0.0]), low=np.zeros(3), high=np.ones(3), texels=8)
    >>> overhead.shape, overhead.basis[2].tolist()
    ((8, 8), [-0.6, -0.8, -0.0])
    """
    distance = 2000.0
    centre = (low + high) / 2
    forward = -direction
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    basis = np.stack([right, np.cross(forward, right), forward])
    corners = np.array(
        [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    )
    origin = centre + distance * direction
    seen = (corners - origin) @ basis.T
    tangents = seen[:, :2] / seen[:, 2:]
    (u0, v0), (u1, v1) = tangents.min(0), tangents.max(0)
    return Camera(
        origin=origin,
        basis=basis,
        u=np.linspace(u0, u1, texels, dtype=np.float32),
        v=np.linspace(v1, v0, texels, dtype=np.float32),
        pixel=float((u1 - u0) / texels),
    )
