"""The way from a path to pixels: OpenCV, found and silenced, behind our own look at the file."""

import os
import stat
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from gancomponents.data._containers import ContainerError, Header, parse
from gancomponents.errors import InputError

__all__ = ["MAX_PIXELS", "AnyPath", "decode", "open_image", "opencv", "read_bytes"]

#: Images of more pixels than this are refused before they are decoded.
MAX_PIXELS = 1 << 27
_MAX_BYTES = 1 << 30
AnyPath = str | os.PathLike[str]


@lru_cache(maxsize=1)
def opencv() -> ModuleType:
    """OpenCV, silenced for the whole process: what it has to say we find out beforehand."""
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise InputError(
            "OpenCV", expected="to be installed", got=str(error), fix="pip install opencv-python"
        ) from error
    except ImportError as error:
        raise InputError(
            "OpenCV",
            expected="to load",
            got=str(error),
            fix="`apt-get install libgl1` (libGL and what comes with it), or replace opencv-python: "
            "`pip uninstall opencv-python && pip install opencv-python-headless`",
        ) from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


def read_bytes(path: AnyPath) -> bytes:
    """Content of a regular file of a sane size (a named pipe would block, a device would never end)."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "something else"
            raise InputError(str(path), expected="a file", got=kind, fix="name a file")
        if status.st_size > _MAX_BYTES:
            got = f"{status.st_size / (1 << 20):.0f} MiB"
            raise InputError(str(path), expected="at most 1 GiB", got=got, fix="store a smaller file")
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise InputError(
            str(path), expected="a file", got="nothing of that name", fix="correct the path"
        ) from error
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            str(path), expected="a readable file", got=reason, fix="correct path or permissions"
        ) from error


def open_image(path: AnyPath, max_pixels: int) -> tuple[Header, bytes]:
    """Header and bytes of an image file that is whole and not too large to decode."""
    try:
        header, data = parse(read_bytes(path))
    except ContainerError as error:
        expected = "a whole PNG, JPEG or WebP image"
        fix = "replace the file, or convert it to one of these"
        raise InputError(str(path), expected=expected, got=str(error), fix=fix) from error
    height, width = header.size
    if not 0 < height * width <= max_pixels:
        expected, got = f"an image of 1 to {max_pixels} pixels", f"{height} x {width}"
        raise InputError(str(path), expected=expected, got=got, fix="resize it, or leave it out")
    return header, data


# What each EXIF orientation needs to stand upright.
_UPRIGHT: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image, 1),
}


def decode(path: AnyPath, flags: int, max_pixels: int = MAX_PIXELS) -> npt.NDArray[Any]:
    """Pixels of an image file as OpenCV's ``flags`` ask, RGB and upright (so the flags must not rotate)."""
    cv2 = opencv()
    header, data = open_image(path, max_pixels)
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error:
        image = None
    if image is None or image.shape[:2] != (header.height, header.width):
        expected, got = f"a {header.format} image", "damaged content"
        raise InputError(str(path), expected=expected, got=got, fix="replace the file")
    if image.ndim == 3 and image.shape[2] < 3:
        image = image[:, :, 0]
    # OpenCV speaks BGR unless asked; IMREAD_UNCHANGED is -1, all flags at once.
    elif image.ndim == 3 and (flags < 0 or not flags & cv2.IMREAD_COLOR_RGB):
        image = cv2.cvtColor(image[:, :, :3], cv2.COLOR_BGR2RGB)
    if header.orientation > 1:
        image = np.ascontiguousarray(_UPRIGHT[header.orientation](image))
    return image
