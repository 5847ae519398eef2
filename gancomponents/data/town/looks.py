"""The two looks of the Town: palettes, weather, lens and sensor of the clean "s" and of the photographic "r"."""

from dataclasses import dataclass

from gancomponents.data.town.noise import Dice
from gancomponents.data.town.solids import Colour

__all__ = ["LOOKS", "Light", "Look", "Palette", "draw_light", "linear"]

Range = tuple[float, float]


def linear(code: str) -> Colour:
    """Linear light of a hexadecimal sRGB colour (gamma 2.2).

    >>> [round(c, 3) for c in linear("ff8000")]
    [1.0, 0.22, 0.0]
    """
    red, green, blue = (int(code[k : k + 2], 16) / 255 for k in (0, 2, 4))
    return (red**2.2, green**2.2, blue**2.2)


def _row(codes: str) -> tuple[Colour, ...]:
    return tuple(linear(code) for code in codes.split())


@dataclass(frozen=True)
class Palette:
    """Linear-light colours to pick from."""

    walls: tuple[Colour, ...]
    trims: tuple[Colour, ...]
    roofs: tuple[Colour, ...]
    doors: tuple[Colour, ...]
    roads: tuple[Colour, ...]
    pavings: tuple[Colour, ...]
    kerbs: tuple[Colour, ...]
    lawns: tuple[Colour, ...]
    hills: tuple[Colour, ...]
    leaves: tuple[Colour, ...]
    barks: tuple[Colour, ...]
    cars: tuple[Colour, ...]
    clothes: tuple[Colour, ...]
    metals: tuple[Colour, ...]
    woods: tuple[Colour, ...]
    murks: tuple[Colour, ...]


SKINS = _row("f0c8a8 d8a078 b07850 805030 603820")


@dataclass(frozen=True)
class Look:
    """How a domain's pictures come about.

    Args:
        palette: colours.
        weather: how likely each weather is.
        texture: strength of the materials' grain.
        dirt: strength of stains and wear.
        saturation: of the developed picture.
        contrast: of the developed picture.
        brick: share of brick walls.
        noise: deviation of the sensor noise, 0..1.
        blur: deviation of the lens blur at 128 pixels, pixels.
        vignette: darkening of the corners.
        jpeg: quality range, None for none.
        tint: largest white-balance error.
    """

    palette: Palette
    weather: dict[str, float]
    texture: float
    dirt: float
    saturation: Range
    contrast: Range
    brick: float
    noise: Range
    blur: Range
    vignette: Range
    jpeg: tuple[int, int] | None
    tint: float


LOOKS: dict[str, Look] = {
    "s": Look(
        palette=Palette(
            walls=_row("e8dcc0 d8b890 c88868 e0c8b0 b8c8d0 f0e8d8 d0a878 c8d0b8 e8b890 b86850 d8d8d8 a8b8c8"),
            trims=_row("f8f4e8 e8e4d8 d0ccc0 f0f0f0"),
            roofs=_row("a85038 8c4030 705048 606878 904838 585860"),
            doors=_row("305080 803028 286040 604028 c0a040"),
            roads=_row("70727a 686a72 787878"),
            pavings=_row("b8b4a8 c0b8b0 a8a8a8 c8bca8"),
            kerbs=_row("d0ccc4 c0c0bc"),
            lawns=_row("68a040 78a848 589038 80a850"),
            hills=_row("709850 608848 88a060 789060"),
            leaves=_row("4c8c34 3c7c2c 609c3c 488838 70a040"),
            barks=_row("705038 604830 786048"),
            cars=_row("c82820 2858b8 e8e8e8 282828 e8c020 208858 a8b0b8 e07020 70a8d8"),
            clothes=_row("d03830 3060c0 f0f0e8 303038 e0b030 309060 a04890 60a0d8 e07840"),
            metals=_row("707880 505860 889098 384048"),
            woods=_row("a87848 886038 c09868 f0ece0"),
            murks=_row("586048 485848 606450"),
        ),
        weather={"clear": 0.7, "fair": 0.3},
        texture=0.6,
        dirt=0.15,
        saturation=(1.0, 1.12),
        contrast=(1.0, 1.08),
        brick=0.25,
        noise=(0.0, 0.004),
        blur=(0.0, 0.15),
        vignette=(0.0, 0.0),
        jpeg=None,
        tint=0.0,
    ),
    "r": Look(
        palette=Palette(
            walls=_row("b4a894 8c6450 a08870 c4bcae 7c5848 9a9488 d0c4b0 84786c a8988c 6c4a40 b0a8a0 94745c"),
            trims=_row("d8d4c8 b8b0a0 e0dcd4 8c8880"),
            roofs=_row("5a4a44 484c54 6c5044 3c3e44 745848 585450"),
            doors=_row("28343c 582820 24382c 443428 787468"),
            roads=_row("54565a 5c5a58 4a4c50 646260"),
            pavings=_row("8c8880 989088 807e7c a09484"),
            kerbs=_row("a09c94 8c8a86"),
            lawns=_row("5c7038 6c7040 4c6434 7c7848"),
            hills=_row("5c6c48 6c7450 50604c 78785c"),
            leaves=_row("3c5428 485c2c 344c28 586430 6c6830"),
            barks=_row("4c4034 3c342c 5c5044"),
            cars=_row("b8bcc0 202226 8c9094 5c1c1c 1c2c48 e0e0de 44484c 707478 34443c 8a7a60"),
            clothes=_row("303440 5c5850 8c2c28 24344c 18181c a8a49c 485438 706050 c0b8a8"),
            metals=_row("4c5054 34383c 686c6e 2c3430"),
            woods=_row("74583c 5c4834 8c7c68 b8b0a4"),
            murks=_row("584e3a 4c4838 605844 444638 6a5c44"),
        ),
        weather={"clear": 0.3, "fair": 0.25, "overcast": 0.25, "golden": 0.12, "fog": 0.08},
        texture=1.0,
        dirt=1.0,
        saturation=(0.75, 1.05),
        contrast=(0.9, 1.15),
        brick=0.45,
        noise=(0.003, 0.016),
        blur=(0.15, 0.5),
        vignette=(0.05, 0.3),
        jpeg=(55, 92),
        tint=0.035,
    ),
}


