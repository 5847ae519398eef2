"""Events: what climate change may bring to a picture. Images in [-1, 1] in and out, batched."""

from gancomponents.events.blur import gaussian_blur
from gancomponents.events.clouds import cloudy, perlin_noise
from gancomponents.events.fire import sky_mask, wildfire
from gancomponents.events.haze import smog
from gancomponents.events.water import flood

__all__ = ["cloudy", "flood", "gaussian_blur", "perlin_noise", "sky_mask", "smog", "wildfire"]
