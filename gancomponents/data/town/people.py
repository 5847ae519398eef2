"""People: each a dozen ellipsoids, walking on the pavements or across the road."""

import math

from gancomponents.data.town.looks import SKINS, Palette
from gancomponents.data.town.noise import Dice
from gancomponents.data.town.plan import Plan
from gancomponents.data.town.solids import Colour, Material, Solids

__all__ = ["let_people_walk"]


class _Crowd:
    def __init__(self, solids: Solids, palette: Palette, dice: Dice):
        self.solids, self.palette, self.dice = solids, palette, dice

    def _limb(
        self,
        at: tuple[float, float, float],
        radii: tuple[float, float, float],
        colour: Colour,
        yaw: tuple[float, float],
    ) -> None:
        self.solids.ellipsoid(
            at,
            radii,
            yaw=yaw,
            material=Material.PERSON,
            kind="person",
            colour=colour,
            seed=self.dice.random(),
        )

    def person(self, x: float, z: float, base: float, heading: float) -> None:
        """Somebody walking: two legs in stride, hips, chest, arms, neck and head with hair."""
        dice = self.dice
        k = dice.uniform(0.88, 1.08) if dice.chance(0.88) else dice.uniform(0.6, 0.75)
        cos, sin = math.cos(heading), math.sin(heading)
        yaw = (cos, sin)
        top, legs = dice.pick(self.palette.clothes), dice.pick(self.palette.clothes)
        skin, hair = (
            dice.pick(SKINS),
            dice.pick(((0.01, 0.008, 0.006), (0.08, 0.04, 0.015), (0.35, 0.25, 0.1))),
        )
        stride = dice.uniform(0.02, 0.16) * k

        def at(side: float, up: float, ahead: float) -> tuple[float, float, float]:
            return (x + cos * side * k + sin * ahead, base + up * k, z + cos * ahead - sin * side * k)

        for side, ahead in ((0.1, stride), (-0.1, -stride)):
            self._limb(at(side, 0.42, ahead), (0.085 * k, 0.46 * k, 0.1 * k), legs, yaw)
            self._limb(
                at(side, 0.04, ahead + 0.05), (0.05 * k, 0.05 * k, 0.13 * k), (0.02, 0.018, 0.016), yaw
            )
            self._limb(at(side * 2.1, 1.1, -ahead * 0.7), (0.06 * k, 0.32 * k, 0.07 * k), top, yaw)
        self._limb(at(0, 0.9, 0), (0.17 * k, 0.2 * k, 0.12 * k), legs, yaw)
        self._limb(at(0, 1.18, 0), (0.21 * k, 0.34 * k, 0.135 * k), top, yaw)
        self._limb(at(0, 1.62, 0.01), (0.085 * k, 0.125 * k, 0.1 * k), skin, yaw)
        self._limb(at(0, 1.68, -0.015), (0.092 * k, 0.09 * k, 0.105 * k), hair, yaw)


def let_people_walk(solids: Solids, plan: Plan, palette: Palette, dice: Dice) -> None:
    """People on the pavements, a few crossing the road."""
    if not plan.people:
        return
    crowd = _Crowd(solids, palette, dice)
    busy = "urban" in (plan.sides[0].style, plan.sides[1].style)
    for _ in range(round(plan.density * dice.uniform(1, 8 if busy else 5))):
        z = dice.uniform(4, 38)
        if dice.chance(0.13):
            x, heading, base = dice.uniform(-2.0, 2.0), math.pi / 2, plan.ground(z)
        else:
            sign = 1.0 if dice.chance(0.5) else -1.0
            side = plan.sides[0 if sign < 0 else 1]
            x = sign * dice.uniform(side.verge + 0.5, side.paving - 0.3)
            heading, base = 0.0, plan.ground(z) + (0.0 if plan.crosses(z, z) else side.step)
        heading += dice.uniform(-0.3, 0.3) + (math.pi if dice.chance(0.5) else 0.0)
        if plan.free(x, z, 0.4):
            crowd.person(x, z, base, heading)
