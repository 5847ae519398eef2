"""Convex solids: intersections of half-spaces and at most one quadric, in flat arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

__all__ = ["EXTRAS", "KINDS", "Colour", "Cut", "Geometry", "Kind", "Material", "Solids"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Colour = tuple[float, float, float]
Plane = tuple[float, float, float, float]

#: Free numbers that a solid hands to its material.
EXTRAS = 6
_FAR = 1e-9  # 1 / radius² of a quadric along an axis on which it does not end


class Material(IntEnum):
    """How a surface is painted; ``materials.py`` holds one function for each."""

    ROAD = 0
    PAVING = 1
    GRASS = 2
    FACADE = 3
    ROOF = 4
    LEAVES = 5
    BARK = 6
    CAR_BODY = 7
    CAR_CABIN = 8
    PLAIN = 9
    HILL = 10
    POND = 11
    PLANKS = 12
    SIGN = 13
    STONE = 14
    WHEEL = 15
    PERSON = 16


class Cut(IntEnum):
    """Which parts of a solid's outline are cut away."""

    NONE = 0
    LEAVES = 1
    PICKETS = 2


@dataclass(frozen=True)
class Kind:
    """What a solid is called: class id of the common table, and of Virtual KITTI 2's table."""

    label: int
    kitti: int


#: Everything that stands in a street.
KINDS: dict[str, Kind] = {
    "sky": Kind(9, 1),
    "water": Kind(0, 14),
    "ground": Kind(1, 5),
    "terrain": Kind(5, 0),
    "building": Kind(2, 4),
    "sign": Kind(3, 7),
    "traffic light": Kind(3, 8),
    "pole": Kind(3, 9),
    "rail": Kind(3, 6),
    "hedge": Kind(4, 3),
    "tree": Kind(7, 2),
    "car": Kind(6, 12),
    "van": Kind(6, 13),
    "truck": Kind(6, 11),
    "person": Kind(8, 14),
    "thing": Kind(10, 10),
}
_KIND_IDS = {name: index for index, name in enumerate(KINDS)}
_BOX: tuple[tuple[int, float], ...] = ((0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0), (2, 1.0), (2, -1.0))


@dataclass(frozen=True)
class Geometry:
    """The solids of a scene, ready for casting.

    Args:
        planes: outward normal and offset, ``n . p <= c`` inside, (M, 4).
        plane_solid: solid of each plane, (M,).
        starts: first plane of each solid, (N + 1,).
        centre: origin of each solid's own axes, (N, 3).
        turn: cosine and sine of its yaw, (N, 2).
        low: lowest corner in its own axes, (N, 3).
        high: highest corner in its own axes, (N, 3).
        curvature: 1 / radius² of its quadric along its own axes, 0 without a quadric, (N, 3).
        cut: a :class:`Cut` each, (N,).
        cut_scale: size of a leaf or picket, metres, (N,).
        material: a :class:`Material` each, (N,).
        kind: index into ``KINDS`` each, (N,).
        colours: two linear-light colours each, (N, 2, 3).
        seed: a random number in [0, 1) each, (N,).
        extras: the material's free numbers, (N, EXTRAS).
    """

    planes: Doubles
    plane_solid: Ints
    starts: Ints
    centre: Doubles
    turn: Doubles
    low: Doubles
    high: Doubles
    curvature: Doubles
    cut: Ints
    cut_scale: Floats
    material: Ints
    kind: Ints
    colours: Floats
    seed: Floats
    extras: Floats

    def __len__(self) -> int:
        return len(self.centre)


