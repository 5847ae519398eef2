"""Reading and writing image files and arrays: whatever is wrong with a file is one error that names it."""

import io
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gancomponents.data._files import MAX_PIXELS, AnyPath, decode, open_image, opencv, read_bytes
from gancomponents.errors import InputError, unwritable

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MAX_PIXELS", "image_size", "read_array", "read_image", "read_mask", "to_uint8", "write_image"]

_PARSING = threading.Lock()
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def read_image(path: AnyPath, *, max_pixels: int = MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """A PNG, JPEG or WebP file as RGB, whatever was stored.

    EXIF rotation is applied, alpha dropped, grey repeated, 16 bits scaled to 8. An animation gives its
    first frame.

    Args:
        path: the file.
        max_pixels: larger images are refused before anything is decoded.

    Shape: returns (H, W, 3) uint8, 0..255.

    Raises:
        InputError: missing, unreadable, truncated, damaged or too large; it names the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(Path(folder, "red.png"), np.full((2, 3, 3), (255, 0, 0), np.uint8))
    ...     read_image(Path(folder, "red.png"))[0, 0].tolist()
    [255, 0, 0]
    """
    cv2 = opencv()
    return decode(path, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION, max_pixels)


def image_size(path: AnyPath, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(height, width) of an image file as ``read_image`` gives it, from its container, without decoding.

    The container is walked to its end, so that a truncated file is found here too.

    Args:
        path: the file.
        max_pixels: as for ``read_image``.

    Raises:
        InputError: as ``read_image``, except damage inside compressed data.

    >>> image_size("no.png")
    Traceback (most recent call last):
    gancomponents.errors.InputError: no.png: expected a file, got nothing of that name. Fix: correct the path.
    """
    return open_image(path, max_pixels)[0].size


def read_array(path: AnyPath) -> npt.NDArray[Any]:
    """Values as stored in a .npy, .pt or image file, without scaling.

    Nothing is unpickled: .npy with ``allow_pickle=False``, .pt with ``weights_only=True`` (one tensor). No array is
    larger than its file.

    Args:
        path: the file; its suffix says what it is.

    Shape: .npy and .pt as stored; images (H, W) if grey, else (H, W, 3) RGB, uint8 or uint16, alpha dropped.

    Raises:
        InputError: missing, unreadable, truncated, damaged, too large, of an unknown kind; it names the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder, "depth.npy"), np.array([[1.5]]))
    ...     read_array(Path(folder, "depth.npy")).tolist()
    [[1.5]]
    """
    suffix = Path(path).suffix.lower()
    if suffix in _SUFFIXES:
        return decode(path, opencv().IMREAD_UNCHANGED)
    if suffix not in (".npy", ".pt"):
        expected = ", ".join((*_SUFFIXES, ".npy or .pt"))
        raise InputError(
            str(path), expected=f"one of {expected}", got=suffix or "no suffix", fix="convert the file"
        )
    data = read_bytes(path)
    try:
        array = _numpy_file(data) if suffix == ".npy" else _torch_file(data)
    except Exception as error:  # both readers fail in many ways on damaged files
        raise InputError(
            str(path),
            expected="one array of numbers" if suffix == ".npy" else "one tensor, saved with torch.save",
            got=_told(error),
            fix="write the file again (nothing is unpickled)",
        ) from error
    if array.dtype.kind not in "buif":
        raise InputError(str(path), expected="numbers", got=str(array.dtype), fix="write the file again")
    return array


def _told(error: Exception) -> str:
    """What a reader complains of."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'damaged content'}"


def _numpy_file(data: bytes) -> npt.NDArray[Any]:
    # The header is read by ast.literal_eval, which Python 3.11 may fail in when several threads do so at once
    # (SystemError: AST constructor recursion depth mismatch).
    with _PARSING:
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def _torch_file(data: bytes) -> npt.NDArray[Any]:
    import torch

    from gancomponents._tensors import read_torch_file

    tensor = read_torch_file(io.BytesIO(data))
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"a {type(tensor).__name__}")
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def read_mask(path: AnyPath) -> npt.NDArray[np.uint8]:
    """A binary mask, from values 0 and 1, or from grey values of which those above 127 are water.

    Args:
        path: an image (black and white), .npy or .pt file.

    Shape: returns (H, W) uint8 in {0, 1}, 1 = water.

    Raises:
        InputError: as ``read_array``; a coloured image, or other small values than 0 and 1.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(Path(folder, "mask.png"), np.array([[0, 200]], np.uint8))
    ...     read_mask(Path(folder, "mask.png")).tolist()
    [[0, 1]]
    """
    if Path(path).suffix.lower() in _SUFFIXES:
        # As stored: a grey one, as most are, has no channels to compare.
        image = decode(path, opencv().IMREAD_UNCHANGED)
        mask = image if image.ndim == 2 else image[:, :, 0]
        if image.ndim == 3 and not _grey(image):
            expected, fix = "a mask in black and white", "write 255 where water is, 0 elsewhere"
            raise InputError(str(path), expected=expected, got="a coloured image", fix=fix)
    else:
        mask = plane(read_array(path), path)
    if mask.dtype == bool:
        return mask.astype(np.uint8)
    if mask.max() > 127:
        return (mask > (127 * 257 if mask.dtype == np.uint16 and mask.max() > 255 else 127)).view(np.uint8)
    binary = mask == 1
    if not (binary | (mask == 0)).all():
        expected, got = "values 0 and 255, or 0 and 1", f"values {mask.min():g} to {mask.max():g}"
        raise InputError(str(path), expected=expected, got=got, fix="write 255 where water is, 0 elsewhere")
    return binary.astype(np.uint8)


