"""The eleven classes that every domain shares, and their colour codes (numpy only)."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gancomponents.errors import InputError

__all__ = [
    "CITYSCAPES_COLOURS",
    "COLOURS",
    "FLOOD_COLOURS",
    "FLOOD_LABELS",
    "KITTI_COLOURS",
    "KITTI_TO_COMMON",
    "LABELS",
    "decode_labels",
    "encode_colours",
]

Bytes = npt.NDArray[np.uint8]


def _table(*rows: tuple[int, int, int]) -> Bytes:
    table = np.array(rows, dtype=np.uint8)
    table.flags.writeable = False
    return table


#: Class names in the order of their ids.
LABELS: tuple[str, ...] = (
    "water",
    "ground",
    "building",
    "traffic item",
    "vegetation",
    "terrain",
    "car",
    "tree",
    "person",
    "sky",
    "default",
)

_SHARED = (
    (0, 0, 255),
    (55, 55, 55),
    (0, 255, 255),
    (255, 212, 0),
    (0, 255, 0),
    (255, 97, 0),
    (255, 0, 0),
    (60, 180, 60),
)

#: RGB of each class in the simulated ("s") and the real ("r") domain, (11, 3) uint8.
COLOURS: dict[str, Bytes] = {
    "s": _table(*_SHARED, (255, 0, 255), (0, 0, 0), (255, 255, 255)),
    "r": _table(*_SHARED, (220, 20, 60), (8, 19, 49), (0, 80, 100)),
}

#: RGB of Virtual KITTI 2's own fifteen classes, (15, 3) uint8.
KITTI_COLOURS: Bytes = _table(
    (210, 0, 200),  # 0 terrain
    (90, 200, 255),  # 1 sky
    (0, 199, 0),  # 2 tree
    (90, 240, 0),  # 3 vegetation
    (140, 140, 140),  # 4 building
    (100, 60, 100),  # 5 road
    (250, 100, 255),  # 6 guard rail
    (255, 255, 0),  # 7 traffic sign
    (200, 200, 0),  # 8 traffic light
    (255, 130, 0),  # 9 pole
    (80, 80, 80),  # 10 misc
    (160, 60, 60),  # 11 truck
    (255, 127, 80),  # 12 car
    (0, 139, 139),  # 13 van
    (0, 0, 0),  # 14 undefined
)

#: Id in ``LABELS`` of each Virtual KITTI 2 class, (15,) uint8: ``KITTI_TO_COMMON[kitti_ids]``.
KITTI_TO_COMMON: Bytes = np.array([5, 9, 7, 4, 2, 1, 3, 3, 3, 3, 10, 6, 6, 6, 10], dtype=np.uint8)
KITTI_TO_COMMON.flags.writeable = False


#: Where a flood cannot, must and may be, in the order of their ids.
FLOOD_LABELS: tuple[str, ...] = ("cannot", "must", "may")

#: RGB of each flood label, (3, 3) uint8.
FLOOD_COLOURS: Bytes = _table((255, 0, 0), (0, 0, 255), (0, 0, 0))

#: RGB of Cityscapes' nineteen training classes, (19, 3) uint8, for pictures.
CITYSCAPES_COLOURS: Bytes = _table(
    (128, 64, 128),  # 0 road
    (244, 35, 232),  # 1 sidewalk
    (70, 70, 70),  # 2 building
    (102, 102, 156),  # 3 wall
    (190, 153, 153),  # 4 fence
    (153, 153, 153),  # 5 pole
    (250, 170, 30),  # 6 traffic light
    (220, 220, 0),  # 7 traffic sign
    (107, 142, 35),  # 8 vegetation
    (152, 251, 152),  # 9 terrain
    (70, 130, 180),  # 10 sky
    (220, 20, 60),  # 11 person
    (255, 0, 0),  # 12 rider
    (0, 0, 142),  # 13 car
    (0, 0, 70),  # 14 truck
    (0, 60, 100),  # 15 bus
    (0, 80, 100),  # 16 train
    (0, 0, 230),  # 17 motorcycle
    (119, 11, 32),  # 18 bicycle
)


def _pack(rgb: npt.NDArray[np.integer]) -> npt.NDArray[np.uint32]:
    """One integer per colour: comparing it compares three channels at once."""
    packed = rgb[..., 0].astype(np.uint32)
    packed <<= 8
    packed |= rgb[..., 1]
    packed <<= 8
    packed |= rgb[..., 2]
    return packed


@lru_cache(maxsize=32)
def _perfect_hash(table: bytes) -> tuple[int, Bytes, npt.NDArray[np.uint32]]:
    """A modulus that keeps the table's colours apart, the id in each slot, each id's packed colour."""
    colours = _pack(np.frombuffer(table, dtype=np.uint8).reshape(-1, 3))
    distinct, first = np.unique(colours, return_index=True)  # the lowest id owns a colour listed twice
    modulus = next(p for p in range(len(distinct), 1 << 24) if len(np.unique(distinct % p)) == len(distinct))
    slots = np.zeros(modulus, dtype=np.uint8)
    slots[distinct % modulus] = first
    return modulus, slots, colours


def encode_colours(rgb: Bytes, table: Bytes, nearest: bool = True, *, unknown: int | None = None) -> Bytes:
    """Class ids of a colour-coded label image.

    Exact colours first, the others to the nearest (Euclidean) one; among equally near ones the lower id wins.
    Lossy files (JPEG, resized PNG) hold colours that are in no table.

    Args:
        rgb: colour-coded image, 0..255.
        table: colour of each id, for example ``COLOURS["s"]`` or ``KITTI_COLOURS``; at most 256 rows.
        nearest: whether unknown colours take the nearest id; otherwise they are an error, or ``unknown``.
        unknown: the id of colours that are not in the table, with ``nearest=False``; upstream gives all of
            them KITTI's 14, undefined.

    Shape: rgb (..., 3) uint8, table (N, 3) uint8; returns (...) uint8.

    Raises:
        InputError: a colour that is not in the table, with ``nearest=False``.
        ValueError: arrays of another shape or type, an ``unknown`` that is no id, or that ``nearest`` leaves
            no use for.

    >>> ids = encode_colours(np.array([[[0, 0, 255], [56, 54, 55]]], np.uint8), COLOURS["s"])
    >>> [LABELS[i] for i in ids[0]]
    ['water', 'ground']
    """
    if rgb.dtype != np.uint8 or rgb.ndim < 1 or rgb.shape[-1] != 3:
        raise ValueError(f"rgb must be uint8 (..., 3), got {rgb.dtype} {rgb.shape}: pass an RGB image")
    if table.dtype != np.uint8 or table.ndim != 2 or table.shape[1] != 3 or not 1 <= len(table) <= 256:
        raise ValueError(
            f"table must be uint8 (1..256, 3), got {table.dtype} {table.shape}: one colour per id"
        )
    if unknown is not None and (nearest or not 0 <= unknown < len(table)):
        raise ValueError(
            f"unknown must be an id in 0..{len(table) - 1}, with nearest=False, got {unknown} with "
            f"nearest={nearest}: choose one of the two rules"
        )
    modulus, slots, colours = _perfect_hash(table.tobytes())
    packed = _pack(rgb)
    ids = slots[packed % np.uint32(modulus)]
    strange = colours[ids] != packed
    if unknown is not None:
        return np.where(strange, np.uint8(unknown), ids)
    if strange.any():
        strangers, where = np.unique(packed[strange], return_inverse=True)
        channels = np.stack([strangers >> 16, strangers >> 8 & 255, strangers & 255], axis=1).astype(np.int32)
        if not nearest:
            raise InputError(
                "colour-coded labels",
                expected=f"only the {len(table)} colours of the table",
                got=f"{int(strange.sum())} other pixels, such as RGB {tuple(channels[0].tolist())}",
                fix="write labels in a lossless format with the table's colours, or allow the nearest colour",
            )
        ids[strange] = _nearest(channels, table)[where.reshape(-1)]
    return ids


def _nearest(colours: npt.NDArray[np.int32], table: Bytes) -> Bytes:
    distance = np.zeros((len(colours), len(table)), dtype=np.int32)
    for channel in range(3):  # one (U, N) array at a time: a photograph has as many colours as pixels
        distance += (colours[:, channel, None] - table[None, :, channel].astype(np.int32)) ** 2
    return distance.argmin(axis=1).astype(np.uint8)


def decode_labels(ids: npt.NDArray[np.integer], colours: str | Bytes = "s") -> Bytes:
    """Colour-coded image of class ids.

    Args:
        ids: class ids, 0..N-1 (0..10 for a domain).
        colours: a domain, "s" or "r", for its colours of ``LABELS``; or a table of colours, for example
            ``FLOOD_COLOURS``.

    Shape: ids (...), table (N, 3) uint8; returns (..., 3) uint8.

    Raises:
        ValueError: an unknown domain, or an id outside the classes.

    >>> decode_labels(np.array([[9, 10]]), "r").tolist()
    [[[8, 19, 49], [0, 80, 100]]]
    >>> decode_labels(np.array([FLOOD_LABELS.index("must")]), FLOOD_COLOURS).tolist()
    [[0, 0, 255]]
    """
    if isinstance(colours, str):
        if colours not in COLOURS:
            raise ValueError(
                f"colours must be one of {sorted(COLOURS)} or a table, got {colours!r}: choose a colour table"
            )
        colours = COLOURS[colours]
    ids = np.asarray(ids)
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < len(colours):
        raise ValueError(
            f"ids must be in 0..{len(colours) - 1}, got {int(ids.min())}..{int(ids.max())}: map them first"
        )
    return colours[ids]
