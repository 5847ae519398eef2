"""Painting at a size that suits the painter: any, or one of the four ways in which upstream chooses it."""

from typing import TYPE_CHECKING, Literal, get_args

from torch import Tensor

from gancomponents.generators import paste
from gancomponents.layers import resize, upsample_nearest

if TYPE_CHECKING:
    from recipes.climategan.model import ClimateGAN

#: How large the painter paints what it is given, and how large the result is:
#:
#: - ``full``: as large as the input, whatever that is.
#: - ``approx``: the input's height and width rounded down to multiples of the painter's stride; so is the result.
#: - ``exact``: the same, and the picture is resized to the input.
#: - ``basic``: the square that it was trained on; so is the result.
#: - ``upsample``: the same, and the picture is resized to the input.
Resolution = Literal["full", "exact", "approx", "basic", "upsample"]


def canvas_size(
    size: tuple[int, int], *, stride: int, resolution: Resolution, trained: int | None = None
) -> tuple[int, int]:
    """Height and width at which the painter paints an input of ``size``.

    Args:
        size: height and width of the input.
        stride: of the painter, 2^upsamplings.
        resolution: see `Resolution`.
        trained: side of the images that the painter was trained on, for ``basic`` and ``upsample``.

    Raises:
        ValueError: an unknown resolution, an input smaller than the stride, or no ``trained`` where it is needed.

    >>> canvas_size((70, 100), stride=16, resolution="exact")
    (64, 96)
    """
    if resolution not in get_args(Resolution):
        raise ValueError(f"resolution must be one of {get_args(Resolution)}, got {resolution!r}")
    if resolution == "full":
        return size
    if resolution in ("basic", "upsample"):
        if trained is None:
            raise ValueError(
                f"the trained size must be known for resolution {resolution!r}, got None: set model.trained_size"
            )
        size = (trained, trained)
    height, width = (side // stride * stride for side in size)
    if min(height, width) < 1:
        raise ValueError(
            f"images must have {stride} pixels or more on a side for resolution {resolution!r}, got "
            f"{size[0]}x{size[1]}: use resolution 'full' or larger images"
        )
    return height, width


def painted(
    model: "ClimateGAN",
    x: Tensor,
    mask: Tensor,
    *,
    resolution: Resolution = "full",
    trained: int | None = None,
) -> Tensor:
    """The painter's picture of ``x`` without what the mask covers; nothing is pasted.

    Args:
        model: it must have a painter.
        x: images in [-1, 1].
        mask: 1 where water is to be.
        resolution: see `Resolution`.
        trained: side of the images that the painter was trained on; ``model.trained_size`` where None.

    Shape: x (B, 3, H, W), mask (B, 1, H, W) to (B, 3, H, W), or smaller where ``resolution`` says so.

    Raises:
        ValueError: see `canvas_size`; a model without a painter.
    """
    painter = model.painter
    if painter is None:
        raise ValueError("painter must be there to paint, got None: this model only predicts")
    size = (x.shape[-2], x.shape[-1])
    stride = 2 ** int(getattr(painter, "upsamplings", 0))
    trained = model.trained_size if trained is None else trained
    canvas = canvas_size(size, stride=stride, resolution=resolution, trained=trained)
    cond = x * (1 - mask)
    # Nearest, as the painter's own levels are: resized once more inside, they come out as if resized at once.
    picture: Tensor = painter(cond if canvas == size else upsample_nearest(cond, canvas))
    return resize(picture, size) if resolution in ("exact", "upsample") else picture


def pasted(picture: Tensor, photo: Tensor, mask: Tensor, *, resolution: Resolution = "full") -> Tensor:
    """A painted picture inside the mask of a photo.

    Args:
        picture: what the painter made of the photo, of any size.
        photo: the photo.
        mask: of the photo's size.
        resolution: ``approx`` and ``basic`` keep the picture's size, otherwise the result has the photo's.

    Shape: picture (B, 3, h, w), photo (B, 3, H, W), mask (B, 1, H, W) to (B, 3, H, W) or (B, 3, h, w).
    """
    if resolution in ("approx", "basic"):
        size = (picture.shape[-2], picture.shape[-1])
        return paste(picture, resize(photo, size), upsample_nearest(mask, size))
    return paste(resize(picture, (photo.shape[-2], photo.shape[-1])), photo, mask)
