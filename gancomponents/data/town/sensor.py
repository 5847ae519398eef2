"""From light to a picture: antialiasing, lens, exposure, tone curve, noise, JPEG."""

from typing import Any

import numpy as np
import numpy.typing as npt

from gancomponents.data.town.looks import Look
from gancomponents.data.town.noise import Dice

__all__ = ["Sensor", "average", "sample_grid"]

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]

_STEPS = 4096
_BRIGHTEST = 4.0  # light beyond this is lost


def sample_grid(height: int, width: int, *, corners: bool) -> Index:
    """Which samples of a camera's grid make a picture: every pixel's centre, then every pixel's corners.

    Args:
        height: rows of the picture.
        width: columns of the picture.
        corners: whether the grid is the fine one, of ``2 n + 1`` samples a side, with centres at odd places.

    Shape: returns (H W,) or (H W + (H + 1) (W + 1),), indices into the flattened grid.

    >>> sample_grid(1, 2, corners=True).tolist()
    [6, 8, 0, 2, 4, 10, 12, 14]
    """
    if not corners:
        return np.arange(height * width)
    grid = np.arange((2 * height + 1) * (2 * width + 1)).reshape(2 * height + 1, 2 * width + 1)
    return np.concatenate([grid[1::2, 1::2].reshape(-1), grid[0::2, 0::2].reshape(-1)])


def average(samples: Floats, height: int, width: int) -> Floats:
    """The picture of samples as ``sample_grid`` orders them: half of each centre, an eighth of each corner.

    Shape: (3, N) to (H, W, 3).

    >>> average(np.ones((3, 8), np.float32), 1, 2).tolist()
    [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    """
    count = height * width
    picture: npt.NDArray[np.floating] = samples[:, :count].reshape(3, height, width)
    if samples.shape[1] > count:
        corner = samples[:, count:].reshape(3, height + 1, width + 1)
        rows = corner[:, 1:] + corner[:, :-1]
        picture = np.float32(0.5) * picture + np.float32(0.125) * (rows[:, :, 1:] + rows[:, :, :-1])
    return np.ascontiguousarray(picture.transpose(1, 2, 0), dtype=np.float32)


def _tone_curve() -> Floats:
    light = (
        np.arange(_STEPS) / (_STEPS - 1)
    ) ** 2 * _BRIGHTEST  # indexed by the square root: even steps to the eye
    exposed = 1.15 * light
    shoulder = exposed * (1 + exposed / 2.4**2) / (1 + exposed)
    return (np.clip(shoulder * 1.12, 0, 1) ** (1 / 2.2)).astype(np.float32)


class Sensor:
    """The camera of one picture: the same for a street and its flooded twin.

    Args:
        look: ranges to draw from.
        dice: randomness.
        exposure: factor on the light.
    """

    _curve = _tone_curve()

    def __init__(self, look: Look, dice: Dice, exposure: float):
        self.exposure = exposure
        self.saturation = dice.uniform(*look.saturation)
        self.contrast = dice.uniform(*look.contrast)
        self.noise = dice.uniform(*look.noise)
        self.blur = dice.uniform(*look.blur)
        self.vignette = dice.uniform(*look.vignette)
        self.quality = dice.whole(*look.jpeg) if look.jpeg else None
        self.white = [1 + dice.uniform(-look.tint, look.tint) for _ in range(3)]
        self.seed = dice.whole(0, 2**31)

    def develop(self, light: Floats) -> Bytes:
        """The picture of linear light.

        Shape: (H, W, 3) float32 to (H, W, 3) uint8.
        """
        import cv2

        height, width = light.shape[:2]
        # A softer lens at higher resolution, but not in proportion: larger pictures do show more.
        sigma = self.blur * (min(height, width) / 128) ** 0.5
        if sigma > 0.12:
            light = cv2.GaussianBlur(np.minimum(light, np.float32(2.5)), (0, 0), sigma)
        gain = np.array(self.white, dtype=np.float32) * np.float32(self.exposure)
        light = light * gain
        if self.vignette > 0:
            across = np.linspace(-1, 1, width, dtype=np.float32) ** 2
            down = np.linspace(-1, 1, height, dtype=np.float32) ** 2
            light *= (1 - np.float32(self.vignette / 2) * (across[None, :] + down[:, None]))[..., None]
        index = np.sqrt(np.clip(light, 0, np.float32(_BRIGHTEST))) * np.float32(
            (_STEPS - 1) / _BRIGHTEST**0.5
        )
        picture = self._curve.take(index.astype(np.int32))
        grey = picture @ np.array([0.3, 0.59, 0.11], dtype=np.float32)
        picture = grey[..., None] + (picture - grey[..., None]) * np.float32(self.saturation)
        picture = (picture - 0.5) * np.float32(self.contrast) + 0.5
        if self.noise > 0.001:
            generator = np.random.Generator(np.random.SFC64(self.seed))
            grain = generator.standard_normal((height, width, 3), dtype=np.float32)
            grain = 0.6 * grain + 0.7 * grain[..., :1]  # mostly grey, partly coloured
            picture = picture + grain * (np.float32(self.noise) * (1.25 - 0.6 * grey[..., None]))
        pixels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
        if self.quality is not None:
            _, code = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])
            decoded: Any = cv2.imdecode(code, cv2.IMREAD_COLOR)
            pixels = np.ascontiguousarray(decoded[..., ::-1])
        return pixels
