"""Events: what climate change may bring to a picture. Images in [-1, 1] in and out, batched."""

from gancomponents.events.blur import gaussian_blur
from gancomponents.events.fire import sky_mask, wildfire
from gancomponents.events.haze import smog
from gancomponents.events.water import flood

__all__ = ["flood", "gaussian_blur", "sky_mask", "smog", "wildfire"]
