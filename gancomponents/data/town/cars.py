"""Cars, vans and trucks: a body, a glazed cabin and two axles each, parked at the kerbs or driving."""

import math
from dataclasses import dataclass

from gancomponents.data.town.looks import Palette
from gancomponents.data.town.noise import Dice
from gancomponents.data.town.plan import Plan
from gancomponents.data.town.solids import Colour, Material, Plane, Solids

__all__ = ["park_cars"]


@dataclass(frozen=True)
class _Model:
    """Measures of a vehicle, metres; z runs from its tail (negative) to its nose.

    Args:
        length: over all.
        width: over all.
        belt: height at which the windows start.
        roof: height over all.
        nose: z where the windscreen starts.
        screen: z where the windscreen meets the roof.
        rear: z where the roof ends.
        tail: z where the rear window ends.
        bonnet: height of the front edge.
        boot: height of the rear edge.
        wheel: radius of the wheels.
    """

    length: float
    width: float
    belt: float
    roof: float
    nose: float
    screen: float
    rear: float
    tail: float
    bonnet: float
    boot: float
    wheel: float


_MODELS: dict[str, tuple[float, _Model]] = {
    "hatchback": (0.34, _Model(3.9, 1.72, 0.92, 1.48, 0.95, 0.25, -1.3, -1.85, 0.74, 0.88, 0.31)),
    "sedan": (0.26, _Model(4.6, 1.8, 0.9, 1.43, 0.9, 0.15, -0.95, -1.7, 0.72, 0.86, 0.32)),
    "estate": (0.14, _Model(4.6, 1.8, 0.94, 1.5, 0.95, 0.25, -1.7, -2.15, 0.74, 0.92, 0.32)),
    "suv": (0.14, _Model(4.5, 1.88, 1.08, 1.74, 1.0, 0.4, -1.6, -2.1, 0.92, 1.05, 0.37)),
    "van": (0.09, _Model(5.0, 1.95, 1.2, 2.15, 1.85, 1.1, -2.4, -2.45, 1.02, 1.2, 0.34)),
    "truck": (0.03, _Model(6.6, 2.2, 1.35, 2.4, 3.1, 2.75, 1.5, 1.45, 1.2, 1.3, 0.45)),
}


def _edge(z0: float, y0: float, z1: float, y1: float) -> Plane:
    """The half-space below (or before) the line through two points of the side view, (z0, y0) to (z1, y1)."""
    ny, nz = z0 - z1, y1 - y0
    if ny < 0 or (ny == 0 and nz * (z0 + z1) < 0):
        ny, nz = -ny, -nz
    return (0.0, ny, nz, ny * y0 + nz * z0)


