"""Pseudo-labels of real frames: what a network trained elsewhere would have guessed, with its plausible errors."""

import numpy as np
import numpy.typing as npt

__all__ = ["pseudo_depth", "pseudo_ground", "pseudo_labels"]

_GROUND = 1

# Classes that are mistaken for each other, by id.
_CONFUSED = {0: 1, 1: 5, 2: 10, 3: 10, 4: 7, 5: 4, 6: 3, 7: 4, 8: 10, 9: 2, 10: 3}


def pseudo_labels(labels: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Labels with coarse, displaced outlines and a few blobs taken for another class.

    Args:
        labels: true class ids.
        rng: where the errors come from.

    Shape: (H, W) to (H, W), uint8.

    >>> true = np.repeat(np.uint8([[2], [1]]), 32, axis=0).repeat(64, axis=1)
    >>> guess = pseudo_labels(true, np.random.default_rng(0))
    >>> guess.shape, bool(0.8 < (guess == true).mean() < 1)
    ((64, 64), True)
    """
    height, width = labels.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    reach = 0.012 * min(height, width)
    rows += reach * _smooth(rng, height, width, cells=10)
    columns += reach * _smooth(rng, height, width, cells=10)
    # Predictions are made on a coarser grid: snap to every second pixel.
    row_index = np.clip(np.rint(rows / 2) * 2, 0, height - 1).astype(np.intp)
    column_index = np.clip(np.rint(columns / 2) * 2, 0, width - 1).astype(np.intp)
    guess = labels[row_index, column_index]
    confused = np.array([_CONFUSED[i] for i in range(len(_CONFUSED))], np.uint8)
    blobs = _smooth(rng, height, width, cells=6) > 1.9
    return np.where(blobs, confused[guess], guess)


def pseudo_depth(depth: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Relative inverse depth as MiDaS predicts it: blurred, slowly distorted, of unknown scale and shift.

    Args:
        depth: true depth, metres.
        rng: where the errors come from.

    Shape: (H, W) to (H, W), float32.

    >>> true = np.linspace(2, 50, 64, dtype=np.float32)[None].repeat(64, axis=0)
    >>> guess = pseudo_depth(true, np.random.default_rng(0))
    >>> bool(np.corrcoef(guess.ravel(), 1 / true.ravel())[0, 1] > 0.9)
    True
    """
    import cv2

    height, width = depth.shape
    inverse = cv2.GaussianBlur(1 / np.maximum(depth, 0.5), (0, 0), max(0.6, 0.008 * min(height, width)))
    inverse = inverse * np.exp(0.12 * _smooth(rng, height, width, cells=4))
    scale, shift = rng.uniform(50, 400), rng.uniform(-5, 5)
    return (scale * inverse + shift).astype(np.float32)


def pseudo_ground(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Where the road and the pavements are: what the ground-intersection loss wants under water.

    Shape: (H, W) to (H, W), bool.

    >>> pseudo_ground(np.uint8([[1, 2]])).tolist()
    [[True, False]]
    """
    return labels == _GROUND


def _smooth(rng: np.random.Generator, height: int, width: int, *, cells: int) -> npt.NDArray[np.float32]:
    """Noise of unit variance that changes over a ``cells``-th of the picture."""
    import cv2

    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return (field - field.mean()) / max(float(field.std()), 1e-6)