class Solids:
    """Collects solids one by one; :meth:`compile` turns them into arrays.

    >>> solids = Solids()
    >>> solids.box((0, 1, 5), (1, 1, 1), material=Material.PLAIN, kind="thing", colour=(0.5, 0.5, 0.5))
    >>> geometry = solids.compile()
    >>> len(geometry), geometry.planes.shape
    (1, (6, 4))
    """

    def __init__(self) -> None:
        self._planes: list[Plane] = []
        self._starts = [0]
        self._frames: list[tuple[float, ...]] = []
        self._looks: list[tuple[float, ...]] = []
        self._tags: list[tuple[int, int, int]] = []

    def __len__(self) -> int:
        return len(self._frames)

    def box(
        self,
        centre: Sequence[float],
        half: Sequence[float],
        *,
        yaw: tuple[float, float] = (1.0, 0.0),
        taper: float = 0.0,
        **look: object,
    ) -> None:
        """A box around ``centre``; ``taper`` leans its four walls inwards (horizontal shift per height)."""
        planes = []
        for axis, sign in _BOX:
            normal = [0.0, 0.0, 0.0]
            normal[axis] = sign
            offset = half[axis]
            if taper and axis != 1:
                normal[1] = taper
                offset -= taper * half[1]
            planes.append((normal[0], normal[1], normal[2], offset))
        low = (-half[0], -half[1], -half[2])
        self.solid(planes, centre=centre, low=low, high=half, yaw=yaw, **look)  # type: ignore[arg-type]

    def ellipsoid(
        self,
        centre: Sequence[float],
        radii: Sequence[float],
        *,
        yaw: tuple[float, float] = (1.0, 0.0),
        **look: object,
    ) -> None:
        """An ellipsoid with its axes along the solid's own."""
        low = (-radii[0], -radii[1], -radii[2])
        self.solid([], centre=centre, low=low, high=radii, yaw=yaw, radii=radii, **look)  # type: ignore[arg-type]

    def cylinder(
        self,
        centre: Sequence[float],
        half: Sequence[float],
        *,
        axis: int,
        yaw: tuple[float, float] = (1.0, 0.0),
        **look: object,
    ) -> None:
        """A closed cylinder that fills the box ``half`` and runs along ``axis`` (0, 1 or 2)."""
        planes = []
        for sign in (1.0, -1.0):
            normal = [0.0, 0.0, 0.0]
            normal[axis] = sign
            planes.append((normal[0], normal[1], normal[2], half[axis]))
        radii = [half[k] if k != axis else 0.0 for k in range(3)]
        low = (-half[0], -half[1], -half[2])
        self.solid(planes, centre=centre, low=low, high=half, yaw=yaw, radii=radii, **look)  # type: ignore[arg-type]

    def solid(
        self,
        planes: Sequence[Plane],
        *,
        centre: Sequence[float],
        low: Sequence[float],
        high: Sequence[float],
        material: Material,
        kind: str,
        colour: Colour,
        colour2: Colour = (0.0, 0.0, 0.0),
        yaw: tuple[float, float] = (1.0, 0.0),
        radii: Sequence[float] | None = None,
        seed: float = 0.0,
        extras: Sequence[float] = (),
        cut: Cut = Cut.NONE,
        cut_scale: float = 0.1,
    ) -> None:
        """Any convex solid.

        Args:
            planes: half-spaces ``n . p <= c`` in the solid's own axes; none for a bare quadric.
            centre: origin of those axes in the world.
            low: lowest corner of a box around the solid, own axes.
            high: highest corner.
            material: paint.
            kind: a key of ``KINDS``.
            colour: main colour, linear light.
            colour2: second colour.
            yaw: cosine and sine of the turn about the vertical; a positive turn takes z towards x.
            radii: of a quadric about ``centre``; 0 where it does not end.
            seed: random number for the material.
            extras: at most ``EXTRAS`` numbers for the material.
            cut: outline cut away.
            cut_scale: size of a leaf or picket, metres.
        """
        cos, sin = yaw
        cx, cy, cz = centre
        for nx, ny, nz, offset in planes:
            wx, wz = cos * nx + sin * nz, cos * nz - sin * nx
            self._planes.append((wx, ny, wz, offset + wx * cx + ny * cy + wz * cz))
        self._starts.append(len(self._planes))
        bend = (0.0, 0.0, 0.0) if radii is None else tuple(1 / r**2 if r else _FAR for r in radii)
        self._frames.append((cx, cy, cz, cos, sin, *low, *high, *bend, cut_scale))
        self._looks.append((*colour, *colour2, seed, *extras, *(0.0,) * (EXTRAS - len(extras))))
        self._tags.append((int(cut), int(material), _KIND_IDS[kind]))

    def compile(self) -> Geometry:
        """The arrays of everything collected."""
        frames = np.array(self._frames, dtype=np.float64).reshape(-1, 15)
        looks = np.array(self._looks, dtype=np.float32).reshape(-1, 7 + EXTRAS)
        tags = np.array(self._tags, dtype=np.int32).reshape(-1, 3)
        starts = np.array(self._starts, dtype=np.int32)
        planes = np.array(self._planes, dtype=np.float64).reshape(-1, 4)
        planes /= np.sqrt((planes[:, :3] ** 2).sum(axis=1, keepdims=True))
        return Geometry(
            planes=planes,
            plane_solid=np.repeat(np.arange(len(frames), dtype=np.int32), np.diff(starts)),
            starts=starts,
            centre=frames[:, 0:3],
            turn=frames[:, 3:5],
            low=frames[:, 5:8],
            high=frames[:, 8:11],
            curvature=frames[:, 11:14],
            cut=tags[:, 0],
            cut_scale=frames[:, 14].astype(np.float32),
            material=tags[:, 1],
            kind=tags[:, 2],
            colours=looks[:, :6].reshape(-1, 2, 3),
            seed=looks[:, 6],
            extras=looks[:, 7:],
        )
