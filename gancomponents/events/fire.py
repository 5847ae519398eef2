"""Wildfire: a darker, redder picture under a glowing sky."""

import torch
from torch import Tensor
from torch.nn import functional

from gancomponents.events.blur import gaussian_blur, grow
from gancomponents.events.colour import unit_range


def wildfire(
    x: Tensor,
    segmentation_logits: Tensor,
    *,
    sky_class: int = 9,
    kernel_size: int = 281,
    sigma: float = 140.5,
    sky_growth: float = 0.18,
    green: float | Tensor | None = 125,
    warmth: tuple[float, float, float] = (40, -10, -20),
    contrast: float = 1.5,
    brightness: float = 0.73,
    transparency: float = 200,
    final_brightness: float = 0.8,
    crop_bottom: bool = True,
    stretch: bool = False,
    integer_levels: bool = False,
) -> Tensor:
    """An image in the light of a wildfire.

    Schmidt et al. 2022 (ClimateGAN), appendix on other events: the image is warmed, its contrast raised, its
    brightness lowered; then an orange glow is laid over the sky, grown and blurred. Differentiable in the
    image.

    Args:
        x: image in [-1, 1].
        segmentation_logits: of the classes; their argmax says where the sky is.
        sky_class: index of the sky.
        kernel_size, sigma: of the glow's Gaussian blur in pixels; borders are reflected, as often as need be.
        sky_growth: the sky grows by this share of width and height to each side.
        green: green level of the glow, 0 to 255; a tensor for one per image, None to draw each from 100 to
            150.
        warmth: added to red, green and blue, in levels.
        contrast: factor on the distance from the image's mean grey.
        brightness: factor on everything, before the glow.
        transparency: opacity of the glow's centre, 0 to 255.
        final_brightness: factor on everything, after the glow.
        crop_bottom: there is no sky in the lowest third.
        stretch: stretch the image to its full range first, as upstream.
        integer_levels: round down to whole levels after each step, as upstream; no gradient then.

    Shape:
        x: (B, 3, H, W); segmentation_logits: (B, C, h, w), any size; returns (B, 3, H, W) in [-1, 1].

    Raises:
        ValueError: shapes that do not fit, or a class that is not there.

    >>> import torch
    >>> logits = torch.zeros(1, 11, 8, 8)
    >>> logits[:, 9, :3] = 1
    >>> burning = wildfire(torch.zeros(1, 3, 32, 32), logits, kernel_size=15, sigma=5.0)
    >>> bool(burning[0, 0, 0].mean() > burning[0, 2, 0].mean())
    True
    """
    if segmentation_logits.dim() != 4 or segmentation_logits.shape[0] != x.shape[0]:
        raise ValueError(
            f"segmentation_logits must be (B, C, h, w) for x {tuple(x.shape)}, got "
            f"{tuple(segmentation_logits.shape)}: pass logits, not labels"
        )
    if not 0 <= sky_class < segmentation_logits.shape[1]:
        raise ValueError(
            f"sky_class must be one of the {segmentation_logits.shape[1]} classes, got {sky_class}: count "
            "from 0"
        )

    # In place, in memory of its own: fetching new memory for a large photo takes longer than the arithmetic.
    def levels(values: Tensor) -> Tensor:
        values = values.clamp_(0, 255)
        return values.floor_() if integer_levels else values

    scene = unit_range(x, stretch=stretch).mul_(255)
    for channel, warm in enumerate(warmth):
        scene[:, channel].add_(warm)
    scene = levels(scene)
    grey = 0.2989 * scene[:, 0] + 0.587 * scene[:, 1] + 0.114 * scene[:, 2]
    grey = grey.floor_() if integer_levels else grey
    grey_B111 = grey.mean(dim=(1, 2))[:, None, None, None]
    scene = levels(scene.mul_(contrast).add_((1 - contrast) * grey_B111))
    scene = levels(scene.mul_(brightness))

    sky = sky_mask(segmentation_logits, x.shape[2:], sky_class, sky_growth, crop_bottom).to(scene.dtype)
    weight = gaussian_blur(sky, kernel_size, sigma).mul_(transparency / 255)
    scene = scene.mul_(1 - weight)
    scene[:, :1].add_(255 * weight)  # the glow is red and some green
    scene[:, 1:2].add_(_greens(green, scene) * weight)
    scene = levels(levels(scene).mul_(final_brightness))
    return scene.div_(127.5).sub_(1)


def sky_mask(
    segmentation_logits: Tensor,
    size: tuple[int, int] | torch.Size,
    sky_class: int = 9,
    growth: float = 0.18,
    crop_bottom: bool = True,
    *,
    smooth: bool = False,
) -> Tensor:
    """Where the sky is, grown to all sides.

    Args:
        segmentation_logits: of the classes.
        size: height and width of the result.
        sky_class: index of the sky.
        growth: share of width and of height by which the sky grows, to the sides first, then up and down.
        crop_bottom: there is no sky in the lowest third.
        smooth: classes are told apart after the logits have been resized bilinearly, as upstream does for
            clouds; otherwise before, as it does for fire, and their map is resized to the nearest value.

    Shape:
        segmentation_logits: (B, C, h, w); returns (B, 1, H, W), 0 or 1.

    >>> import torch
    >>> logits = torch.zeros(1, 11, 3, 3)
    >>> logits[:, 9] = 1
    >>> sky_mask(logits, (3, 3), growth=0.0).flatten(1).tolist()
    [[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]
    """
    logits, (height, width) = segmentation_logits, size
    if smooth:
        logits = functional.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
    sky = (logits.argmax(1, keepdim=True) == sky_class).float()
    if crop_bottom:
        rows = torch.arange(sky.shape[2], device=sky.device)[:, None]
        sky = sky * (rows < 2 * sky.shape[2] // 3)
    # Each axis resized as it grows: the order does not matter, and only the last pass is of full size.
    sky = grow(sky, int(growth * width) - 1, dim=3, size=width)
    return grow(sky, int(growth * height) - 1, dim=2, size=height).to(segmentation_logits.dtype)


def _greens(green: float | Tensor | None, scene: Tensor) -> float | Tensor:
    """The glow's green level: a number, or (B, 1, 1, 1)."""
    if green is None:
        green = 100 + (51 * torch.rand(scene.shape[0], device=scene.device, dtype=scene.dtype)).floor()
    return green.to(scene).reshape(-1, 1, 1, 1) if isinstance(green, Tensor) else green
