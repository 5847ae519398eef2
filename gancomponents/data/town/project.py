"""Solids as a camera sees them: linear and quadratic forms on its screen, and the rectangles they cover.

Written in w = 1 / depth, a half-space ``n . p <= c`` seen along ``origin + depth * d`` is linear on the screen:
with s = c - n . origin, the ray is inside while ``w <= n . d / s`` (s < 0: the eye is outside, an entry) or while
``w >= n . d / s`` (s > 0, an exit). A convex solid is hit where its smallest entry exceeds its largest exit, at
that smallest entry. A quadric adds the two roots of a quadratic in w. No division per pixel, no marching, no
triangles.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.camera import Camera
from gancomponents.data.town.solids import Geometry

__all__ = ["Seen", "project"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

_NEAR = 0.15  # metres; what is nearer lies behind the lens
_EDGES = np.array([(a, a | b) for b in (1, 2, 4) for a in range(8) if not a & b])
_CORNERS = np.array([[c & 1, c >> 1 & 1, c >> 2 & 1] for c in range(8)], dtype=bool)


@dataclass(frozen=True)
class Seen:
    """N solids with M planes from one camera.

    Args:
        order: the planes, entries before exits within each solid, (M,).
        entries: number of entries of each solid, (N,).
        linear: w of each plane, in that order, as a + b u + c v, (M, 3).
        curved: which solids have a quadric, (N,).
        middle: (u, v) about which the quadratic forms are written, (N, 2).
        slope: mean of a quadric's two roots as a + b du + c dv, (N, 3).
        spread: squared half distance of the roots: factors of 1, du, dv, du², du dv, dv², (N, 6).
        chord: half distance of the roots in the middle, (N,).
        grain: texels of leaf noise to a unit of u, (N,).
        rectangle: rows and columns touched: row0, row1, column0, column1, (N, 4).
        nearest: bound on w, (N,).
        visible: solids to cast, nearest first.
    """

    order: Ints
    entries: Ints
    linear: Floats
    curved: Bools
    middle: Floats
    slope: Floats
    spread: Floats
    chord: Floats
    grain: Floats
    rectangle: Ints
    nearest: Floats
    visible: Ints


def project(geometry: Geometry, camera: Camera) -> Seen:
    """A geometry as a camera sees it."""
    right, up, forward = camera.basis
    planes = geometry.planes
    gap = planes[:, 3] - planes[:, :3] @ camera.origin
    gap = np.where(np.abs(gap) < 1e-7, 1e-7, gap)
    exits = gap > 0
    order = np.argsort(geometry.plane_solid * 2 + exits, kind="stable").astype(np.int32)
    entries = np.bincount(geometry.plane_solid[~exits], minlength=len(geometry)).astype(np.int32)
    linear = (planes[:, :3] @ np.stack([forward, right, up], axis=1) / gap[:, None])[order]

    bounds, nearest = _bounds(geometry, camera)
    bounded = np.where(np.isfinite(bounds), bounds, 0.0)
    middle = np.stack([bounded[:, 0] + bounded[:, 1], bounded[:, 2] + bounded[:, 3]], axis=1) / 2
    slope, spread, inside = _quadrics(geometry, camera, middle)

    rows, columns = camera.shape
    u, v = camera.u.astype(np.float64), camera.v.astype(np.float64)
    rectangle = np.stack(
        [
            np.searchsorted(-v, -bounds[:, 3], side="left"),
            np.searchsorted(-v, -bounds[:, 2], side="right"),
            np.searchsorted(u, bounds[:, 0], side="left"),
            np.searchsorted(u, bounds[:, 1], side="right"),
        ],
        axis=1,
    ).astype(np.int32)
    rectangle = np.clip(rectangle, 0, [rows, rows, columns, columns]).astype(np.int32)
    curved = np.asarray((geometry.curvature > 0).any(axis=1))
    shown = (rectangle[:, 1] > rectangle[:, 0]) & (rectangle[:, 3] > rectangle[:, 2]) & np.isfinite(nearest)
    shown &= np.where(curved, ~inside, entries > 0)  # a camera inside a solid does not see it
    bound = (1 / np.maximum(nearest, _NEAR)).astype(np.float32)
    visible = np.flatnonzero(shown)
    visible = visible[np.argsort(-bound[visible], kind="stable")]
    away = np.sqrt(((geometry.centre - camera.origin) ** 2).sum(axis=1))
    return Seen(
        order=order,
        entries=entries,
        linear=linear.astype(np.float32),
        curved=curved,
        middle=middle.astype(np.float32),
        slope=slope,
        spread=spread,
        chord=np.sqrt(np.maximum(spread[:, 0], np.float32(1e-12))),
        grain=(3 * away / geometry.cut_scale).astype(np.float32),
        rectangle=rectangle,
        nearest=bound * np.float32(1.0001),
        visible=visible.astype(np.int32),
    )


def _rotate(turn: Doubles, vectors: Doubles) -> Doubles:
    """World vectors (N, 3) in the axes of N solids."""
    cos, sin = turn[:, 0], turn[:, 1]
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=-1)


def _box_corners(geometry: Geometry) -> Doubles:
    """World corners of every solid's box, (N, 8, 3)."""
    local = np.where(_CORNERS[None], geometry.high[:, None, :], geometry.low[:, None, :])
    cos, sin = geometry.turn[:, :1], geometry.turn[:, 1:]
    x, z = local[..., 0], local[..., 2]
    world = np.stack([cos * x + sin * z, local[..., 1], cos * z - sin * x], axis=-1)
    return world + geometry.centre[:, None, :]


