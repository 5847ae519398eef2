"""Trees, hedges and bushes: trunks of cylinders, crowns of ragged ellipsoids."""

import math

from gancomponents.data.town.looks import Palette
from gancomponents.data.town.noise import Dice
from gancomponents.data.town.plan import Plan
from gancomponents.data.town.solids import Colour, Cut, Material, Solids

__all__ = ["plant_fronts", "plant_greenery"]


class _Gardener:
    def __init__(self, solids: Solids, plan: Plan, palette: Palette, dice: Dice):
        self.solids, self.plan, self.palette, self.dice = solids, plan, palette, dice

    def crown(
        self,
        x: float,
        y: float,
        z: float,
        radii: tuple[float, float, float],
        colour: Colour,
        kind: str,
        leaf: float,
    ) -> None:
        self.solids.ellipsoid(
            (x, y, z),
            radii,
            material=Material.LEAVES,
            kind=kind,
            colour=colour,
            seed=self.dice.random(),
            cut=Cut.LEAVES,
            cut_scale=leaf,
            extras=(y, radii[1]),
        )

    def tree(self, x: float, z: float, base: float, size: float) -> None:
        """A tree about ``size`` metres tall: round, spreading, tall or conifer."""
        dice = self.dice
        shape = dice.weighted({"round": 0.5, "spread": 0.25, "tall": 0.15, "conifer": 0.1})
        reach = {"round": 0.3, "spread": 0.38, "tall": 0.16, "conifer": 0.2}[shape] * size
        if math.hypot(x - self.plan.pose.x, z) < reach + 2.0 or not self.plan.free(x, z, 0.3):
            return
        colour = self.dice.pick(self.palette.leaves)
        clear = size * (0.1 if shape == "conifer" else dice.uniform(0.26, 0.36))
        thick = 0.02 * size + 0.05
        self.solids.cylinder(
            (x, base + clear * 0.8, z),
            (thick, clear * 0.8 + 0.2, thick),
            axis=1,
            material=Material.BARK,
            kind="tree",
            colour=dice.pick(self.palette.barks),
            seed=dice.random(),
        )
        tall = size - clear
        middle = base + clear + tall * 0.5
        if shape == "conifer":
            for k in range(4):
                t = k / 4
                radius = reach * (1.05 - 0.85 * t)
                self.crown(
                    x,
                    base + clear + tall * (t + 0.12),
                    z,
                    (radius, tall * 0.22, radius),
                    colour,
                    "tree",
                    0.16,
                )
            return
        if shape == "tall":
            self.crown(x, middle, z, (reach, tall * 0.55, reach), colour, "tree", 0.18)
            self.crown(
                x + 0.2, middle - tall * 0.2, z, (reach * 1.1, tall * 0.3, reach), colour, "tree", 0.18
            )
            return
        self.crown(x, middle, z, (reach * 0.82, tall * 0.5, reach * 0.82), colour, "tree", 0.2)
        clumps = 4 if z < 45 else 2
        turn = dice.uniform(0, 6.28)
        for k in range(clumps):
            angle = turn + 6.28 * k / clumps + dice.uniform(-0.4, 0.4)
            away, lift = reach * dice.uniform(0.42, 0.62), tall * dice.uniform(-0.22, 0.16)
            radius = reach * dice.uniform(0.48, 0.64)
            self.crown(
                x + away * math.cos(angle),
                middle + lift,
                z + away * math.sin(angle),
                (radius, radius * dice.uniform(0.75, 1.0), radius),
                colour,
                "tree",
                0.2,
            )

    def bush(self, x: float, z: float, base: float, radius: float) -> None:
        if self.plan.free(x, z, radius):
            dice = self.dice
            colour = dice.pick(self.palette.leaves)
            for _ in range(2):
                self.crown(
                    x + dice.uniform(-0.5, 0.5) * radius,
                    base + radius * 0.4,
                    z + dice.uniform(-0.5, 0.5) * radius,
                    (radius, radius * dice.uniform(0.7, 1.1), radius),
                    colour,
                    "hedge",
                    0.09,
                )

    def hedge(self, x: float, z0: float, z1: float, base: float, height: float) -> None:
        """A trimmed hedge along the street."""
        if z1 - z0 < 0.8:
            return
        self.solids.box(
            (x, base + height / 2 - 0.2, (z0 + z1) / 2),
            (0.35, height / 2 + 0.2, (z1 - z0) / 2),
            taper=0.06,
            material=Material.LEAVES,
            kind="hedge",
            colour=self.dice.pick(self.palette.leaves),
            seed=self.dice.random(),
            extras=(base + height / 2, height),
        )


