"""Depth on disk: the simulator's three-channel encoding, 16-bit centimetres, inverse depth (numpy only)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "MAX_SIMULATOR_DEPTH",
    "SIMULATOR_RESOLUTION",
    "DepthTarget",
    "decode_kitti_depth",
    "decode_simulator_depth",
    "encode_simulator_depth",
    "inverse_depth",
    "log_depth",
    "log_to_inverse_depth",
    "min_max",
]

Floats = npt.NDArray[np.float32]

#: Farthest depth of the simulator's encoding, metres; everything beyond (the sky) is written as this.
MAX_SIMULATOR_DEPTH = 1000.0
_LEVELS = 256 * 31 * 31 - 1
#: Step between two depths of the simulator's encoding: about 4.06 millimetres.
SIMULATOR_RESOLUTION = MAX_SIMULATOR_DEPTH / _LEVELS


def encode_simulator_depth(metres: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """The simulator's RGB code of metric depth.

    R and G count 31 levels, 8 grey values apart, B counts 256; all fall as depth grows.
    Depth is clamped to 0..1000 m and rounded to steps of 4.06 mm; infinity (sky) becomes 1000 m.

    Args:
        metres: depth, metres.

    Shape: (...) to (..., 3) uint8.

    Raises:
        ValueError: NaN in the depth.

    >>> encode_simulator_depth(np.array([0.0, 1000.0])).tolist()
    [[247, 247, 255], [7, 7, 0]]
    """
    metres = np.asarray(metres)
    if np.isnan(metres).any():
        raise ValueError("metres must be numbers, got NaN: give the far depth where nothing was hit")
    clamped = np.clip(metres.astype(np.float64, copy=False), 0, MAX_SIMULATOR_DEPTH)
    code = np.rint(clamped / SIMULATOR_RESOLUTION).astype(np.int32)
    high, low = np.divmod(code, 256 * 31)
    middle, low = np.divmod(low, 256)
    return np.stack([247 - 8 * high, 247 - 8 * middle, 255 - low], axis=-1).astype(np.uint8)


def decode_simulator_depth(rgb: npt.NDArray[np.uint8]) -> Floats:
    """Metric depth of the simulator's RGB code; the inverse of :func:`encode_simulator_depth`.

    R' = trunc((247 - R) / 8), G' = trunc((247 - G) / 8), B' = 255 - B and
    depth = 1000 (7936 R' + 256 G' + B') / (256 * 31 * 31 - 1); codes that would be negative are depth 0.

    Args:
        rgb: colour-coded depth, lossless (one grey value of R is 32 m).

    Shape: (..., 3) uint8 to (...) float32, metres in 0..1000.

    Raises:
        ValueError: another type or number of channels.

    >>> metres = np.array([0.0, 1.5, 999.0])
    >>> bool(np.allclose(decode_simulator_depth(encode_simulator_depth(metres)), metres, atol=0.0021))
    True
    """
    if rgb.dtype != np.uint8 or rgb.ndim < 1 or rgb.shape[-1] != 3:
        raise ValueError(f"rgb must be uint8 (..., 3), got {rgb.dtype} {rgb.shape}: pass an RGB image")
    code = _HIGH[rgb[..., 0]] + _MIDDLE[rgb[..., 1]] + _LOW[rgb[..., 2]]
    return (np.maximum(code, 0) * SIMULATOR_RESOLUTION).astype(np.float32)


# One look-up per channel instead of a division per pixel.
_VALUES = np.arange(256)
_HIGH = (np.trunc((247 - _VALUES) / 8) * 256 * 31).astype(np.int32)
_MIDDLE = (np.trunc((247 - _VALUES) / 8) * 256).astype(np.int32)
_LOW = (255 - _VALUES).astype(np.int32)


def decode_kitti_depth(centimetres: npt.NDArray[np.uint16] | npt.NDArray[np.floating]) -> Floats:
    """Metric depth of Virtual KITTI 2's 16-bit centimetres (65535 is the sky, 655.35 m).

    Args:
        centimetres: depth as stored, or floating (after averaging, for example).

    Shape: (...) uint16 or floating to (...) float32, metres.

    Raises:
        ValueError: another type: an 8-bit reader has cut the depth to 0..255.

    >>> decode_kitti_depth(np.array([[150, 65535]], np.uint16)).tolist()
    [[1.5, 655.3499755859375]]
    """
    if centimetres.dtype != np.uint16 and centimetres.dtype.kind != "f":
        raise ValueError(
            f"centimetres must be uint16, got {centimetres.dtype}: read the PNG without conversion"
        )
    return centimetres.astype(np.float32) / np.float32(100)


def inverse_depth(metres: npt.NDArray[np.floating], *, nearest: float = 0.1) -> Floats:
    """1 / depth, with depth held at ``nearest`` or more so that a zero depth is not infinite.

    Upstream divides by zero there. 0.1 m is closer than any camera sees and bounds the
    result by 10 per metre; ``nearest=SIMULATOR_RESOLUTION`` changes zeros alone.

    Args:
        metres: depth, metres; infinity becomes 0.
        nearest: smallest depth told apart, metres.

    Shape: (...) to (...) float32, 1 / metres in 0..1/nearest.

    Raises:
        ValueError: ``nearest`` not above zero.

    >>> inverse_depth(np.array([0.0, 0.5, 4.0, np.inf])).tolist()
    [10.0, 2.0, 0.25, 0.0]
    """
    if not nearest > 0:
        raise ValueError(f"nearest must be above 0, got {nearest}: give the closest depth in metres")
    return np.reciprocal(np.maximum(np.asarray(metres, dtype=np.float32), np.float32(nearest)))


def log_depth(metres: npt.NDArray[np.floating], *, nearest: float = 0.1) -> Floats:
    """Natural logarithm of depth, held at ``nearest`` or more as in :func:`inverse_depth`.

    Args:
        metres: depth, metres, finite (the encodings here write the sky as a far depth).
        nearest: smallest depth told apart, metres.

    Shape: (...) to (...) float32, log(nearest) or more.

    Raises:
        ValueError: ``nearest`` not above zero.

    >>> log_depth(np.array([0.0, 1.0, np.e])).astype(float).round(3).tolist()
    [-2.303, 0.0, 1.0]
    """
    if not nearest > 0:
        raise ValueError(f"nearest must be above 0, got {nearest}: give the closest depth in metres")
    return np.log(np.maximum(np.asarray(metres, dtype=np.float32), np.float32(nearest)))


def log_to_inverse_depth(logs: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Relative inverse depth of logarithms, the nearest point of the whole array at 1.

    exp(-d) over its maximum, computed as exp(min d - d), which neither overflows nor divides by zero.

    Args:
        logs: logarithms of depth, of any unit.

    Shape: (...), not empty, to (...) of the same type, in (0, 1].

    >>> log_to_inverse_depth(np.log(np.array([2.0, 4.0, 8.0]))).round(6).tolist()
    [1.0, 0.5, 0.25]
    """
    logs = np.asarray(logs)
    return np.exp(logs.min() - logs)


def min_max(values: npt.NDArray[np.floating] | npt.NDArray[np.integer]) -> Floats:
    """Values stretched to 0..1 by their own minimum and maximum; a constant array becomes zeros.

    Args:
        values: any numbers.

    Shape: (...) to (...) float32 in [0, 1].

    >>> min_max(np.array([2, 3, 4])).tolist()
    [0.0, 0.5, 1.0]
    """
    values = np.asarray(values)
    return _stretched(values, values.min(), values.max())


def _stretched(values: npt.NDArray[Any], low: Any, high: Any) -> Floats:
    values, low, high = values.astype(np.float32), np.float32(low), np.float32(high)
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


class DepthTarget:
    """What a depth file means in its domain, as a target for training; for ``DomainDataset(depth=...)``.

    The simulator's RGB code or metres (s) and 16-bit centimetres (kitti) become inverse depth, or its
    logarithm where depth is learnt by classification; predictions (r, rf) are inverse depth of unknown scale
    and are stretched to 0..1. Upstream's zero depths are infinite, and stretching a logarithm is refused when
    loading; neither is so here.

    Args:
        domain: "r", "s", "rf" or "kitti".
        log: logarithm of metric depth instead of its inverse (s and kitti alone).
        stretch: stretch each map to 0..1; None does so where the scale is unknown (r and rf), True is for
            pseudo-labels of all domains.
        nearest: smallest depth told apart, metres; see :func:`inverse_depth`.

    Shape: called with an array as stored, (H, W) or (H, W, 3); returns (H, W) float32.

    Raises:
        ValueError: an unknown domain; ``log`` or ``stretch=False`` where the scale is unknown; an array that
            the domain does not have.

    >>> DepthTarget("kitti")(np.array([[50, 400]], np.uint16)).tolist()
    [[2.0, 0.25]]
    >>> DepthTarget("kitti", log=True, stretch=True)(np.array([[50, 200, 800]], np.uint16)).round(3).tolist()
    [[0.0, 0.5, 1.0]]
    """

    def __init__(self, domain: str, *, log: bool = False, stretch: bool | None = None, nearest: float = 0.1):
        if domain not in ("r", "s", "rf", "kitti"):
            raise ValueError(f"domain must be one of r, s, rf and kitti, got {domain!r}: choose one")
        relative = domain in ("r", "rf")
        if relative and log:
            raise ValueError(f"log must be False in domain {domain}, got True: its depth has no known scale")
        if relative and stretch is False:
            raise ValueError(
                f"stretch must be True or None in domain {domain}, got False: its depth has no known scale"
            )
        if not nearest > 0:
            raise ValueError(f"nearest must be above 0, got {nearest}: give the closest depth in metres")
        self.domain, self.log, self.nearest = domain, log, nearest
        self.stretch = relative if stretch is None else stretch

    def __call__(self, stored: npt.NDArray[Any]) -> Floats:
        return self.at(stored, lambda whole: whole)

    def at(self, stored: npt.NDArray[Any], take: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Floats:
        """What a call gives, where it is wanted: ``take(self(stored))``, without decoding the rest if that can be.

        Args:
            stored: array as stored.
            take: picks values of a map; (H, W, ...) to (h, w, ...).

        Shape: stored (H, W) or (H, W, 3); returns (h, w) float32.

        Raises:
            ValueError: an array that the domain does not have.

        >>> DepthTarget("r").at(np.array([[1, 2, 3]]), lambda whole: whole[:, 1:2]).tolist()
        [[0.5]]
        """
        if self.domain in ("r", "rf"):
            # A grey picture may have been written with three equal channels.
            plane = stored[..., 0] if stored.ndim == 3 and stored.shape[-1] == 3 else stored
            low, high = plane.min(), plane.max()
            if not (np.isfinite(low) and np.isfinite(high)):
                raise ValueError("expected numbers, got NaN or infinity in the inverse depth")
            return _stretched(take(plane), low, high)
        if stored.dtype.kind == "u" and not self.stretch:
            return self._target(take(stored))
        return take(self._target(stored))  # the range, or a number that is none, can be anywhere

    def _target(self, stored: npt.NDArray[Any]) -> Floats:
        metres = decode_kitti_depth(stored) if self.domain == "kitti" else _simulated_metres(stored)
        values = (log_depth if self.log else inverse_depth)(metres, nearest=self.nearest)
        return min_max(values) if self.stretch else values


def _simulated_metres(stored: npt.NDArray[Any]) -> npt.NDArray[np.floating]:
    """Metres of the simulator's RGB code, or of what is metres already."""
    if stored.dtype == np.uint8 and stored.ndim == 3:
        return decode_simulator_depth(stored)
    if stored.dtype.kind != "f":
        raise ValueError(
            "expected the simulator's RGB depth or metres in floating point, got "
            f"{stored.dtype} {tuple(stored.shape)}"
        )
    if (stored < 0).any():
        raise ValueError(f"expected metres >= 0, got {stored.min():g}")
    return stored
