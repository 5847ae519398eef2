"""Virtual KITTI 2 as it is downloaded: its folders become a list."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gancomponents.data._columns import ColumnBuilder
from gancomponents.data.lists import FileList
from gancomponents.errors import InputError

__all__ = ["read_kitti"]

# Of each task: the folder of its files, the beginning and the end of their names.
_FILES = {
    "x": ("rgb", "rgb", ".jpg"),
    "s": ("classSegmentation", "classgt", ".png"),
    "d": ("depth", "depth", ".png"),
}


def read_kitti(
    root: str | os.PathLike[str],
    *,
    scenes: Sequence[int] | None = None,
    variations: Sequence[str] | None = None,
    cameras: Sequence[int] | None = None,
    tasks: Sequence[str] = ("s", "d"),
) -> FileList:
    """The frames of Virtual KITTI 2 (Cabon, Murray and Humenberger 2020), for ``DomainDataset(files, "kitti")``.

    ``root`` is the folder into which its archives (rgb, classSegmentation, depth) were unpacked:

        Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg
        Scene01/clone/frames/classSegmentation/Camera_0/classgt_00000.png
        Scene01/clone/frames/depth/Camera_0/depth_00000.png

    Frames are sorted by scene, variation, camera and number. Colours and centimetres are decoded by the data
    set: labels become the common classes by `KITTI_TO_COMMON`, depth becomes inverse depth.

    Args:
        root: folder that holds the scenes.
        scenes: their numbers, of 1, 2, 6, 18 and 20; all that are there where None.
        variations: such as "clone", "fog" or "15-deg-left"; all that are there where None.
        cameras: 0 (left), 1 (right); all that are there where None.
        tasks: which of "s" and "d" to list beside the image; the archives of others need not be there.

    Raises:
        InputError: a folder without scenes, a scene, variation or camera that is not there, a frame that has not
            all of its files.
        ValueError: other tasks.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("rgb/Camera_0/rgb_00007.jpg", "depth/Camera_0/depth_00007.png"):
    ...         path = Path(folder, "Scene18", "fog", "frames", name)
    ...         path.parent.mkdir(parents=True)
    ...         path.touch()
    ...     [row["d"].name for row in read_kitti(folder, scenes=[18], tasks=["d"])]
    ['depth_00007.png']
    """
    if unknown := [task for task in tasks if task not in _FILES]:
        raise ValueError(f"tasks must be among 's' and 'd', got {unknown}: Virtual KITTI 2 holds no others")
    root = Path(root)
    columns = {task: ColumnBuilder() for task in dict.fromkeys(("x", *tasks))}
    missing: list[Path] = []
    for frames, camera in _cameras(root, scenes, variations, cameras):
        numbers = {task: _numbers(frames, task, camera) for task in columns}
        for number in sorted(set[str]().union(*numbers.values())):
            for task, column in columns.items():
                folder, stem, suffix = _FILES[task]
                path = frames / folder / camera / f"{stem}_{number}{suffix}"
                column.append(path.relative_to(root).as_posix())
                if number not in numbers[task]:
                    missing.append(path)
    if missing:
        more = f" (and {len(missing) - 1} more missing)" if len(missing) > 1 else ""
        fix = "unpack all archives again, or name only the tasks that you have"
        raise InputError(str(missing[0]), expected="a file for every frame", got=f"none{more}", fix=fix)
    files = FileList(root, {task: column.build() for task, column in columns.items()}, root)
    if not files:
        raise InputError(str(root), expected="frames such as rgb_00000.jpg", got="none", fix=_UNPACK)
    return files


_UNPACK = "unpack Virtual KITTI 2's archives into one folder, and name that"


def _cameras(
    root: Path,
    scenes: Sequence[int] | None,
    variations: Sequence[str] | None,
    cameras: Sequence[int] | None,
) -> Iterator[tuple[Path, str]]:
    """The folder of frames and the camera's name, for everything asked for."""
    wanted_scenes = None if scenes is None else [f"Scene{number:02d}" for number in scenes]
    wanted_cameras = None if cameras is None else [f"Camera_{number}" for number in cameras]
    for scene in _chosen(root, r"Scene\d\d", wanted_scenes):
        for variation in _chosen(root / scene, r"[\w-]+", variations):
            frames = root / scene / variation / "frames"
            for camera in _chosen(frames / "rgb", r"Camera_\d", wanted_cameras):
                yield frames, camera


def _chosen(folder: Path, pattern: str, wanted: Sequence[str] | None) -> list[str]:
    """The sub-folders wanted, sorted; all that fit the pattern where None."""
    try:
        there = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError as error:
        got = error.strerror or str(error)
        raise InputError(str(folder), expected="a folder", got=got, fix=_UNPACK) from error
    there = [name for name in there if re.fullmatch(pattern, name)]
    if not there:
        raise InputError(str(folder), expected=f"folders like {pattern}", got="none", fix=_UNPACK)
    absent = [name for name in wanted or () if name not in there]
    if absent or wanted == []:
        expected, got = f"some of {', '.join(there)}", ", ".join(absent) or "none"
        raise InputError(str(folder), expected=expected, got=got, fix="choose among what is there")
    return there if wanted is None else [name for name in there if name in wanted]


def _numbers(frames: Path, task: str, camera: str) -> set[str]:
    """The frame numbers of a task's files."""
    folder, stem, suffix = _FILES[task]
    try:
        names = os.listdir(frames / folder / camera)
    except OSError:
        return set()  # then each of its files is missing
    pattern = re.compile(rf"{stem}_(\d{{5}}){re.escape(suffix)}")
    return {match[1] for name in names if (match := pattern.fullmatch(name))}