@dataclass(frozen=True)
class Light:
    """Sun, sky and air of one picture; colours and strengths in linear light.

    Args:
        azimuth: heading of the sun, radians, 0 along the street.
        elevation: height of the sun, radians.
        sun: sunlight.
        zenith: colour of the sky above.
        horizon: colour of the sky at the horizon, and of the haze.
        ambient: light from the sky on a level surface.
        cover: share of the sky under clouds, 0..1.
        haze: extinction per metre.
        wind: shift of the cloud pattern, metres.
        exposure: factor of the developed picture.
    """

    azimuth: float
    elevation: float
    sun: Colour
    zenith: Colour
    horizon: Colour
    ambient: Colour
    cover: float
    haze: float
    wind: float
    exposure: float


def _scaled(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def draw_light(look: Look, dice: Dice) -> Light:
    """The light of one picture in a look's weather.

    >>> light = draw_light(LOOKS["s"], Dice(1))
    >>> 0 < light.elevation < 1.6 and light.haze < 0.01
    True
    """
    weather = dice.weighted(look.weather)
    # The sun mostly stands beside or behind the camera, as photographers and map cars like it.
    azimuth = dice.uniform(0.6, 5.7)
    elevation = dice.uniform(0.5, 1.05)
    zenith, horizon = linear("3a70c0"), linear("b8d0e8")
    strength, warm, shade, cover, haze = 2.3, (1.0, 0.94, 0.84), 0.62, dice.uniform(0.15, 0.4), 0.0012
    if weather == "fair":
        strength, shade, cover, haze = 1.9, 0.7, dice.uniform(0.4, 0.65), 0.002
    elif weather == "overcast":
        zenith, horizon = linear("98a0a8"), linear("c8ccd0")
        strength, warm, shade, cover, haze = 0.12, (1.0, 1.0, 1.0), 1.45, 0.95, 0.0045
    elif weather == "golden":
        elevation = dice.uniform(0.2, 0.4)
        zenith, horizon = linear("6080b0"), linear("f0d4b0")
        strength, warm, shade, cover, haze = 2.3, (1.0, 0.8, 0.55), 0.75, dice.uniform(0.2, 0.5), 0.0022
    elif weather == "fog":
        zenith, horizon = linear("b0b4b8"), linear("c4c8ca")
        strength, warm, shade, cover, haze = 0.1, (1.0, 1.0, 1.0), 1.4, 1.0, dice.uniform(0.012, 0.022)
    ambient = tuple(0.5 * (z + h) for z, h in zip(zenith, horizon, strict=True))
    level = sum(ambient) / 3
    return Light(
        azimuth=azimuth,
        elevation=elevation,
        sun=_scaled(warm, strength * dice.uniform(0.9, 1.1)),
        zenith=zenith,
        horizon=horizon,
        # Half way between the sky's own blue and white: light from the walls around whitens it.
        ambient=tuple(shade * (0.45 * a / level + 0.55) for a in ambient),  # type: ignore[arg-type]
        cover=cover,
        haze=haze * dice.uniform(0.7, 1.3),
        wind=dice.uniform(0.0, 4000.0),
        exposure=dice.uniform(0.9, 1.1),
    )
