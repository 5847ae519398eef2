"""Street furniture: lamp posts, signs, traffic lights, bollards, railings, benches, bins."""

import math

from gancomponents.data.town.looks import Palette
from gancomponents.data.town.noise import Dice
from gancomponents.data.town.plan import Plan, Side
from gancomponents.data.town.solids import Colour, Cut, Material, Solids

__all__ = ["furnish"]


class _Fitter:
    def __init__(self, solids: Solids, plan: Plan, palette: Palette, dice: Dice):
        self.solids, self.plan, self.palette, self.dice = solids, plan, palette, dice

    def post(
        self, x: float, z: float, base: float, height: float, radius: float, colour: Colour, kind: str
    ) -> None:
        self.solids.cylinder(
            (x, base + height / 2 - 0.1, z),
            (radius, height / 2 + 0.1, radius),
            axis=1,
            material=Material.PLAIN,
            kind=kind,
            colour=colour,
            seed=self.dice.random(),
        )

    def block(
        self,
        x: float,
        y: float,
        z: float,
        half: tuple[float, float, float],
        colour: Colour,
        kind: str,
        yaw: float = 0,
    ) -> None:
        self.solids.box(
            (x, y, z),
            half,
            yaw=(math.cos(yaw), math.sin(yaw)),
            material=Material.PLAIN,
            kind=kind,
            colour=colour,
            seed=self.dice.random(),
        )

    def lamp(self, x: float, z: float, base: float, towards: float, modern: bool, colour: Colour) -> None:
        if not self.plan.free(x, z, 0.3):
            return
        height = 5.6 if modern else 3.6
        self.post(x, z, base, height, 0.07, colour, "pole")
        self.post(x, z, base, 0.7, 0.12, colour, "pole")
        if modern:
            self.block(x + towards * 0.65, base + height, z, (0.7, 0.04, 0.04), colour, "pole")
            self.block(
                x + towards * 1.2, base + height - 0.06, z, (0.32, 0.06, 0.12), (0.6, 0.6, 0.55), "pole"
            )
        else:
            for y, radii, tone in (
                (0.12, (0.2, 0.24, 0.2), (0.75, 0.72, 0.6)),
                (0.38, (0.14, 0.08, 0.14), colour),
            ):
                self.solids.ellipsoid(
                    (x, base + height + y, z), radii, material=Material.PLAIN, kind="pole", colour=tone
                )

    def sign(self, x: float, z: float, base: float) -> None:
        if not self.plan.free(x, z, 0.4):
            return
        dice = self.dice
        height = dice.uniform(2.2, 2.6)
        self.post(x, z, base, height, 0.04, dice.pick(self.palette.metals), "pole")
        face = dice.whole(0, 4)
        if face in (0, 1, 2):  # discs: prohibition, limit, mandatory
            radius = dice.uniform(0.3, 0.38)
            self.solids.cylinder(
                (x, base + height, z - 0.06),
                (radius, radius, 0.02),
                axis=2,
                material=Material.SIGN,
                kind="sign",
                colour=(0.0, 0.0, 0.0),
                extras=(float(face), radius, radius),
            )
        elif face == 3:  # a warning triangle
            self.solids.solid(
                [
                    (1.73, 1.0, 0.0, 0.5),
                    (-1.73, 1.0, 0.0, 0.5),
                    (0.0, -1.0, 0.0, 0.3),
                    (0.0, 0.0, 1.0, 0.02),
                    (0.0, 0.0, -1.0, 0.02),
                ],
                centre=(x, base + height, z - 0.06),
                low=(-0.47, -0.3, -0.02),
                high=(0.47, 0.5, 0.02),
                material=Material.SIGN,
                kind="sign",
                colour=(0.0, 0.0, 0.0),
                extras=(3.0, 0.47, 0.4),
            )
        else:
            half = (dice.uniform(0.35, 0.6), dice.uniform(0.22, 0.4), 0.02)
            self.solids.box(
                (x, base + height, z - 0.06),
                half,
                material=Material.SIGN,
                kind="sign",
                colour=dice.pick(((0.01, 0.06, 0.3), (0.01, 0.16, 0.06), (0.6, 0.6, 0.58))),
                extras=(4.0, half[0], half[1]),
            )

    def traffic_light(self, x: float, z: float, base: float) -> None:
        if self.plan.free(x, z, 0.4):
            self.post(x, z, base, 2.3, 0.06, (0.03, 0.03, 0.035), "pole")
            self.solids.box(
                (x, base + 2.75, z),
                (0.16, 0.48, 0.14),
                material=Material.SIGN,
                kind="traffic light",
                colour=(0.015, 0.016, 0.016),
                seed=self.dice.random(),
                extras=(5.0, 0.16, 0.48),
            )

    def bench(self, x: float, z: float, base: float, sign: float) -> None:
        if not self.plan.free(x, z, 1.0):
            return
        wood, metal = self.dice.pick(self.palette.woods), self.dice.pick(self.palette.metals)
        self.block(x, base + 0.45, z, (0.22, 0.035, 0.8), wood, "thing")
        self.block(x + sign * 0.2, base + 0.72, z, (0.03, 0.16, 0.8), wood, "thing")
        for dz in (-0.6, 0.6):
            self.block(x, base + 0.2, z + dz, (0.2, 0.22, 0.04), metal, "thing")

    def bin(self, x: float, z: float, base: float) -> None:
        if not self.plan.free(x, z, 0.5):
            return
        dice = self.dice
        if dice.chance(0.5):  # a litter bin
            tone = dice.pick(self.palette.metals)
            self.post(x, z, base, 0.85, 0.24, tone, "thing")
            self.post(x, z, base + 0.8, 0.1, 0.27, (0.02, 0.02, 0.02), "thing")
        else:  # a wheeled one with its lid
            tone = dice.pick(((0.02, 0.1, 0.03), (0.02, 0.03, 0.03), (0.02, 0.04, 0.16), (0.2, 0.12, 0.02)))
            self.block(x, base + 0.48, z, (0.28, 0.48, 0.3), tone, "thing", dice.uniform(-0.2, 0.2))
            self.block(x, base + 0.99, z, (0.31, 0.05, 0.33), (0.03, 0.03, 0.03), "thing")

    def box(self, x: float, z: float, base: float) -> None:
        """A letter box or a switch cabinet."""
        if self.plan.free(x, z, 0.5):
            tone = self.dice.pick(
                ((0.4, 0.02, 0.02), (0.5, 0.35, 0.02), (0.16, 0.18, 0.16), (0.03, 0.12, 0.05))
            )
            self.block(x, base + 0.6, z, (0.28, 0.65, 0.25), tone, "thing")

    def bollards(self, x: float, z0: float, z1: float, base: float, colour: Colour) -> None:
        z = z0
        while z < z1:
            if self.plan.free(x, z, 0.15):
                self.post(x, z, base, 0.9, 0.07, colour, "pole")
            z += 1.7

    def railing(self, x: float, z0: float, z1: float, base: float, colour: Colour) -> None:
        self.solids.box(
            (x, base + 0.5, (z0 + z1) / 2),
            (0.025, 0.5, (z1 - z0) / 2),
            material=Material.PLAIN,
            kind="rail",
            colour=colour,
            cut=Cut.PICKETS,
            cut_scale=0.3,
        )