class _Works:
    def __init__(self, solids: Solids, palette: Palette, dice: Dice):
        self.solids, self.palette, self.dice = solids, palette, dice

    def car(self, x: float, y: float, z: float, heading: float) -> None:
        """One vehicle standing at (x, y, z)."""
        dice = self.dice
        name = dice.weighted({k: v[0] for k, v in _MODELS.items()})
        model = _MODELS[name][1]
        kind = {"van": "van", "truck": "truck"}.get(name, "car")
        paint = dice.pick(self.palette.cars)
        yaw = (math.cos(heading), math.sin(heading))
        seed = dice.random()
        self._body(model, (x, y, z), yaw, paint, kind, seed)
        self._cabin(model, (x, y, z), yaw, paint, kind, seed, glazed=name != "van")
        if name == "truck":
            self._load(model, (x, y, z), yaw, kind)
        axle = 0.3 * model.length
        for along in (axle, -axle):
            self.solids.cylinder(
                (x + yaw[1] * along, y + model.wheel, z + yaw[0] * along),
                (model.width / 2 - 0.015, model.wheel, model.wheel),
                axis=0,
                yaw=yaw,
                material=Material.WHEEL,
                kind=kind,
                colour=(0.012, 0.012, 0.013),
                colour2=(0.35, 0.36, 0.37),
                extras=(model.wheel,),
            )

    def _body(
        self,
        m: _Model,
        at: tuple[float, float, float],
        yaw: tuple[float, float],
        paint: Colour,
        kind: str,
        seed: float,
    ) -> None:
        half, side = m.length / 2, m.width / 2
        planes: list[Plane] = [
            # Flanks lean in above the sills; the outline from the side is bonnet, belt and boot.
            (1.0, 0.0, 0.0, side),
            (-1.0, 0.0, 0.0, side),
            (1.0, 0.22, 0.0, side + 0.22 * 0.62),
            (-1.0, 0.22, 0.0, side + 0.22 * 0.62),
            (0.0, -1.0, 0.0, -0.2),
            (0.0, 1.0, 0.0, m.belt + 0.02),
            _edge(m.nose, m.belt + 0.02, half - 0.08, m.bonnet),
            (0.0, 0.16, 1.0, half + 0.16 * 0.45),
            (0.0, 0.12, -1.0, half + 0.12 * 0.5),
            (0.0, -0.5, 1.0, half - 0.5 * 0.32),
            (0.0, -0.5, -1.0, half - 0.5 * 0.32),
        ]
        if m.tail > -half + 0.35:
            planes.append(_edge(m.tail, m.belt + 0.02, -half + 0.06, m.boot))
        self.solids.solid(
            planes,
            centre=at,
            low=(-side, 0.18, -half - 0.05),
            high=(side, m.belt + 0.02, half + 0.05),
            yaw=yaw,
            material=Material.CAR_BODY,
            kind=kind,
            colour=paint,
            seed=seed,
            extras=(half, side, 0.3 * m.length, m.wheel, m.belt, m.bonnet),
        )

    def _cabin(
        self,
        m: _Model,
        at: tuple[float, float, float],
        yaw: tuple[float, float],
        paint: Colour,
        kind: str,
        seed: float,
        *,
        glazed: bool,
    ) -> None:
        side = m.width / 2 - 0.06
        lean = 0.28 if m.roof < 1.9 else 0.07
        planes: list[Plane] = [
            (1.0, lean, 0.0, side + lean * m.belt),
            (-1.0, lean, 0.0, side + lean * m.belt),
            (0.0, 1.0, 0.0, m.roof),
            (0.0, -1.0, 0.0, -m.belt + 0.1),
            _edge(m.nose, m.belt, m.screen, m.roof),
            _edge(m.tail, m.belt, m.rear, m.roof),
            # A soft edge where screen and roof meet.
            _edge(m.screen + 0.12, m.roof - 0.07, m.screen - 0.35, m.roof + 0.01),
            _edge(m.rear - 0.08, m.roof - 0.07, m.rear + 0.3, m.roof + 0.01),
        ]
        self.solids.solid(
            planes,
            centre=at,
            low=(-side, m.belt - 0.1, m.tail - 0.15),
            high=(side, m.roof, m.nose + 0.15),
            yaw=yaw,
            material=Material.CAR_CABIN,
            kind=kind,
            colour=paint,
            seed=seed,
            extras=(m.belt, m.roof, m.nose, m.tail, 1.0 if glazed else 0.0, m.screen),
        )

    def _load(self, m: _Model, at: tuple[float, float, float], yaw: tuple[float, float], kind: str) -> None:
        half, side = m.length / 2, m.width / 2
        z = (1.35 - half) / 2
        self.solids.box(
            (at[0] + yaw[1] * z, at[1] + 2.0, at[2] + yaw[0] * z),
            (side + 0.08, 1.1, (1.35 + half) / 2),
            yaw=yaw,
            material=Material.PLAIN,
            kind=kind,
            colour=self.dice.pick(self.palette.trims),
            seed=self.dice.random(),
        )


def park_cars(solids: Solids, plan: Plan, palette: Palette, dice: Dice) -> None:
    """Rows of parked cars along the kerbs, some traffic on the lanes between them."""
    works = _Works(solids, palette, dice)
    for sign, side in zip((-1.0, 1.0), plan.sides, strict=True):
        fill = min(0.85, plan.density * dice.uniform(0.05, 0.75))
        x = sign * (side.kerb - 1.05)
        z = dice.uniform(-7, 4)
        while z < min(plan.length, 80):
            if dice.chance(fill) and not plan.crosses(z - 4, z + 4) and _clear(plan, x, z):
                turned = dice.chance(0.85) == (sign > 0)
                heading = (0.0 if turned else math.pi) + dice.uniform(-0.03, 0.03)
                works.car(x + dice.uniform(-0.1, 0.1), plan.ground(z), z, heading)
            z += dice.uniform(5.4, 7.0)
    for sign in (-1.0, 1.0):
        edge = plan.sides[0 if sign < 0 else 1].kerb
        lane = max(1.1, min(edge - 3.1, 2.2))
        z = dice.uniform(7, 40)
        while z < 90:
            if dice.chance(0.4 * plan.density) and edge > 4.2 and _clear(plan, sign * lane, z, 7.0):
                works.car(sign * lane, plan.ground(z), z, 0.0 if sign > 0 else math.pi)
            z += dice.uniform(10, 35)
    if plan.crossing < math.inf and dice.chance(0.5):
        z = plan.crossing + plan.crossing_width * (0.28 if dice.chance(0.5) else 0.72)
        x = dice.uniform(8, 16) * (1 if dice.chance(0.5) else -1)
        works.car(x, 0.0, z, math.pi / 2 if dice.chance(0.5) else -math.pi / 2)


def _clear(plan: Plan, x: float, z: float, ahead: float = 4.5) -> bool:
    """Whether a car at (x, z) leaves the camera room."""
    return plan.free(x, z, 2.4) and not (abs(x - plan.pose.x) < 2.0 and -4 < z < ahead + 3)