def plant_greenery(solids: Solids, plan: Plan, palette: Palette, dice: Dice) -> None:
    """Street trees, gardens, park and the trees at the end of the street."""
    gardener = _Gardener(solids, plan, palette, dice)
    for sign, side in zip((-1.0, 1.0), plan.sides, strict=True):
        if side.style == "park":
            for _ in range(dice.whole(7, 13)):
                x, z = side.paving + dice.uniform(2, 32), dice.uniform(6, 85)
                gardener.tree(sign * x, z, plan.ground(z) + side.garden, dice.uniform(5, 11))
            for _ in range(dice.whole(2, 6)):
                x, z = side.paving + dice.uniform(1, 9), dice.uniform(6, 40)
                gardener.bush(sign * x, z, plan.ground(z) + side.garden, dice.uniform(0.5, 1.1))
        if side.style == "houses":
            z = dice.uniform(2, 10)
            while z < plan.length:
                kind = dice.weighted({"tree": 0.45, "bush": 0.4, "none": 0.15})
                x = sign * dice.uniform(side.paving + 1.2, side.front - 1.0)
                base = plan.ground(z) + side.garden
                if plan.crosses(z - 2, z + 2):
                    pass
                elif kind == "tree":
                    gardener.tree(x, z, base, dice.uniform(3.5, 7.5))
                elif kind == "bush":
                    gardener.bush(x, z, base, dice.uniform(0.4, 0.9))
                z += dice.uniform(4, 9)
            z = plan.length * 0.1
            while z < plan.length:  # behind the houses
                base = plan.ground(z) + side.garden
                gardener.tree(sign * (side.front + dice.uniform(13, 22)), z, base, dice.uniform(7, 12))
                z += dice.uniform(12, 26)
        _street_trees(gardener, sign, plan, dice)
    if not plan.closed:
        for _ in range(dice.whole(6, 12)):
            z = plan.length + dice.uniform(8, 70)
            x = dice.uniform(6.0, 50.0) * (1 if dice.chance(0.5) else -1)
            gardener.tree(x, z, plan.ground(z), dice.uniform(6, 13))


def _street_trees(gardener: _Gardener, sign: float, plan: Plan, dice: Dice) -> None:
    side = plan.sides[0 if sign < 0 else 1]
    likely = {"urban": 0.45, "terrace": 0.4, "houses": 0.35, "park": 0.5, "canal": 0.6}[side.style]
    if not dice.chance(likely):
        return
    spacing, size = dice.uniform(8, 16), dice.uniform(4.5, 8.0)
    x = sign * ((side.kerb + side.verge) / 2 if side.verge > side.kerb else side.kerb + 0.55)
    if side.style == "canal":
        x = sign * (side.paving - 0.6)
    z = dice.uniform(3, spacing)
    while z < plan.length:
        if not plan.crosses(z - 2, z + 2) and dice.chance(0.9):
            gardener.tree(x, z, plan.ground(z) + side.step, size * dice.uniform(0.85, 1.15))
        z += spacing * dice.uniform(0.9, 1.1)


def plant_fronts(solids: Solids, plan: Plan, palette: Palette, dice: Dice) -> None:
    """Hedges, picket fences and low walls between pavement and gardens."""
    gardener = _Gardener(solids, plan, palette, dice)
    for sign, side in zip((-1.0, 1.0), plan.sides, strict=True):
        if side.style not in ("houses", "terrace", "park"):
            continue
        raised = side.garden > 0.4
        x = sign * (side.paving + 0.2)
        z = -6.0
        front = dice.weighted({"hedge": 0.4, "fence": 0.2, "wall": 0.25, "open": 0.15})
        while z < min(plan.length, 75):
            length = dice.uniform(5, 11)
            end = z + length - dice.uniform(1.1, 2.2)  # the gap is the way in
            if plan.crosses(z, end):
                if z >= plan.crossing:
                    z = plan.crossing + plan.crossing_width + 0.5
                    continue
                end = plan.crossing - 0.5
            if dice.chance(0.3):
                front = dice.weighted({"hedge": 0.4, "fence": 0.2, "wall": 0.25, "open": 0.15})
            foot = plan.ground((z + end) / 2) + side.step
            if raised or front == "wall":
                height = (side.garden - side.step if raised else 0.0) + (
                    dice.uniform(0.1, 0.6) if front == "wall" else 0.05
                )
                _front_wall(solids, x, z, end, foot, height, palette, dice)
            if front == "hedge" and side.style != "park":
                lift = side.garden - side.step
                gardener.hedge(x + sign * 0.5, z, end, foot + lift, dice.uniform(0.7, 1.5))
            if front == "fence" and not raised and end - z > 0.8:
                height = dice.uniform(0.8, 1.15)
                solids.box(
                    (x, foot + height / 2, (z + end) / 2),
                    (0.03, height / 2, (end - z) / 2),
                    material=Material.PLANKS,
                    kind="rail",
                    colour=dice.pick(palette.woods),
                    seed=dice.random(),
                    cut=Cut.PICKETS,
                    cut_scale=0.16,
                )
            z += length
    return


def _front_wall(
    solids: Solids, x: float, z0: float, z1: float, foot: float, height: float, palette: Palette, dice: Dice
) -> None:
    if z1 - z0 > 0.5 and height > 0.1:
        solids.box(
            (x, foot + height / 2 - 0.3, (z0 + z1) / 2),
            (0.14, height / 2 + 0.3, (z1 - z0) / 2),
            material=Material.STONE,
            kind="building",
            colour=dice.pick(palette.walls),
            seed=dice.random(),
            extras=(1.0,),
        )
