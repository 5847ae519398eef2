"""Photos and their flood labels: found by name, read, and brought to the size that the networks see."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from gancomponents.data import (
    FLOOD_COLOURS,
    CentreCrop,
    Resize,
    encode_colours,
    image_size,
    read_array,
    read_image,
)
from gancomponents.errors import InputError
from recipes.pictures import SUFFIXES

_LABELLED = "_labeled"
_FAR = 100  # RGB distance from every class; JPEG and soft brushes stay below
_FAR_SHARE, _STRANGE_SHARE = 0.05, 0.002

Labels = npt.NDArray[np.uint8]


class Pair(NamedTuple):
    """A photo and its label, two files of one name."""

    image: Path
    label: Path


def find_pairs(images: Path, labels: Path, most: int | None = None) -> list[Pair]:
    """The photos of a folder with the labels of another, in the order of their names.

    Args:
        images: folder of photos.
        labels: folder of labels, named as the photos, with or without ``_labeled`` at the end of the stem.
        most: keep the first so many; all where None.

    Raises:
        InputError: no such folder, nothing in it, two files of one name, or a file without its partner.
    """
    photos, marked = _by_stem("--images", images, ""), _by_stem("--labels", labels, _LABELLED)
    for flag, folder, others in (
        (f"--labels {labels}", photos, marked),
        (f"--images {images}", marked, photos),
    ):
        if alone := sorted(folder.keys() - others.keys()):
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            got = f"none for {folder[alone[0]]}{more}"
            fix = "add it, or take that file away"
            raise InputError(flag, expected="a file for every photo and label", got=got, fix=fix)
    return [Pair(photos[stem], marked[stem]) for stem in sorted(photos)][:most]


def _by_stem(flag: str, folder: Path, suffix: str) -> dict[str, Path]:
    if not folder.is_dir():
        got = "a file" if folder.exists() else "no such path"
        raise InputError(f"{flag} {folder}", expected="a folder", got=got, fix="check the path")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        stem = path.stem.removesuffix(suffix)
        if stem in found:
            got = f"{found[stem].name} and {path.name}"
            raise InputError(f"{flag} {folder}", expected="one file of each name", got=got, fix="rename one")
        found[stem] = path
    if not found:
        expected = f"a folder with {', '.join(SUFFIXES)} files"
        raise InputError(f"{flag} {folder}", expected=expected, got="none", fix="pass another folder")
    return found


def check_pairs(pairs: Sequence[Pair]) -> None:
    """Read every file once, so that a broken one is found before anything is computed.

    Raises:
        InputError: the first mistake, and how many there are.
    """
    problems: list[InputError] = []
    for pair in tqdm(pairs, unit="photo", desc="checking", disable=None, leave=False):
        try:
            read_pair(pair)
        except InputError as error:
            problems.append(error)
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more photos or labels are wrong)" if len(problems) > 1 else ""
        raise InputError(
            first.what,
            expected=first.expected,
            got=f"{first.got}{more}",
            fix=f"{first.fix}; nothing was written",
        )


def read_pair(pair: Pair) -> tuple[npt.NDArray[np.uint8], Labels]:
    """A photo (H, W, 3), RGB, and its label (H, W): 0 cannot, 1 must, 2 may.

    Raises:
        InputError: a file that is unreadable or no label, or two files of different sizes.
    """
    sizes = [image_size(path) for path in pair]
    if sizes[0] != sizes[1]:
        (height, width), (other_height, other_width) = sizes
        expected, got = f"{width} x {height}, as {pair.image}", f"{other_width} x {other_height}"
        raise InputError(str(pair.label), expected=expected, got=got, fix="label the photo at its own size")
    return read_image(pair.image), read_label(pair.label)


def read_label(path: Path) -> Labels:
    """A label file as ids (H, W): 0 cannot, 1 must, 2 may.

    Colours take the nearest of red (cannot), blue (must) and black (may); files of one grey channel, or whose
    palette is grey, hold the ids themselves.

    Raises:
        InputError: unreadable, ids that are no class, or colours far from all classes.
    """
    stored = read_array(path)
    if stored.dtype == np.uint16:  # a colour of 16 bits; ids are never that large
        stored = (stored // 257).astype(np.uint8) if stored.ndim == 3 else stored
    if stored.ndim == 3 and path.suffix.lower() == ".png" and _is_grey(stored) and 0 < stored.max() <= 2:
        stored = stored[..., 0]  # a palette of ids: black alone would be a colour, may
    if stored.ndim == 2:
        if stored.max() > 2:
            got = f"grey values up to {stored.max()}"
            fix = "paint cannot red, must blue and may black, or write the ids"
            raise InputError(
                str(path), expected="0 (cannot), 1 (must) and 2 (may), or colours", got=got, fix=fix
            )
        return stored.astype(np.uint8)
    _check_colours(stored, path)
    return encode_colours(stored, FLOOD_COLOURS)


def _is_grey(rgb: Labels) -> bool:
    return bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 0] == rgb[..., 2]).all())


def _check_colours(rgb: Labels, path: Path) -> None:
    """Soft edges blend two classes, on some pixels; anything else far from every class is another code.

    Blends of red, blue and black have no green, and red and blue that sum to 255 at most.
    """
    red, green, blue = (rgb[..., channel].astype(np.uint32) for channel in range(3))
    packed, counts = np.unique(red << 16 | green << 8 | blue, return_counts=True)
    values = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.int64)
    distance = ((values[:, None] - FLOOD_COLOURS[None].astype(np.int64)) ** 2).sum(-1).min(1) ** 0.5
    beyond = np.maximum(values[:, 0] + values[:, 2] - 255, 0) / 2**0.5
    far = distance > _FAR
    strange = far & (np.hypot(values[:, 1], beyond) > _FAR / 2)
    shares = [counts[which].sum() / counts.sum() for which in (far, strange)]
    if shares[0] > _FAR_SHARE or shares[1] > _STRANGE_SHARE:
        which = strange if shares[1] > _STRANGE_SHARE else far
        worst = tuple(values[which][counts[which].argmax()].tolist())
        got = f"RGB {worst} and the like on {100 * counts[which].sum() / counts.sum():.1f} % of the pixels"
        expected = "red (cannot), blue (must) and black (may)"
        raise InputError(str(path), expected=expected, got=got, fix="paint the label in these three colours")


class Preparation:
    """Photo and label as the networks see them.

    The aspect is kept: the shorter side comes to ``size``, then the middle square is cut out. Labels take the
    nearest value.

    Args:
        size: side of the square, pixels.
        stretch: stretch the photo to its own darkest and brightest value, as in a run with ``data.Data.stretch``.

    Shape: a photo (H, W, 3) and a label (H, W), uint8, to (1, 3, size, size) in [-1, 1] and (1, 1, size, size).

    >>> x, label = Preparation(2)(np.zeros((4, 6, 3), np.uint8), np.ones((4, 6), np.uint8))
    >>> x.shape, label.flatten().tolist(), x.unique().tolist()
    (torch.Size([1, 3, 2, 2]), [1, 1, 1, 1], [-1.0])
    """

    def __init__(self, size: int, *, stretch: bool = False):
        self.stretch = stretch
        self._resize = Resize(size, keep_aspect_ratio=True, nearest_exact=True)
        self._crop = CentreCrop(size)

    def __call__(self, photo: npt.NDArray[np.uint8], label: Labels) -> tuple[Tensor, Tensor]:
        low, high = (int(photo.min()), int(photo.max())) if self.stretch else (0, 255)
        low, high = (low, high) if high > low else (0, 255)  # an even photo stays as it is
        fields = {
            "x": torch.from_numpy(photo).permute(2, 0, 1).contiguous(),
            "label": torch.from_numpy(label)[None],
        }
        fields = self._crop(self._resize(fields))
        x = (fields["x"].float() - low) / max(high - low, 1) * 2 - 1
        return x[None], fields["label"][None].long()
