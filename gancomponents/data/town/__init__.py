"""The Town: a rendered world of streets, dry and flooded, with exact depth, labels and flood masks.

There is no public data to download, so every recipe's default data set is rendered: `write_town` writes a folder
like any user's, images and JSON lists.
"""

from gancomponents.data.town.files import Summary, cached_town, check_parameters, write_town
from gancomponents.data.town.render import RENDERER_VERSION, Frame, render_frame

__all__ = [
    "RENDERER_VERSION",
    "Frame",
    "Summary",
    "cached_town",
    "check_parameters",
    "render_frame",
    "write_town",
]