def _grey(image: npt.NDArray[Any]) -> bool:
    spread = int(image.max()) - int(image.min())
    return all(_close(image[:, :, 0], image[:, :, channel], spread) for channel in (1, 2))


def _close(first: npt.NDArray[Any], second: npt.NDArray[Any], spread: int) -> bool:
    """Whether two channels agree up to a quarter of the contrast; JPEG moves them a little."""
    if first.dtype == np.uint8:
        return int(opencv().absdiff(first, second).max()) <= max(spread // 4, 1)
    return int(np.abs(first.astype(np.int32) - second).max()) <= max(spread // 4, 1)


def plane(array: npt.NDArray[Any], path: AnyPath) -> npt.NDArray[Any]:
    """The one (H, W) plane of an array that may carry axes of length one, such as (1, H, W)."""
    while array.ndim > 2 and 1 in (array.shape[0], array.shape[-1]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim != 2 or not array.size:
        expected, got = "an array (H, W)", f"shape {tuple(array.shape)}"
        raise InputError(str(path), expected=expected, got=got, fix="store one plane")
    return array


def write_image(path: AnyPath, image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> None:
    """Write a PNG, JPEG or WebP file, at once or not at all: nobody sees half a file.

    Args:
        path: the file; its suffix says the format.
        image: RGB (H, W, 3) or grey (H, W), 0..255 uint8; uint16 for PNG only.

    Raises:
        InputError: an unknown suffix, or a folder that cannot be written.
        ValueError: an array that is no image.

    >>> write_image("a.bmp", np.zeros((2, 2, 3), np.uint8))
    Traceback (most recent call last):
    gancomponents.errors.InputError: a.bmp: expected a name in .png, .jpg, .jpeg, .webp. Fix: choose one.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(str(path), expected=f"a name in {', '.join(_SUFFIXES)}", fix="choose one")
    shape_fits = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if (
        not shape_fits
        or not image.size
        or not (image.dtype == np.uint8 or (image.dtype == np.uint16 and suffix == ".png"))
    ):
        expected = "uint8 (H, W, 3) or (H, W), or uint16 for PNG"
        raise ValueError(f"image must be {expected}, got {image.dtype} {image.shape}: convert it")
    cv2 = opencv()
    done, encoded = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image)
    if not done:
        raise InputError(
            str(path), expected="an image that can be encoded", got=str(image.shape), fix="resize it"
        )
    partial = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        partial.write_bytes(encoded)
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def to_uint8(x: "Tensor", *, truncate: bool = False) -> npt.NDArray[np.uint8]:
    """Images in [-1, 1] as what `write_image` writes.

    (x + 1) / 2 * 255, to the nearest level; values outside the range are clamped.

    Args:
        x: one image or a batch.
        truncate: round down, as upstream, which darkens every image by half a level.

    Shape: (..., C, H, W), floating; returns (..., H, W, C) uint8, 0..255.

    Raises:
        ValueError: fewer than three axes, or whole numbers.

    >>> import torch
    >>> to_uint8(torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1)).tolist()
    [[[0, 128, 255]]]
    """
    if x.dim() < 3 or not x.is_floating_point():
        raise ValueError(
            f"x must be floating (..., C, H, W), got {x.dtype} {tuple(x.shape)}: pass images in [-1, 1]"
        )
    x = x.detach().cpu()
    levels = (x if x.dtype.itemsize >= 4 else x.float()).clamp(-1, 1).add(1).div(2).mul(255)
    levels = levels.floor() if truncate else levels.add(0.5).floor()
    return np.ascontiguousarray(levels.byte().movedim(-3, -1).numpy())