def furnish(solids: Solids, plan: Plan, palette: Palette, dice: Dice) -> None:
    """Put up what stands on the pavements."""
    fitter = _Fitter(solids, plan, palette, dice)
    metal = dice.pick(palette.metals)
    modern = dice.chance(0.6)
    for sign, side in zip((-1.0, 1.0), plan.sides, strict=True):
        kerb = sign * (side.kerb + 0.4)
        if dice.chance(0.75):
            spacing, z = dice.uniform(16, 26), dice.uniform(4, 16)
            while z < min(plan.length, 90):
                if not plan.crosses(z - 1, z + 1):
                    fitter.lamp(kerb, z, plan.ground(z) + side.step, -sign, modern, metal)
                z += spacing
        for _ in range(dice.whole(0, 3)):
            z = dice.uniform(5, 40)
            if not plan.crosses(z - 1, z + 1):
                fitter.sign(kerb, z, plan.ground(z) + side.step)
        if plan.crossing < math.inf and dice.chance(0.6):
            fitter.traffic_light(kerb, plan.crossing - 0.8, plan.ground(plan.crossing) + side.step)
        _fit_pavement(fitter, sign, side, plan, dice)


def _fit_pavement(fitter: _Fitter, sign: float, side: Side, plan: Plan, dice: Dice) -> None:
    metal = dice.pick(fitter.palette.metals)
    back = sign * (side.paving - 0.35)
    for _ in range(dice.whole(0, 2)):
        z = dice.uniform(5, 32)
        if not plan.crosses(z - 1, z + 1):
            make = dice.pick((fitter.bin, fitter.bin, fitter.box))
            make(back, z, plan.ground(z) + side.step)
    if side.style in ("urban", "park", "canal") and dice.chance(0.6):
        z = dice.uniform(5, 26)
        if not plan.crosses(z - 1.5, z + 1.5):
            fitter.bench(back - sign * 0.2, z, plan.ground(z) + side.step, sign)
    if side.style in ("urban", "terrace") and plan.slope == 0 and dice.chance(0.3):
        z = dice.uniform(3, 14)
        end = min(z + dice.uniform(8, 16), plan.crossing - 0.5)
        fitter.bollards(sign * (side.kerb + 0.3), z, end, side.step, metal)
    if side.style == "canal":
        fitter.railing(sign * (side.paving - 0.1), -5.0, 90.0, side.step, metal)
    elif side.style != "urban" and plan.slope == 0 and dice.chance(0.12):
        z = dice.uniform(8, 14)
        if not plan.crosses(z, z + 8):
            fitter.railing(sign * (side.kerb + 0.25), z, z + 8, side.step, metal)
