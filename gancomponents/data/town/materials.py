"""Which function paints which material."""

from collections.abc import Callable

from gancomponents.data.town import paint_ground, paint_things, paint_walls
from gancomponents.data.town.patch import Coat, Patch
from gancomponents.data.town.solids import Material

__all__ = ["PAINTS"]

#: The painter of each material, by id.
PAINTS: dict[int, Callable[[Patch], Coat]] = {
    Material.ROAD: paint_ground.road,
    Material.PAVING: paint_ground.paving,
    Material.GRASS: paint_ground.grass,
    Material.HILL: paint_ground.hill,
    Material.POND: paint_ground.pond,
    Material.FACADE: paint_walls.facade,
    Material.ROOF: paint_walls.roof,
    Material.STONE: paint_walls.stone,
    Material.LEAVES: paint_things.leaves,
    Material.BARK: paint_things.bark,
    Material.PLAIN: paint_things.plain,
    Material.PERSON: paint_things.person,
    Material.PLANKS: paint_things.planks,
    Material.SIGN: paint_things.sign,
    Material.CAR_BODY: paint_things.car_body,
    Material.CAR_CABIN: paint_things.car_cabin,
    Material.WHEEL: paint_things.wheel,
}
