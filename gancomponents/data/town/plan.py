"""The plan of a street: widths, slope, crossing, what lines either side, and where the camera stands."""

import math
from dataclasses import dataclass

from gancomponents.data.town.noise import Dice

__all__ = ["Plan", "Pose", "Side", "draw_plan"]

#: Water stands this high above the road's flat part, metres: the rule that a masker has to learn.
LEVELS = (0.45, 0.6)


@dataclass(frozen=True)
class Side:
    """One side of a street, from the kerb outwards; distances from the middle of the road, metres.

    Args:
        style: "urban", "terrace", "houses", "park" or "canal".
        kerb: where the road ends.
        verge: where a grass verge ends (the kerb where there is none).
        paving: where the pavement ends.
        front: where the buildings start.
        step: height of the pavement above the road.
        garden: height of the land behind the pavement above the road.
    """

    style: str
    kerb: float
    verge: float
    paving: float
    front: float
    step: float
    garden: float


@dataclass(frozen=True)
class Pose:
    """Where the camera stands and looks: metres and radians."""

    x: float
    y: float
    yaw: float
    pitch: float
    fov: float


@dataclass(frozen=True)
class Plan:
    """A street before anything is built.

    Args:
        sides: left (negative x) and right.
        slope: rise per metre between ``slope_start`` and ``slope_end``.
        slope_start: where the slope starts along the street.
        slope_end: where it ends.
        crossing: where a side street starts, or infinity.
        crossing_width: its width.
        length: where the street ends: buildings across it, or open country.
        closed: whether buildings stand across its end.
        pose: the camera.
        level: height of the flood.
        density: of cars and people, about 1.
        people: whether there are any.
        water: whether there may be puddles, ponds and canals.
    """

    sides: tuple[Side, Side]
    slope: float
    slope_start: float
    slope_end: float
    crossing: float
    crossing_width: float
    length: float
    closed: bool
    pose: Pose
    level: float
    density: float
    people: bool
    water: bool

    def ground(self, z: float) -> float:
        """Height of the road at ``z``."""
        return self.slope * (min(max(z, self.slope_start), self.slope_end) - self.slope_start)

    def free(self, x: float, z: float, radius: float) -> bool:
        """Whether something of this radius stands clear of the camera and its view of the street."""
        near = z < 5.0 + radius and abs(x - self.pose.x - z * math.sin(self.pose.yaw)) < radius + 0.9
        return not near and math.hypot(x - self.pose.x, z) > radius + 1.2

    def crosses(self, z0: float, z1: float) -> bool:
        """Whether the stretch ``z0`` to ``z1`` meets the side street."""
        return z1 > self.crossing and z0 < self.crossing + self.crossing_width


_STREETS = {
    ("urban", "urban"): 0.3,
    ("terrace", "terrace"): 0.17,
    ("houses", "houses"): 0.21,
    ("urban", "park"): 0.08,
    ("houses", "park"): 0.08,
    ("terrace", "houses"): 0.06,
    ("urban", "canal"): 0.07,
    ("terrace", "canal"): 0.07,
}


def _draw_side(style: str, half: float, dice: Dice) -> Side:
    kerb = half
    verge = kerb + (dice.uniform(0.8, 1.8) if style in ("houses", "park") and dice.chance(0.45) else 0.0)
    width = dice.uniform(2.2, 4.2) if style == "urban" else dice.uniform(1.5, 2.4)
    paving = verge + width
    setback = {"urban": 0.0, "canal": 0.0, "park": 30.0}.get(style)
    if setback is None:
        setback = dice.uniform(1.6, 3.2) if style == "terrace" else dice.uniform(4.5, 8.0)
    step = dice.uniform(0.12, 0.18)
    garden = step + dice.uniform(0.02, 0.12)
    if style in ("houses", "park", "terrace") and dice.chance(0.5):
        garden = dice.uniform(0.6, 1.1)  # raised land behind a low wall: an island in the flood
    return Side(style, kerb, verge, paving, paving + setback, step, garden)


def draw_plan(dice: Dice, *, people: bool = True, water: bool = True) -> Plan:
    """A street drawn at random.

    Args:
        dice: randomness.
        people: whether people may appear.
        water: whether open water may appear.

    >>> plan = draw_plan(Dice(5))
    >>> LEVELS[0] <= plan.level <= LEVELS[1] < plan.pose.y
    True
    """
    styles = list(dice.weighted({k: v for k, v in _STREETS.items() if water or "canal" not in k}))
    if dice.chance(0.5):
        styles.reverse()
    half = dice.uniform(3.2, 5.0) if "urban" not in styles else dice.uniform(3.6, 6.5)
    sides = (_draw_side(styles[0], half, dice), _draw_side(styles[1], half, dice))
    slope, start, end = 0.0, 1e4, 1e4
    if "canal" not in styles and dice.chance(0.6):
        slope, start = dice.uniform(-0.015, 0.1), dice.uniform(6, 32)
        end = start + dice.uniform(20, 70)
    crossing, crossing_width = math.inf, 0.0
    if dice.chance(0.45) and "canal" not in styles:
        crossing_width = dice.uniform(6, 9)
        crossing = dice.uniform(9, 38)
        if crossing + crossing_width > start - 1:
            crossing = math.inf
    side = dice.weighted({"road": 0.5, "left": 0.25, "right": 0.25})
    if side == "road":
        x = dice.uniform(-0.6, 0.6) * half
    else:
        edge = sides[side == "right"]
        x = (dice.uniform(edge.verge + 0.4, edge.paving - 0.4)) * (1 if side == "right" else -1)
    # From the edge the camera turns towards the middle, so that the street fills the picture; now and then it
    # looks at one side of the street.
    yaw = dice.uniform(-0.14, 0.14) + dice.uniform(-0.12, 0.12) - 0.035 * x
    if dice.chance(0.35):
        yaw = dice.uniform(0.3, 0.75) * (1 if x < 0 else -1)
    pose = Pose(
        x=x,
        y=dice.uniform(1.35, 2.2) if dice.chance(0.85) else dice.uniform(2.2, 2.9),
        yaw=yaw,
        pitch=dice.uniform(-0.2, 0.27),
        fov=math.radians(dice.uniform(50, 86)),
    )
    return Plan(
        sides=sides,
        slope=slope,
        slope_start=start,
        slope_end=end,
        crossing=crossing,
        crossing_width=crossing_width,
        length=dice.uniform(70, 130),
        closed=dice.chance(0.45),
        pose=pose,
        level=dice.uniform(*LEVELS),
        density=dice.uniform(0.5, 1.4),
        people=people,
        water=water,
    )