def _bounds(geometry: Geometry, camera: Camera) -> tuple[Doubles, Doubles]:
    """Screen bounds (N, 4) = u0, u1, v0, v1 of every solid's box, and its nearest depth (N,)."""
    seen = (_box_corners(geometry) - camera.origin) @ camera.basis.T
    depth = seen[..., 2]
    tangents = seen[..., :2] / np.maximum(depth, _NEAR)[..., None]
    least, most, nearest = tangents.min(axis=1), tangents.max(axis=1), depth.min(axis=1)
    # Boxes that reach behind the camera are cut at the near plane, edge by edge.
    reaching = np.flatnonzero(nearest < _NEAR)
    start, end = seen[reaching[:, None], _EDGES[:, 0]], seen[reaching[:, None], _EDGES[:, 1]]
    rise = end[..., 2] - start[..., 2]
    cut = (_NEAR - start[..., 2]) / np.where(np.abs(rise) < 1e-12, 1e-12, rise)
    low = np.where(start[..., 2] < _NEAR, cut, 0.0)[..., None]
    high = np.where(end[..., 2] < _NEAR, cut, 1.0)[..., None]
    ends = np.concatenate([start + (end - start) * low, start + (end - start) * high], axis=1)
    behind = (start[..., 2] < _NEAR) & (end[..., 2] < _NEAR)
    behind = np.concatenate([behind, behind], axis=1)[..., None]
    tangents = ends[..., :2] / np.maximum(ends[..., 2:], _NEAR * 0.999)
    least[reaching] = np.where(behind, np.inf, tangents).min(axis=1)
    most[reaching] = np.where(behind, -np.inf, tangents).max(axis=1)
    nearest[reaching] = np.where(behind[..., 0], np.inf, ends[..., 2]).min(axis=1)
    return np.stack([least[:, 0], most[:, 0], least[:, 1], most[:, 1]], axis=1), nearest


def _quadrics(geometry: Geometry, camera: Camera, middle: Doubles) -> tuple[Floats, Floats, Bools]:
    """Linear and quadratic forms of the roots of A w² + 2 B w + C = 0, and whether the eye is inside.

    In the solid's own axes, with K = diag(1/r²), o the eye and d the ray: A = oKo - 1, B = oKd, C = dKd.
    """
    curvature, turn = geometry.curvature, geometry.turn
    eye = _rotate(turn, camera.origin - geometry.centre)
    right, up, forward = (
        _rotate(turn, np.broadcast_to(axis, (len(geometry), 3)).astype(np.float64)) for axis in camera.basis
    )
    # The forms are written about each solid's middle, where float32 keeps its digits.
    forward = forward + middle[:, :1] * right + middle[:, 1:] * up
    a = (eye * curvature * eye).sum(axis=1) - 1
    inside = a <= 0
    a = np.where(inside, 1.0, a)[:, None]
    d = np.stack([forward, right, up], axis=1)
    b = np.einsum("nk,njk->nj", eye * curvature, d) / a
    c = np.einsum("nik,nk,njk->nij", d, curvature, d) / a[:, :, None]
    form = b[:, :, None] * b[:, None, :] - c
    terms = [
        form[:, 0, 0],
        2 * form[:, 0, 1],
        2 * form[:, 0, 2],
        form[:, 1, 1],
        2 * form[:, 1, 2],
        form[:, 2, 2],
    ]
    return (-b).astype(np.float32), np.stack(terms, axis=1).astype(np.float32), inside
