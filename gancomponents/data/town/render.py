"""One frame of the Town: a street drawn from a seed, photographed dry or flooded."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.camera import Camera, mirror, photograph
from gancomponents.data.town.cast import Hits, cast
from gancomponents.data.town.light import cast_shadows, contact_shade
from gancomponents.data.town.looks import LOOKS, draw_light
from gancomponents.data.town.noise import Dice
from gancomponents.data.town.plan import draw_plan
from gancomponents.data.town.sensor import Sensor, average, sample_grid
from gancomponents.data.town.shade import Scene, shade
from gancomponents.data.town.street import build_street
from gancomponents.data.town.water import Flood, draw_flood, flood_colours, plane_inverse

__all__ = ["FAR", "RENDERER_VERSION", "Frame", "render_frame"]

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

#: Changes whenever frames of the same seed would look different.
RENDERER_VERSION = "2"

#: Depth of the sky, metres: the farthest that the simulator's encoding holds.
FAR = 1000.0

_FINE_UP_TO = 1024  # pictures up to this size are antialiased


@dataclass(frozen=True)
class Frame:
    """A picture and what is known of it, exactly.

    Args:
        image: RGB, (H, W, 3) uint8.
        depth: distance along the optical axis at pixel centres, metres, ``FAR`` for the sky, (H, W) float32; of
            the water's surface where that is what one sees.
        labels: class ids of the common table, (H, W) uint8.
        mask: where the flood is seen, or would be, (H, W) bool: the visible point lies below ``level``.
        height: height of the visible point of the dry street, metres, infinite for the sky, (H, W) float32.
        level: of the flood, metres above the road where the camera stands.
    """

    image: Bytes
    depth: Floats
    labels: Bytes
    mask: Bools
    height: Floats
    level: float


@dataclass(frozen=True)
class _Dry:
    """A dry street, photographed; what its flooded twin needs of it."""

    scene: Scene
    camera: Camera
    hits: Hits
    samples: npt.NDArray[np.intp]
    colours: Floats
    sensor: Sensor
    flood: Flood
    frame: Frame
    step: int


def render_frame(
    seed: int,
    *,
    size: int | tuple[int, int] = 128,
    look: str = "s",
    flooded: bool = False,
    water_level: float | None = None,
) -> Frame:
    """Photograph a street.

    The same seed, look and level give the same street, camera, light and mask, dry or flooded; outside the mask the
    two images are equal.

    Args:
        seed: of the street, the weather and the camera.
        size: height and width, pixels; one number for a square.
        look: "s", clean, or "r", photographic.
        flooded: whether the water is there, or its mask alone.
        water_level: metres above the road; drawn from 0.45..0.6 where None.

    Raises:
        ValueError: for an unknown look, a size below 16, or a level not in 0..1.2 (the eye must stay above it).

    >>> frame = render_frame(3, size=32)
    >>> frame.image.shape, frame.depth.shape, bool(frame.mask.any())
    ((32, 32, 3), (32, 32), True)
    """
    height, width = (size, size) if isinstance(size, int) else size
    if look not in LOOKS:
        raise ValueError(f"look must be one of {sorted(LOOKS)}, got {look!r}: choose a look")
    if min(height, width) < 16:
        raise ValueError(f"size must be at least 16 pixels, got {height} x {width}: render larger frames")
    if water_level is not None and not 0 < water_level <= 1.2:
        raise ValueError(f"water_level must be in 0..1.2 metres, got {water_level}: lower it")
    dry = _photograph(seed, height, width, look, water_level)
    return _flooded(dry) if flooded else dry.frame


@lru_cache(maxsize=1)
def _photograph(seed: int, height: int, width: int, look_name: str, water_level: float | None) -> _Dry:
    """The dry street; the last one is kept, as its flooded twin is often asked for next."""
    look = LOOKS[look_name]
    plan = draw_plan(Dice(seed))
    geometry = build_street(plan, look, Dice(seed + 1_000_003))
    dice = Dice(seed + 2_000_003)
    light = draw_light(look, dice)
    sensor = Sensor(look, dice, light.exposure)
    flood = draw_flood(dice, look.palette.murks, plan.level if water_level is None else water_level)
    fine = max(height, width) <= _FINE_UP_TO
    pose = plan.pose
    camera = photograph(
        height,
        width,
        origin=np.array([pose.x, pose.y, 0.0]),
        yaw=pose.yaw,
        pitch=pose.pitch,
        fov=pose.fov,
        supersample=fine,
    )
    texels = int(np.clip(1.7 * max(height, width), 160, 640))
    scene = Scene(
        geometry=geometry,
        light=light,
        look=look,
        shadows=cast_shadows(geometry, light, texels),
        contact=contact_shade(geometry),
    )
    hits = cast(geometry, camera)
    samples = sample_grid(height, width, corners=fine)
    colours, labels = shade(scene, camera, hits, samples)
    shape, count = (height, width), height * width
    inverse = hits.inverse.reshape(-1).take(samples[:count]).reshape(shape)
    rise = camera.along(samples[:count])[1].reshape(shape)
    above = np.where(
        inverse > 0, np.float32(pose.y) + rise / np.maximum(inverse, np.float32(1e-9)), np.float32(np.inf)
    )
    frame = Frame(
        image=sensor.develop(average(colours, height, width)),
        depth=np.minimum(1 / np.maximum(inverse, np.float32(1e-9)), np.float32(FAR)),
        labels=labels[:count].reshape(shape),
        mask=(rise / np.float32(flood.level - pose.y) > inverse) & (inverse > 0),
        height=above.astype(np.float32),
        level=flood.level,
    )
    return _Dry(scene, camera, hits, samples, colours, sensor, flood, frame, 2 if fine else 1)


def _flooded(dry: _Dry) -> Frame:
    frame, flood = dry.frame, dry.flood
    height, width = frame.mask.shape
    centre = Camera(
        origin=dry.camera.origin,
        basis=dry.camera.basis,
        u=dry.camera.u[dry.step - 1 :: dry.step][:width],
        v=dry.camera.v[dry.step - 1 :: dry.step][:height],
        pixel=dry.camera.pixel,
    )
    image, depth, labels = frame.image.copy(), frame.depth.copy(), frame.labels.copy()
    rows = np.flatnonzero(frame.mask.any(axis=1))
    if len(rows):
        # Reflections are needed from a little above the water's highest row down.
        first = max(int(rows[0]) - 4, 0)
        below = Camera(centre.origin, centre.basis, centre.u, centre.v[first:], centre.pixel)
        mirrored = mirror(below, flood.level)
        surface = plane_inverse(below, flood.level)
        seen = cast(dry.scene.geometry, mirrored, behind=surface, smallest=2)
        reflection = np.empty((height, width, 3), dtype=np.float32)
        mirrored_light, _ = shade(dry.scene, mirrored, seen, np.arange((height - first) * width))
        reflection[first:] = mirrored_light.T.reshape(height - first, width, 3)
        reflection[:first] = reflection[first]
        colours = flood_colours(
            dry.scene, dry.camera, dry.hits, dry.samples, dry.colours, reflection, flood, dry.step
        )
        wet = dry.sensor.develop(average(colours, height, width))
        water = plane_inverse(centre, flood.level)
        image[frame.mask] = wet[frame.mask]
        depth[frame.mask] = np.minimum(1 / water[frame.mask], np.float32(FAR))
        labels[frame.mask] = 0
    return Frame(
        image=image, depth=depth, labels=labels, mask=frame.mask, height=frame.height, level=frame.level
    )
