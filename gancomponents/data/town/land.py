"""The ground of a street: road, pavements, lawns, canal and hills, as strips that follow its slope."""

import math
from collections.abc import Sequence
from itertools import pairwise

from gancomponents.data.town.looks import Palette
from gancomponents.data.town.noise import Dice
from gancomponents.data.town.plan import Plan, Side
from gancomponents.data.town.solids import Colour, Material, Solids

__all__ = ["lay_land"]

_BACK, _FAR, _WIDE = -25.0, 1500.0, 700.0


class _Strips:
    """Lays strips along the street: cut where they meet the side street, bent where the slope changes."""

    def __init__(self, solids: Solids, plan: Plan):
        self.solids, self.plan = solids, plan

    def lay(
        self,
        x0: float,
        x1: float,
        rise: float,
        *,
        z0: float = _BACK,
        z1: float = _FAR,
        interrupted: bool = True,
        material: Material,
        kind: str,
        colour: Colour,
        colour2: Colour = (0.0, 0.0, 0.0),
        seed: float = 0.0,
        extras: Sequence[float] = (),
    ) -> None:
        plan = self.plan
        ends = [z0]
        if interrupted and plan.crosses(z0, z1):
            ends += [plan.crossing, plan.crossing + plan.crossing_width]
        ends += [z for z in (plan.slope_start, plan.slope_end) if z0 < z < z1]
        ends.append(z1)
        for a, b in pairwise(ends):
            if interrupted and a == plan.crossing:
                continue
            slope = (plan.ground(b) - plan.ground(a)) / (b - a)
            top = max(plan.ground(a), plan.ground(b)) + rise
            # Top first: y - slope z <= height of the strip at z = 0 (all in world axes).
            planes = [
                (0.0, 1.0, -slope, rise + plan.ground(a) - slope * a),
                (1.0, 0.0, 0.0, x1),
                (-1.0, 0.0, 0.0, -x0),
                (0.0, 0.0, 1.0, b),
                (0.0, 0.0, -1.0, -a),
            ]
            self.solids.solid(
                planes,
                centre=(0.0, 0.0, 0.0),
                low=(x0, -4.0, a),
                high=(x1, top, b),
                material=material,
                kind=kind,
                colour=colour,
                colour2=colour2,
                seed=seed,
                extras=extras,
            )


def lay_land(solids: Solids, plan: Plan, palette: Palette, dice: Dice) -> None:
    """Build the ground and what rises behind the town."""
    strips = _Strips(solids, plan)
    left, right = plan.sides
    road = dice.pick(palette.roads)
    zebra = math.inf
    if dice.chance(0.35):
        zebra = plan.crossing - 4.5 if plan.crossing < math.inf else dice.uniform(7, 24)
    markings = dice.weighted({0.0: 0.2, 1.0: 0.5, 2.0: 0.3})  # none, dashed, solid
    puddles = dice.uniform(0.4, 1.2) if plan.water and dice.chance(0.55) else 0.0
    strips.lay(
        -left.kerb,
        right.kerb,
        0.0,
        interrupted=False,
        material=Material.ROAD,
        kind="ground",
        colour=road,
        seed=dice.random(),
        extras=(right.kerb, markings, zebra if zebra < math.inf else -100.0, puddles, left.kerb),
    )
    if plan.crossing < math.inf:
        for x0, x1 in ((-_WIDE, -left.kerb), (right.kerb, _WIDE)):
            strips.lay(
                x0,
                x1,
                0.0,
                z0=plan.crossing,
                z1=plan.crossing + plan.crossing_width,
                interrupted=False,
                material=Material.ROAD,
                kind="ground",
                colour=road,
                seed=dice.random(),
                extras=(1e3, 0.0, -100.0, puddles * 0.5, 1e3),
            )
    for sign, side in ((-1.0, left), (1.0, right)):
        _lay_side(strips, sign, side, plan, palette, dice)
    if dice.chance(0.75) or not plan.closed:
        _lay_hills(solids, plan, palette, dice)


