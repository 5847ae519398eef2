"""Single buildings: town blocks, terraced and detached houses, out of walls, roofs and slabs."""

from gancomponents.data.town.looks import Look
from gancomponents.data.town.noise import Dice
from gancomponents.data.town.plan import Plan
from gancomponents.data.town.solids import Colour, Material, Solids

__all__ = ["Mason"]


class Mason:
    """Raises single buildings; ``sign`` is the side of the street, fronts face the road."""

    def __init__(self, solids: Solids, plan: Plan, look: Look, dice: Dice):
        self.solids, self.plan, self.look, self.dice = solids, plan, look, dice

    def body(
        self,
        x0: float,
        x1: float,
        z0: float,
        z1: float,
        base: float,
        height: float,
        *,
        wall: Colour,
        trim: Colour,
        floor: float,
        first: float,
        cell: float,
        shop: bool = False,
        door: bool = True,
    ) -> None:
        """Four walls with windows from ``base`` to ``base + height``; the foot reaches into the ground."""
        dice, foot = self.dice, 2.0
        brick = 1.0 if dice.chance(self.look.brick) else 0.0
        self.solids.box(
            ((x0 + x1) / 2, base + (height - foot) / 2, (z0 + z1) / 2),
            ((x1 - x0) / 2, (height + foot) / 2, (z1 - z0) / 2),
            material=Material.FACADE,
            kind="building",
            colour=wall,
            colour2=trim,
            seed=dice.random(),
            extras=(floor, first, cell, float(shop) + 2.0 * float(door), brick, foot),
        )

    def gable(
        self,
        x0: float,
        x1: float,
        z0: float,
        z1: float,
        eaves: float,
        *,
        along_street: bool,
        pitch: float,
        hip: bool,
        roof: Colour,
        wall: Colour,
    ) -> None:
        """A pitched roof over a rectangle; its ridge runs along the street or across it."""
        overhang, drop = 0.35, 0.12
        across = ((x1 - x0) if along_street else (z1 - z0)) / 2 + overhang
        along = ((z1 - z0) if along_street else (x1 - x0)) / 2 + (overhang if hip else 0.2)
        height = across * pitch
        # Own axes: x across the ridge, z along it. Slopes: pitch |x| + y <= height.
        end = (pitch, height + pitch * (along - across)) if hip else (0.0, along)
        planes = [
            (pitch, 1.0, 0.0, height),
            (-pitch, 1.0, 0.0, height),
            (0.0, 1.0, end[0], end[1]) if hip else (0.0, 0.0, 1.0, along),
            (0.0, 1.0, -end[0], end[1]) if hip else (0.0, 0.0, -1.0, along),
            (0.0, -1.0, 0.0, 0.0),
        ]
        self.solids.solid(
            planes,
            centre=((x0 + x1) / 2, eaves - drop, (z0 + z1) / 2),
            low=(-across, 0.0, -along),
            high=(across, height, along),
            yaw=(1.0, 0.0) if along_street else (0.0, 1.0),
            material=Material.ROOF,
            kind="building",
            colour=roof,
            colour2=wall,
            seed=self.dice.random(),
        )

    def slab(
        self,
        x0: float,
        x1: float,
        y0: float,
        y1: float,
        z0: float,
        z1: float,
        colour: Colour,
        stone: bool = True,
    ) -> None:
        """A plain block that belongs to a building: cornice, balcony, chimney."""
        self.solids.box(
            ((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2),
            ((x1 - x0) / 2, (y1 - y0) / 2, (z1 - z0) / 2),
            material=Material.STONE if stone else Material.PLAIN,
            kind="building",
            colour=colour,
            seed=self.dice.random(),
        )

    def town_block(self, sign: float, front: float, z0: float, z1: float, base: float) -> None:
        """Several storeys right at the pavement, with shops, cornice, perhaps balconies or a mansard."""
        dice, palette = self.dice, self.look.palette
        depth = dice.uniform(9, 14)
        x0, x1 = (front, front + depth) if sign > 0 else (-front - depth, -front)
        wall, trim = dice.pick(palette.walls), dice.pick(palette.trims)
        floor, first = dice.uniform(2.9, 3.5), dice.uniform(3.3, 4.4)
        floors = dice.weighted({1: 0.2, 2: 0.3, 3: 0.25, 4: 0.15, 6: 0.1})
        height = first + floors * floor + 0.5
        shop = dice.chance(0.55)
        cell = dice.uniform(2.0, 3.4)
        self.body(
            x0, x1, z0, z1, base, height, wall=wall, trim=trim, floor=floor, first=first, cell=cell, shop=shop
        )
        face = -sign  # from the building towards the road
        edge = sign * front
        out = 0.35

        def proud(depth: float) -> tuple[float, float]:
            return (edge - depth, edge + 0.1) if face < 0 else (edge - 0.1, edge + depth)

        style = dice.weighted({"flat": 0.45, "mansard": 0.25, "gable": 0.3})
        top = base + height
        self.slab(*proud(out), top - 0.3, top, z0, z1, trim)
        if style == "mansard":
            self.solids.box(
                ((x0 + x1) / 2, top + 1.4, (z0 + z1) / 2),
                ((x1 - x0) / 2 - 0.1, 1.4, (z1 - z0) / 2 - 0.05),
                taper=0.35,
                material=Material.ROOF,
                kind="building",
                colour=dice.pick(palette.roofs),
                colour2=trim,
                seed=dice.random(),
            )
        elif style == "gable":
            roof = dice.pick(palette.roofs)
            self.gable(x0, x1, z0, z1, top, along_street=True, pitch=0.6, hip=False, roof=roof, wall=wall)
        else:
            self.slab(x0, x1, top, top + 0.55, z0, z1, wall)
        if dice.chance(0.5):
            z = dice.uniform(z0 + 1, z1 - 1)
            x = (x0 + x1) / 2
            self.slab(x - 0.4, x + 0.4, top, top + dice.uniform(2.6, 4.2), z - 0.5, z + 0.5, wall)
        if shop and dice.chance(0.6) and z1 > 2:
            self.slab(
                *proud(1.1),
                base + 2.75,
                base + 2.95,
                z0 + 0.5,
                z1 - 0.5,
                dice.pick(palette.doors),
                stone=False,
            )
        elif dice.chance(0.3) and floors > 1 and z1 > 2:
            for k in range(1, min(floors, 4)):
                y = base + first + k * floor
                self.slab(*proud(0.9), y - 0.08, y + 0.08, z0 + 1.0, z1 - 1.0, trim)
                lean = proud(0.9)
                rim = (lean[0], lean[0] + 0.06) if face < 0 else (lean[1] - 0.06, lean[1])
                self.slab(*rim, y + 0.08, y + 0.9, z0 + 1.0, z1 - 1.0, dice.pick(palette.metals), stone=False)

    def terrace_house(
        self,
        sign: float,
        front: float,
        z0: float,
        z1: float,
        base: float,
        style: tuple[Colour, Colour, Colour, float],
    ) -> None:
        """One house of a joined row: two floors under a roof along the street, a bay window now and then."""
        dice = self.dice
        wall, trim, roof, height = style
        x0, x1 = (front, front + 9.0) if sign > 0 else (-front - 9.0, -front)
        self.body(
            x0, x1, z0, z1, base, height, wall=wall, trim=trim, floor=2.7, first=2.8, cell=(z1 - z0) / 2
        )
        self.gable(
            x0, x1, z0, z1, base + height, along_street=True, pitch=0.75, hip=False, roof=roof, wall=wall
        )
        x, z = (x0 + x1) / 2, z1 - 0.4
        self.slab(x - 0.4, x + 0.4, base + height + 1.0, base + height + 4.6, z - 0.7, z + 0.4, wall)
        if dice.chance(0.45):
            b0, b1 = (front - 0.8, front + 0.2) if sign > 0 else (-front - 0.2, -front + 0.8)
            middle = z0 + (z1 - z0) * 0.7
            self.body(
                b0, b1, middle - 1.1, middle + 1.1, base, 2.9, wall=trim, trim=trim, floor=9, first=2.7, cell=2.2,
                door=False,
            )  # fmt: skip

    def house(self, sign: float, front: float, z0: float, z1: float, base: float) -> None:
        """A detached house: one or two floors, gable or hip, chimney, perhaps a wing or garage and a porch."""
        dice, palette = self.dice, self.look.palette
        depth = dice.uniform(7, 10)
        front += dice.uniform(0, 1.5)
        x0, x1 = (front, front + depth) if sign > 0 else (-front - depth, -front)
        wall, trim = dice.pick(palette.walls), dice.pick(palette.trims)
        roof = dice.pick(palette.roofs)
        floors = dice.weighted({1: 0.45, 2: 0.55})
        height = 2.75 * floors + dice.uniform(0.1, 0.5)
        width = z1 - z0
        garage = width > 9.5 and dice.chance(0.6)
        main = z1 - 3.3 if garage else z1
        cell = dice.uniform(2.2, 3.2)
        self.body(x0, x1, z0, main, base, height, wall=wall, trim=trim, floor=2.7, first=2.75, cell=cell)
        along, hip, pitch = dice.chance(0.55), dice.chance(0.25), dice.uniform(0.6, 0.95)
        self.gable(
            x0, x1, z0, main, base + height, along_street=along, pitch=pitch, hip=hip, roof=roof, wall=wall
        )
        x, z = (x0 + x1) / 2 + dice.uniform(-1.5, 1.5), dice.uniform(z0 + 1.5, main - 1.5)
        brick = dice.pick(palette.walls)
        self.slab(x - 0.35, x + 0.35, base + height, base + height + 3.9, z - 0.35, z + 0.35, brick)
        if garage:
            g0, g1 = (x0 + 0.6, x1) if sign > 0 else (x0, x1 - 0.6)
            self.body(
                g0, g1, main, z1, base, 2.5, wall=wall, trim=trim, floor=9, first=2.4, cell=9, shop=True
            )
            if dice.chance(0.5):
                self.gable(
                    g0,
                    g1,
                    main,
                    z1,
                    base + 2.5,
                    along_street=False,
                    pitch=0.6,
                    hip=False,
                    roof=roof,
                    wall=wall,
                )
            else:
                self.slab(g0 - 0.1, g1 + 0.1, base + 2.5, base + 2.75, main, z1 + 0.1, trim)
        if dice.chance(0.5):
            edge = sign * front
            p0, p1 = (edge - 1.2, edge) if sign > 0 else (edge, edge + 1.2)
            z = dice.uniform(z0 + 1.5, main - 1.5)
            self.slab(p0, p1, base + 2.25, base + 2.42, z - 1.0, z + 1.0, trim, stone=False)
            post = p0 + 0.1 if sign > 0 else p1 - 0.1
            for dz in (-0.85, 0.85):
                self.slab(
                    post - 0.06,
                    post + 0.06,
                    base,
                    base + 2.3,
                    z + dz - 0.06,
                    z + dz + 0.06,
                    trim,
                    stone=False,
                )
