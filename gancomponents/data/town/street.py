"""A whole street: its plan and everything that stands in it."""

from gancomponents.data.town.buildings import build_rows
from gancomponents.data.town.cars import park_cars
from gancomponents.data.town.furniture import furnish
from gancomponents.data.town.land import lay_land
from gancomponents.data.town.looks import Look
from gancomponents.data.town.noise import Dice
from gancomponents.data.town.people import let_people_walk
from gancomponents.data.town.plan import Plan
from gancomponents.data.town.plants import plant_fronts, plant_greenery
from gancomponents.data.town.solids import Geometry, Solids

__all__ = ["build_street"]


def build_street(plan: Plan, look: Look, dice: Dice) -> Geometry:
    """Everything in a street, as solids.

    Args:
        plan: widths, slope, camera.
        look: palette.
        dice: randomness.

    >>> from gancomponents.data.town.looks import LOOKS
    >>> from gancomponents.data.town.plan import draw_plan
    >>> street = build_street(draw_plan(Dice(0)), LOOKS["s"], Dice(0))
    >>> 100 < len(street) < 1000
    True
    """
    solids = Solids()
    lay_land(solids, plan, look.palette, dice)
    build_rows(solids, plan, look, dice)
    plant_fronts(solids, plan, look.palette, dice)
    plant_greenery(solids, plan, look.palette, dice)
    park_cars(solids, plan, look.palette, dice)
    furnish(solids, plan, look.palette, dice)
    let_people_walk(solids, plan, look.palette, dice)
    return solids.compile()