def _lay_side(strips: _Strips, sign: float, side: Side, plan: Plan, palette: Palette, dice: Dice) -> None:
    def across(a: float, b: float) -> tuple[float, float]:
        return (a, b) if sign > 0 else (-b, -a)

    lawn, paving, kerb = dice.pick(palette.lawns), dice.pick(palette.pavings), dice.pick(palette.kerbs)
    pattern = float(dice.whole(0, 2))
    if side.verge > side.kerb:
        strips.lay(
            *across(side.kerb, side.verge),
            side.step,
            material=Material.GRASS,
            kind="terrain",
            colour=lawn,
            colour2=kerb,
            seed=dice.random(),
            extras=(sign * side.kerb,),
        )
    strips.lay(
        *across(side.verge, side.paving),
        side.step,
        material=Material.PAVING,
        kind="ground",
        colour=paving,
        colour2=kerb,
        seed=dice.random(),
        extras=(sign * side.verge, pattern),
    )
    if side.style == "canal":
        quay = side.paving + dice.uniform(7, 14)
        strips.lay(
            *across(side.paving, quay),
            -dice.uniform(0.6, 1.1),
            material=Material.POND,
            kind="water",
            colour=dice.pick(palette.murks),
            seed=dice.random(),
        )
        far, rest = across(quay, quay + 3.0), across(quay + 3.0, _WIDE)
        strips.lay(*far, side.step, material=Material.PAVING, kind="ground", colour=paving, colour2=kerb)
        strips.lay(*rest, side.step, material=Material.GRASS, kind="terrain", colour=lawn)
        return
    if side.style == "urban":
        strips.lay(
            *across(side.paving, _WIDE), side.step, material=Material.PAVING, kind="ground", colour=paving
        )
        return
    strips.lay(
        *across(side.paving, _WIDE),
        side.garden,
        material=Material.GRASS,
        kind="terrain",
        colour=lawn,
        seed=dice.random(),
    )
    if side.style == "park":
        _lay_park(strips, sign, side, plan, palette, dice, lawn)


def _lay_park(
    strips: _Strips, sign: float, side: Side, plan: Plan, palette: Palette, dice: Dice, lawn: Colour
) -> None:
    solids = strips.solids
    if plan.water and dice.chance(0.65) and plan.slope == 0:
        x, z = side.paving + dice.uniform(5, 9), dice.uniform(14, 34)
        radius = dice.uniform(3.0, 5.5)
        # A pond: a very flat disc of water in the lawn, inside a low stone rim.
        for grow, height, material, kind, colour in (
            (0.3, 0.09, Material.STONE, "thing", dice.pick(palette.kerbs)),
            (0.0, 0.12, Material.POND, "water", dice.pick(palette.murks)),
        ):
            solids.cylinder(
                (sign * (x + radius), side.garden, z),
                (radius + grow, height, radius + grow),
                axis=1,
                material=material,
                kind=kind,
                colour=colour,
                seed=dice.random(),
            )
    for _ in range(dice.whole(1, 3)):
        x, z = side.paving + dice.uniform(9, 40), dice.uniform(18, 90)
        radius = dice.uniform(5, 12)
        solids.ellipsoid(
            (sign * (x + radius), plan.ground(z) + side.garden - 0.2, z),
            (radius, dice.uniform(0.8, 2.2), radius * dice.uniform(0.8, 1.6)),
            material=Material.GRASS,
            kind="terrain",
            colour=lawn,
            seed=dice.random(),
        )


def _lay_hills(solids: Solids, plan: Plan, palette: Palette, dice: Dice) -> None:
    base = plan.ground(_FAR)
    for _ in range(dice.whole(2, 5)):
        distance, angle = dice.uniform(260, 620), dice.uniform(-0.75, 0.75)
        width = dice.uniform(120, 260)
        solids.ellipsoid(
            (distance * math.sin(angle), base - 20, distance * math.cos(angle)),
            (width, 20 + dice.uniform(12, 70), width * dice.uniform(0.4, 0.7)),
            material=Material.HILL,
            kind="terrain",
            colour=dice.pick(palette.hills),
            colour2=dice.pick(palette.leaves),
            seed=dice.random(),
        )
