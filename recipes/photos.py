"""Anybody's photos: found, known to be readable before anything is written, and grouped by size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from tqdm import tqdm

from gancomponents.data import read_image
from gancomponents.errors import InputError
from recipes.pictures import SUFFIXES, Picture

#: Bytes of the decoded photos that are kept until they are flooded; the others are decoded again.
_KEPT = 2**28


@dataclass(frozen=True, eq=False)
class Photo:
    """A readable photo.

    Attributes:
        index: its place among all, by name.
        path: its file.
        size: height and width, pixels.
        picture: what is in it, (H, W, 3) uint8, where it was kept.
    """

    index: int
    path: Path
    size: tuple[int, int]
    picture: Picture | None = None

    def read(self) -> Picture:
        """What is in it, (H, W, 3) uint8."""
        return read_image(self.path) if self.picture is None else self.picture


def find(path: Path) -> list[Path]:
    """One photo, or those of a folder by name.

    Raises:
        InputError: nothing there, or two photos whose results would have one name.
    """
    kinds = ", ".join(SUFFIXES)
    if not path.exists():
        fix = "check the path"
        raise InputError(f"--images {path}", expected="an image or a folder", got="no such path", fix=fix)
    if path.is_file():
        return [path]
    images = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    if not images:
        fix = "pass a folder of photos"
        raise InputError(f"--images {path}", expected=f"a folder with {kinds} files", got="none", fix=fix)
    stems: dict[str, Path] = {}
    for image in images:
        if image.stem in stems:
            got = f"{stems[image.stem].name} and {image.name}"
            raise InputError(f"--images {path}", expected="one image of each name", got=got, fix="rename one")
        stems[image.stem] = image
    return images


def check_readable(images: Sequence[Path]) -> list[Photo]:
    """Decode every photo before the first is flooded: a broken one leaves nothing half done.

    The first photos, some hundred of 640 pixels, are kept.

    Raises:
        InputError: naming the first broken one, and how many more there are.
    """
    photos: list[Photo] = []
    problems: list[InputError] = []
    kept = 0
    for index, path in enumerate(tqdm(images, unit="photo", desc="checking", disable=None, leave=False)):
        try:
            picture = read_image(path)
            kept += picture.nbytes
            size = (picture.shape[0], picture.shape[1])
            photos.append(Photo(index, path, size, picture if kept <= _KEPT else None))
        except InputError as error:
            problems.append(error)
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more photos are broken)" if len(problems) > 1 else ""
        fix = f"{first.fix}; nothing was written"
        raise InputError(first.what, expected=first.expected, got=f"{first.got}{more}", fix=fix)
    return photos


def check_output(output: Path, images: Sequence[Path], names: Sequence[str], *, overwrite: bool) -> None:
    """Make sure that no result replaces anything that it may not.

    Raises:
        InputError: a file in the folder's place, a result that is there already, or a photo of its name.
    """
    if output.exists() and not output.is_dir():
        raise InputError(
            f"--output {output}", expected="a folder", got="a file", fix="choose another --output"
        )
    sources = {image.resolve() for image in images}
    for image in images:
        for name in names:
            made = target(output, image, name)
            if made.resolve() in sources:
                expected, fix = "a folder whose photos no result replaces", "choose another --output"
                raise InputError(f"--output {output}", expected=expected, got=str(made), fix=fix)
            if made.exists() and not overwrite:
                fix = "choose another --output, remove it, or pass --overwrite"
                raise InputError(
                    f"--output {output}", expected="a folder without these results", got=str(made), fix=fix
                )


def target(output: Path, image: Path, name: str) -> Path:
    """The file of one result."""
    return output / f"{image.stem}_{name}.png"


def batches(photos: Sequence[Photo], size: int) -> Iterator[list[Photo]]:
    """Up to ``size`` photos of one height and width at a time, in the order of their first."""
    groups: dict[tuple[int, int], list[Photo]] = {}
    for photo in photos:
        groups.setdefault(photo.size, []).append(photo)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def size_in_multiples(
    height: int, width: int, multiple: int, max_width: int | None = None
) -> tuple[int, int]:
    """The largest size in multiples of ``multiple`` that fits a photo's width, about in its aspect.

    >>> size_in_multiples(1080, 1920, 128, max_width=1000)
    (384, 896)
    """
    columns = min(width, max_width or width) // multiple * multiple
    return int(columns * height / width / multiple) * multiple, columns


def resize(picture: Picture, size: tuple[int, int]) -> Picture:
    """(H, W, 3) uint8, anti-aliased."""
    if picture.shape[:2] == size:
        return picture
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    small = F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
    return small[0].round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
