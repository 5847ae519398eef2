"""Ray casting: what every ray of a camera hits first, exactly, one solid and its screen rectangle at a time.

Solids that cover few pixels, the most of them, are cast all together, as one list of (solid, pixel) pairs.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.camera import Camera
from gancomponents.data.town.noise import FINE, TILE, noise_tile
from gancomponents.data.town.project import Seen, project
from gancomponents.data.town.solids import Cut, Geometry

__all__ = ["Hits", "cast"]

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

_BAND = 1 << 15  # most pixels worked on at a time: a few such arrays fit in the second-level cache
_FEW = 800  # a solid on fewer pixels than this is cheaper in the common list
_RAGGED = np.float32(0.62)  # how far the gaps between leaves reach in


@dataclass(frozen=True)
class Hits:
    """What the rays hit.

    Args:
        inverse: 1 / depth of the hit, 0 where there is only sky, (H, W).
        surface: plane hit (below the number of planes) or that number plus the solid whose quadric was hit, -1 for
            the sky, (H, W).
    """

    inverse: Floats
    surface: Ints


def cast(geometry: Geometry, camera: Camera, *, behind: Floats | None = None, smallest: int = 1) -> Hits:
    """First hits of a camera's rays.

    Args:
        geometry: the scene.
        camera: the rays.
        behind: if given, hits count only at ``1 / depth`` up to this (a mirror's surface), (H, W).
        smallest: solids whose rectangle holds fewer samples are left out.

    Shape: H, W are the camera's rows and columns.

    >>> from gancomponents.data.town.camera import photograph
    >>> from gancomponents.data.town.solids import Material, Solids
    >>> solids = Solids()
    >>> solids.box((0, 0, 5), (1, 1, 1), material=Material.PLAIN, kind="thing", colour=(0.5, 0.5, 0.5))
    >>> eye = photograph(3, 3, origin=np.zeros(3), yaw=0, pitch=0, fov=1.0, supersample=False)
    >>> float(1 / cast(solids.compile(), eye).inverse[1, 1])
    4.0
    """
    seen = project(geometry, camera)
    inverse = np.zeros(camera.shape, dtype=np.float32)
    surface = np.full(camera.shape, -1, dtype=np.int32)
    top, bottom, left, right = seen.rectangle.T
    area = (bottom - top) * (right - left)
    order = seen.visible
    common = (area[order] <= _FEW) & (geometry.cut[order] != Cut.PICKETS)
    hits = Hits(inverse, surface)
    for solid in order[~common].tolist():
        _cast_one(geometry, camera, seen, solid, hits, behind)
    few = order[common & (area[order] >= smallest)]
    if len(few):
        _cast_many(geometry, camera, seen, few, hits, behind)
    return hits


def _cast_one(
    geometry: Geometry, camera: Camera, seen: Seen, solid: int, hits: Hits, behind: Floats | None
) -> None:
    """Cast one solid into its rectangle, a few rows at a time."""
    top, bottom, left, right = seen.rectangle[solid].tolist()
    first, last = int(geometry.starts[solid]), int(geometry.starts[solid + 1])
    entries = int(seen.entries[solid])
    curved, cut = bool(seen.curved[solid]), int(geometry.cut[solid])
    number = len(geometry.planes) + solid
    step = max(1, _BAND // (max(last - first, 1) * (right - left)))
    for row in range(top, bottom, step):
        window = (slice(row, min(row + step, bottom)), slice(left, right))
        w = hits.inverse[window]
        if w.min() >= seen.nearest[solid]:
            continue  # hidden behind what is there already
        u, v = camera.u[window[1]], camera.v[window[0]]
        enter: list[Floats] = []
        leave: list[Floats] = []
        for k, (a, b, c) in enumerate(seen.linear[first:last]):
            (enter if k < entries else leave).append((a + c * v)[:, None] + (b * u)[None, :])
        flat = len(enter)
        root: Floats | None = None
        if curved:
            near, far, root = _roots(seen, solid, u, v)
            enter.append(near)
            leave.append(far)
        hit = enter[0] if len(enter) == 1 else np.minimum(enter[0], enter[1])
        for more in enter[2:]:
            np.minimum(hit, more, out=hit)
        shown = hit > w
        for wall in leave:
            shown &= hit > wall
        if not leave:
            shown &= hit > 0
        if behind is not None:
            shown &= hit <= behind[window]
        if cut == Cut.LEAVES and root is not None:
            shown &= root > _RAGGED * _leaf_noise(geometry, camera, seen, solid, u[None, :], v[:, None])
        elif cut == Cut.PICKETS:
            shown &= _pickets(geometry, camera, solid, u, v, hit)
        if not shown.any():
            continue
        np.copyto(w, hit, where=shown)
        label = hits.surface[window]
        np.copyto(label, number if curved else seen.order[first], where=shown)
        for k in range(0 if curved else 1, flat):
            np.copyto(label, seen.order[first + k], where=shown & (enter[k] == hit))


def _roots(seen: Seen, solid: int, u: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
    """Entry and exit of a quadric over a window, and half their distance; entry -1 where it is missed."""
    du, dv = u - seen.middle[solid, 0], v - seen.middle[solid, 1]
    s, b = seen.spread[solid], seen.slope[solid]
    spread = (s[0] + (s[2] + s[5] * dv) * dv)[:, None] + ((s[1] + s[3] * du) * du)[None, :]
    if s[4]:
        spread += (s[4] * dv)[:, None] * du[None, :]
    root = np.sqrt(np.maximum(spread, 0))
    mean = (b[0] + b[2] * dv)[:, None] + (b[1] * du)[None, :]
    return np.where(spread > 0, mean + root, np.float32(-1)), mean - root, root


def _leaf_noise(
    geometry: Geometry, camera: Camera, seen: Seen, solid: int | Ints, u: Floats, v: Floats
) -> Floats:
    """How deep a crown is cut in, in units of its half chord: leaf-sized noise that is pinned to the crown.

    The same holes at the same distance, whatever the resolution.
    """
    offset = np.float32(64 * TILE) + 499 * geometry.seed[solid]
    column = ((u - seen.middle[solid, 0]) * seen.grain[solid] + offset).astype(np.int32) & (TILE - 1)
    row = ((v - seen.middle[solid, 1]) * seen.grain[solid] + offset).astype(np.int32) & (TILE - 1)
    noise: Floats = _leaf_tile().take(row * TILE + column) * seen.chord[solid]
    return noise


@lru_cache(maxsize=1)
def _leaf_tile() -> Floats:
    """Smooth noise, evenly spread over 0..1."""
    tile = noise_tile(FINE)
    return (np.argsort(np.argsort(tile)) / len(tile)).astype(np.float32)


def _pickets(geometry: Geometry, camera: Camera, solid: int, u: Floats, v: Floats, hit: Floats) -> Bools:
    """Where a fence is solid: pickets along its longer horizontal axis, and the two rails that tie them."""
    origin, basis = camera.origin - geometry.centre[solid], camera.basis
    cos, sin = geometry.turn[solid]
    across = geometry.high[solid, 0] > geometry.high[solid, 2]
    along = np.array([cos, 0.0, -sin]) if across else np.array([sin, 0.0, cos])
    depth = 1 / np.maximum(hit, np.float32(1e-6))

    def coordinate(axis: npt.NDArray[np.float64], unit: float) -> Floats:
        right, up, forward = (np.float32(b @ axis / unit) for b in basis)
        return np.float32(origin @ axis / unit) + ((forward + up * v)[:, None] + (right * u)[None, :]) * depth

    position = coordinate(along, float(geometry.cut_scale[solid]))
    height = coordinate(np.array([0.0, 1.0, 0.0]), float(geometry.high[solid, 1]))
    picket = (position - np.floor(position)) < 0.55
    return picket | (np.abs(height - 0.62) < 0.1) | (np.abs(height + 0.45) < 0.1)


def _cast_many(
    geometry: Geometry, camera: Camera, seen: Seen, solids: Ints, hits: Hits, behind: Floats | None
) -> None:
    """Cast many small solids at once, as a list of (solid, pixel) pairs."""
    top, bottom, left, right = seen.rectangle[solids].T
    wide = right - left
    area = (bottom - top) * wide
    member = np.repeat(np.arange(len(solids), dtype=np.int32), area)
    place = np.arange(len(member), dtype=np.int32) - np.repeat(np.cumsum(area) - area, area).astype(np.int32)
    line = place // wide[member]
    row, column = top[member] + line, left[member] + place - line * wide[member]
    pixel = row * np.int32(len(camera.u)) + column
    solid = solids[member]
    # Whatever stands in front already: most pairs end here.
    ahead = hits.inverse.reshape(-1).take(pixel) < seen.nearest.take(solid)
    solid, pixel, row, column = solid[ahead], pixel[ahead], row[ahead], column[ahead]
    u, v = camera.u.take(column), camera.v.take(row)
    hit = np.full(len(solid), np.inf, dtype=np.float32)
    floor = np.zeros(len(solid), dtype=np.float32)
    surface = solid + np.int32(len(geometry.planes))
    starts, planes = geometry.starts.take(solid), np.diff(geometry.starts).take(solid)
    entries = seen.entries.take(solid)

    curved = np.flatnonzero(seen.curved.take(solid))
    if len(curved):
        s, cu, cv = solid[curved], u[curved], v[curved]
        du, dv = cu - seen.middle[:, 0].take(s), cv - seen.middle[:, 1].take(s)
        p, b = (np.take(form, s, axis=0).T for form in (seen.spread, seen.slope))
        spread = p[0] + (p[1] + p[3] * du + p[4] * dv) * du + (p[2] + p[5] * dv) * dv
        root = np.sqrt(np.maximum(spread, 0))
        mean = b[0] + b[1] * du + b[2] * dv
        missed = spread <= 0
        leafy = geometry.cut.take(s) == Cut.LEAVES
        if leafy.any():
            missed |= leafy & (root <= _RAGGED * _leaf_noise(geometry, camera, seen, s, cu, cv))
        hit[curved] = np.where(missed, np.float32(-1), mean + root)
        floor[curved] = np.maximum(mean - root, 0)
    for k in range(int(planes.max(initial=0))):
        some = np.flatnonzero(planes > k)
        a, b, c = np.take(seen.linear, starts[some] + k, axis=0).T
        w = a + b * u[some] + c * v[some]
        entry = entries[some] > k
        before = hit[some]
        closer = entry & (w < before)
        hit[some] = np.where(closer, w, before)
        surface[some] = np.where(closer, seen.order.take(starts[some] + k), surface[some])
        floor[some] = np.maximum(floor[some], np.where(entry, np.float32(0), w))

    current = hits.inverse.reshape(-1)
    shown = (hit > floor) & (hit > current.take(pixel)) & np.isfinite(hit)
    if behind is not None:
        shown &= hit <= behind.reshape(-1).take(pixel)
    hit, pixel, surface = hit[shown], pixel[shown], surface[shown]
    np.maximum.at(current, pixel, hit)
    first = current.take(pixel) == hit
    hits.surface.reshape(-1)[pixel[first]] = surface[first]
