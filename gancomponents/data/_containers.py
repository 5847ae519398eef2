"""The outside of PNG, JPEG and WebP files: size, orientation, and whether the file is all there.

Decoders differ in what they do with a damaged file: some fill the missing half with grey and print to stderr.
Walking the container first costs microseconds and makes every case one clear error.
"""

import re
import zlib
from dataclasses import dataclass, replace

__all__ = ["ContainerError", "Header", "parse"]


_TWO_SIZES = "a damaged {} file (it states its size twice)"


class ContainerError(ValueError):
    """A file that is no image, or not a whole one; the message completes "got ..."."""


@dataclass(frozen=True)
class Header:
    """What an image file says of itself; height and width as stored, before the EXIF rotation."""

    format: str
    height: int
    width: int
    orientation: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) as seen: orientations 5 to 8 stand on their side."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def parse(data: bytes) -> tuple[Header, bytes]:
    """Header of an image file, and its bytes without the parts that only make decoders talk.

    Raises:
        ContainerError: not PNG, JPEG or WebP, truncated or damaged.

    >>> parse(b"GIF89a")
    Traceback (most recent call last):
    gancomponents.data._containers.ContainerError: a file of another kind
    """
    if not data:
        raise ContainerError("an empty file")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data), data
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data), data
    raise ContainerError("a file of another kind")


# Ancillary chunks (colour profiles, texts, animation) change no pixel but make libpng warn on stderr.
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def _png(data: bytes) -> tuple[Header, bytes]:
    if data[8:16] != b"\0\0\0\x0dIHDR":
        raise ContainerError("a damaged PNG file (no header)")
    header = Header("PNG", int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"))
    kept, position, name = [data[:8]], 8, b""
    while name != b"IEND":
        if position > 8 and data[position + 4 : position + 8] == b"IHDR":
            raise ContainerError(_TWO_SIZES.format("PNG"))
        length, name = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            raise ContainerError("a truncated PNG file")
        if name in _PNG_KEPT:
            if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise ContainerError(f"a damaged PNG file (checksum of its {name.decode()} chunk)")
            kept.append(data[position:end])
        elif name == b"eXIf":
            header = replace(header, orientation=_orientation(data[position + 8 : end - 4]))
        position = end
    return header, b"".join(kept)


# A marker: not a stuffed byte (00), not a restart (D0..D7), not a fill byte (FF).
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(data: bytes) -> Header:
    position, orientation, header = 2, 1, None
    while marker := _JPEG_MARKER.search(data, position):
        code, position = data[marker.end() - 1], marker.end()
        if code == 0xD9:  # end of image; whatever follows (a phone's second picture) is not ours
            if header is None:
                break
            return replace(header, orientation=orientation)
        if code in (0x01, 0xD8):
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        segment = data[position + 2 : position + length]
        if length < 2 or position + length > len(data):
            break
        if code in _JPEG_FRAMES and length >= 8:
            if header is not None:  # decoders obey the first
                raise ContainerError(_TWO_SIZES.format("JPEG"))
            header = Header("JPEG", int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big"))
        elif code == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = _orientation(segment[6:])
        position += length  # after a start of scan the search runs over its entropy-coded data
    raise ContainerError("a truncated JPEG file")


def _webp(data: bytes) -> Header:
    end = int.from_bytes(data[4:8], "little") + 8
    position, orientation, header = 12, 1, None
    if end > len(data):
        raise ContainerError("a truncated WebP file")
    while position + 8 <= end:
        name, length = (
            data[position : position + 4],
            int.from_bytes(data[position + 4 : position + 8], "little"),
        )
        body = data[position + 8 : position + 8 + min(length, 1 << 16)]
        position += 8 + length + length % 2
        if position > end + 1:  # the last pad byte is missing in some files
            raise ContainerError("a truncated WebP file")
        if name == b"EXIF":
            orientation = _orientation(body.removeprefix(b"Exif\0\0"))
        elif header is None and len(body) >= 10:
            if name == b"VP8X":
                width, height = (int.from_bytes(body[i : i + 3], "little") + 1 for i in (4, 7))
                header = Header("WebP", height, width)
            elif name == b"VP8L":
                bits = int.from_bytes(body[1:5], "little")
                header = Header("WebP", (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1)
            elif name == b"VP8 ":
                width, height = (int.from_bytes(body[i : i + 2], "little") & 0x3FFF for i in (6, 8))
                header = Header("WebP", height, width)
    if header is None:
        raise ContainerError("a damaged WebP file (no header)")
    return replace(header, orientation=orientation)


def _orientation(tiff: bytes) -> int:
    """EXIF tag 0x0112 of a TIFF block, 1..8; 1 (upright) where it is missing or makes no sense."""
    if tiff[:4] not in (b"II*\0", b"MM\0*"):
        return 1

    def number(offset: int, size: int) -> int:
        return int.from_bytes(tiff[offset : offset + size], "little" if tiff[:1] == b"I" else "big")

    directory = number(4, 4)
    for entry in range(directory + 2, directory + 2 + 12 * min(number(directory, 2), 512), 12):
        if number(entry, 2) == 0x0112:
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1
