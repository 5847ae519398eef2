"""Rows of buildings along a street, across its end, and the skyline behind them."""

import math

from gancomponents.data.town.looks import Look
from gancomponents.data.town.masonry import Mason
from gancomponents.data.town.noise import Dice
from gancomponents.data.town.plan import Plan, Side
from gancomponents.data.town.solids import Colour, Solids

__all__ = ["build_rows"]


def _plots(
    plan: Plan, dice: Dice, low: float, high: float, gap: tuple[float, float], until: float
) -> list[tuple[float, float]]:
    """Stretches of land along the street, interrupted by the side street."""
    plots, z = [], -10.0 - dice.uniform(0, low)
    while z < until:
        width = dice.uniform(low, high)
        if plan.crosses(z - 0.5, z + width + 0.5):
            room = plan.crossing - z - 1.0
            if room > 0.6 * low:
                plots.append((z, z + room))
            z = plan.crossing + plan.crossing_width + 1.0
            continue
        plots.append((z, z + width))
        z += width + dice.uniform(*gap)
    return plots


def _foot(plan: Plan, side: Side, z0: float, z1: float) -> float:
    """Height of the land under a building: the middle of its front."""
    return plan.ground((z0 + z1) / 2) + (side.step if side.style in ("urban", "canal") else side.garden)


def build_rows(solids: Solids, plan: Plan, look: Look, dice: Dice) -> None:
    """Line both sides of the street, close its end or leave it open, and add a skyline."""
    mason, palette = Mason(solids, plan, look, dice), look.palette
    for sign, side in zip((-1.0, 1.0), plan.sides, strict=True):
        if side.style == "urban":
            for z0, z1 in _plots(
                plan, dice, 8, 17, (0.0, 0.0) if dice.chance(0.7) else (0.0, 3.0), plan.length
            ):
                mason.town_block(sign, side.front, z0, z1, _foot(plan, side, z0, z1))
        elif side.style == "terrace":
            style = _row_style(look, dice)
            for z0, z1 in _plots(plan, dice, 5.4, 6.4, (0.0, 0.0), plan.length):
                if dice.chance(0.3):
                    style = (dice.pick(palette.walls), style[1], style[2], style[3])
                mason.terrace_house(sign, side.front, z0, z1, _foot(plan, side, z0, z1), style)
        elif side.style == "houses":
            for z0, z1 in _plots(plan, dice, 8, 13, (2.5, 7.0), plan.length):
                mason.house(sign, side.front, z0, z1, _foot(plan, side, z0, z1))
        elif side.style == "canal":
            for z0, z1 in _plots(plan, dice, 8, 15, (0.0, 2.0), plan.length):
                mason.town_block(sign, side.paving + 18.0, z0, z1, _foot(plan, side, z0, z1))
        elif dice.chance(0.6):
            z = dice.uniform(30, 50)
            while z < plan.length:
                mason.town_block(sign, side.front + 25, z, z + 14, _foot(plan, side, z, z + 14))
                z += dice.uniform(14, 30)
    if plan.closed:
        _close(mason, plan, look, dice)
    for _ in range(dice.whole(0, 4)):
        x, z = dice.uniform(-90, 90), plan.length + dice.uniform(40, 160)
        half, height = dice.uniform(6, 14), dice.uniform(10, 34)
        mason.body(
            x - half, x + half, z, z + 14, plan.ground(z), height, wall=dice.pick(palette.walls),
            trim=dice.pick(palette.trims), floor=3.2, first=3.5, cell=3.0,
        )  # fmt: skip


def _row_style(look: Look, dice: Dice) -> tuple[Colour, Colour, Colour, float]:
    palette = look.palette
    return (
        dice.pick(palette.walls),
        dice.pick(palette.trims),
        dice.pick(palette.roofs),
        dice.uniform(5.5, 6.2),
    )


def _close(mason: Mason, plan: Plan, look: Look, dice: Dice) -> None:
    """Buildings across the end of the street, behind a street that runs to either side."""
    palette = look.palette
    z = plan.length + 10.0
    x = -45.0
    base = plan.ground(z) + 0.15
    while x < 45:
        width, floors = dice.uniform(8, 15), dice.whole(1, 4)
        height = 3.6 + floors * 3.1
        wall, roof = dice.pick(palette.walls), dice.pick(palette.roofs)
        mason.body(
            x, x + width, z, z + 11, base, height, wall=wall, trim=dice.pick(palette.trims), floor=3.1, first=3.4,
            cell=2.8, shop=dice.chance(0.4),
        )  # fmt: skip
        mason.gable(
            x, x + width, z, z + 11, base + height, along_street=False, pitch=math.tan(0.6), hip=False, roof=roof,
            wall=wall,
        )  # fmt: skip
        x += width
