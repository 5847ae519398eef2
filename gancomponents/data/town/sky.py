"""The sky: gradient, clouds on a plane above, the sun and its glow."""

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.looks import Light
from gancomponents.data.town.noise import BROAD, lookup, noise_tile

__all__ = ["sky_colour", "sun_direction"]

Floats = npt.NDArray[np.floating]


def sun_direction(light: Light) -> npt.NDArray[np.float64]:
    """Unit vector to the sun.

    >>> from gancomponents.data.town.looks import LOOKS, draw_light
    >>> from gancomponents.data.town.noise import Dice
    >>> bool(sun_direction(draw_light(LOOKS["s"], Dice(0)))[1] > 0)
    True
    """
    flat = np.cos(light.elevation)
    return np.array([flat * np.sin(light.azimuth), np.sin(light.elevation), flat * np.cos(light.azimuth)])


def sky_colour(light: Light, x: Floats, y: Floats, z: Floats, *, clouds: bool = True) -> Floats:
    """Linear light from the sky.

    Args:
        light: weather.
        x: directions, of unit length.
        y: upwards.
        z: along the street.
        clouds: whether to draw clouds and the sun's disc (mirrors too rough to show them need none).

    Shape: three arrays (N,); returns (3, N).
    """
    up = np.maximum(y, 0)
    rise = np.sqrt(up)
    zenith, horizon = (np.array(c, dtype=np.float32)[:, None] for c in (light.zenith, light.horizon))
    colour = horizon + (zenith - horizon) * rise
    sun = sun_direction(light).astype(np.float32)
    towards = np.maximum(x * sun[0] + y * sun[1] + z * sun[2], 0)
    strength = np.array(light.sun, dtype=np.float32)[:, None]
    glow = towards * towards
    glow *= glow
    glow *= glow
    colour += strength * (0.06 * glow)
    if not clouds:
        return colour
    # Clouds lie on a plane; near the horizon its picture is squeezed and fades into the haze.
    reach = np.float32(1.0) / (up + np.float32(0.12))
    cx, cz = x * reach, z * reach
    tile = noise_tile(BROAD)
    wind = np.float32(light.wind)
    field = lookup(tile, cx * 90 + wind, cz * 90) + 0.45 * lookup(tile, cx * 290, cz * 290 + wind)
    edge = np.float32(1.55 - 2.9 * light.cover)
    cover = np.clip((field - edge) * 0.75, 0, 1) * np.clip(y * 9 - 0.25, 0, 1)
    bright = 0.5 * (zenith + horizon).mean() + 0.24 * strength.mean() + 0.1
    shade = np.clip(1.06 - 0.16 * (field - edge), 0.72, 1.05) * bright
    if light.cover > 0.85:
        shade = bright * (1.0 + 0.1 * np.clip(field, -1.5, 1.5))
        cover = np.clip(y * 6, 0, 0.85)
    colour += (shade - colour) * cover
    disc = np.clip((towards - np.float32(0.9993)) * 4000, 0, 1)
    colour += strength * (disc * (1 - cover) * 2.5)
    return colour
