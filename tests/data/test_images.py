import builtins
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch

from gancomponents.data import _files
from gancomponents.data.images import image_size, read_array, read_image, read_mask, to_uint8, write_image
from gancomponents.errors import InputError

FORMATS = ("png", "jpg", "webp")


@pytest.fixture
def picture():
    rows, columns = np.mgrid[:24, :36]
    return np.stack([columns * 7, rows * 10, rows + columns], -1).astype(np.uint8)


def exif(orientation, order="<"):
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    other = struct.pack(order + "HHII", 0x0100, 4, 1, 36)
    return head + struct.pack(order + "IH", 8, 2) + other + entry + b"\0\0\0\0"


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_exif(path, tiff):
    """The file at path, carrying an EXIF block."""
    data = path.read_bytes()
    if path.suffix == ".jpg":
        body = b"Exif\0\0" + tiff
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    elif path.suffix == ".png":
        data = data[:33] + chunk(b"eXIf", tiff) + data[33:]
    else:
        height, width = image_size(path)
        body = b"EXIF" + struct.pack("<I", len(tiff)) + tiff + b"\0" * (len(tiff) % 2)
        canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        extended = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + canvas
        data = b"WEBP" + extended + data[12:] + body
        data = b"RIFF" + struct.pack("<I", len(data)) + data
    path.write_bytes(data)


# Where each orientation puts an upright picture, to be stored (the inverse of showing it).
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_round_trip(tmp_path, picture, suffix):
    path = tmp_path / f"a.{suffix}"
    write_image(path, picture)
    read = read_image(path)
    assert (read.dtype, read.shape) == (np.uint8, picture.shape)
    assert np.abs(read.astype(int) - picture).max() <= (0 if suffix == "png" else 12)
    assert np.array_equal(read, read_array(path))
    assert image_size(path) == (24, 36)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_orientation(tmp_path, picture, suffix, orientation, order):
    path = tmp_path / f"a.{suffix}"
    write_image(path, np.ascontiguousarray(STORED[orientation](picture)))
    with_exif(path, exif(orientation, order))
    for read in (read_image(path), read_array(path)):
        assert read.shape == picture.shape
        assert np.abs(read.astype(int) - picture).max() <= (0 if suffix == "png" else 30)
    assert image_size(path) == picture.shape[:2]
    if suffix == "jpg":  # OpenCV's own idea of it
        assert np.array_equal(read_image(path), cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize("tiff", [b"", b"II*\0", exif(0), exif(9), b"MM\0*\xff\xff\xff\xff", b"junk" * 9])
def test_senseless_exif_is_ignored(tmp_path, picture, tiff):
    path = tmp_path / "a.jpg"
    write_image(path, picture)
    with_exif(path, tiff)
    assert read_image(path).shape == picture.shape


def test_alpha_grey_and_depth_of_colour(tmp_path, picture):
    alpha = np.dstack([picture[..., ::-1], picture[..., 0]])
    cv2.imwrite(str(tmp_path / "alpha.png"), alpha)
    assert np.array_equal(read_image(tmp_path / "alpha.png"), picture)
    assert np.array_equal(read_array(tmp_path / "alpha.png"), picture)
    write_image(tmp_path / "grey.png", picture[..., 0])
    assert np.array_equal(read_image(tmp_path / "grey.png"), np.repeat(picture[..., :1], 3, -1))
    assert np.array_equal(read_array(tmp_path / "grey.png"), picture[..., 0])
    deep = picture.astype(np.uint16) * 257
    write_image(tmp_path / "deep.png", deep)
    assert np.abs(read_image(tmp_path / "deep.png").astype(int) - picture).max() <= 1
    assert np.array_equal(read_array(tmp_path / "deep.png"), deep)


@pytest.mark.parametrize("suffix", FORMATS)
def test_truncation_is_found_wherever_it_is(tmp_path, picture, suffix, capfd):
    whole, path = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    write_image(whole, picture)
    data = whole.read_bytes()
    for length in {*range(0, len(data), max(1, len(data) // 50)), len(data) - 1, len(data) - 2}:
        path.write_bytes(data[:length])
        for read in (read_image, image_size, read_array):
            with pytest.raises(InputError, match=f"cut.{suffix}: expected a whole PNG, JPEG or WebP image"):
                read(path)
    assert capfd.readouterr() == ("", "")  # and nothing native speaks


def test_thumbnail_does_not_hide_truncation(tmp_path, picture):
    path = tmp_path / "a.jpg"
    write_image(path, picture)
    whole = path.read_bytes()
    path.write_bytes(whole)
    with_exif(path, exif(1) + whole)  # a thumbnail ends like an image
    assert read_image(path).shape == picture.shape
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="a truncated JPEG file"):
        read_image(path)


def test_progressive_and_restart_markers_and_trailing_bytes(tmp_path, picture):
    for name, options in {
        "progressive.jpg": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
        "restart.jpg": [cv2.IMWRITE_JPEG_RST_INTERVAL, 1],
    }.items():
        cv2.imwrite(str(tmp_path / name), picture[..., ::-1], options)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data + b"\xff\xd8 a second picture")
        assert read_image(tmp_path / name).shape == picture.shape
        (tmp_path / name).write_bytes(data[:-2])
        with pytest.raises(InputError, match="a truncated JPEG file"):
            read_image(tmp_path / name)


def test_damaged_png_and_talkative_chunks(tmp_path, picture, capfd):
    path = tmp_path / "a.png"
    write_image(path, picture)
    data = path.read_bytes()
    path.write_bytes(data[:33] + chunk(b"iCCP", b"profile\0\0not zlib") + data[33:])
    assert np.array_equal(read_image(path), picture)
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    with pytest.raises(InputError, match="checksum of its IDAT chunk"):
        read_image(path)
    path.write_bytes(data[:8] + data[33:])
    with pytest.raises(InputError, match="no header"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_bombs_are_refused_before_decoding(tmp_path, picture, monkeypatch):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    write_image(tmp_path / "a.png", picture)
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(
        InputError, match=r"bomb.png: expected an image of 1 to \d+ pixels, got 60000 x 60000"
    ):
        read_image(tmp_path / "bomb.png")
    for read in (read_image, image_size):
        with pytest.raises(InputError, match="got 24 x 36"):
            read(tmp_path / "a.png", max_pixels=24 * 36 - 1)


def test_a_size_stated_twice_is_refused(tmp_path, picture, capfd):
    """Whoever believes the wrong one makes room for a bomb."""
    write_image(tmp_path / "a.jpg", picture)
    data = (tmp_path / "a.jpg").read_bytes()
    place = data.index(b"\xff\xc0")
    frame = data[place : place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + frame + data[-2:])
    write_image(tmp_path / "a.png", picture)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:33] + data[8:])
    for name in ("a.jpg", "a.png"):
        for read in (read_image, image_size, read_array):
            with pytest.raises(InputError, match=r"\(it states its size twice\)"):
                read(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_arrays_larger_than_their_files(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(2))
    data = (tmp_path / "a.npy").read_bytes()
    wide = b"(1000000000000,), }"
    (tmp_path / "a.npy").write_bytes(data.replace(b"(2,), }" + b" " * (len(wide) - 7), wide))
    torch.save(torch.ones(1).expand(1 << 20, 1 << 20), tmp_path / "a.pt")
    with pytest.raises(
        InputError, match=r"a\.npy: expected one array of numbers, got (MemoryError|ValueError)"
    ):
        read_array(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"a.pt: expected one tensor.*larger than its content"):
        read_array(tmp_path / "a.pt")


def test_files_that_are_no_images(tmp_path, picture):
    cases = {"empty.png": b"", "text.jpg": b"hello", "gif.png": b"GIF89a" + b"\0" * 50}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            read_image(tmp_path / name)
    with pytest.raises(InputError, match=r"none.png: expected a file, got nothing of that name"):
        read_image(tmp_path / "none.png")
    with pytest.raises(InputError, match="got a folder"):
        read_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="got something else"):
        read_image(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="null"):
        read_image("a\0b.png")
    (tmp_path / "huge.png").touch()
    os.truncate(tmp_path / "huge.png", (1 << 30) + 1)
    with pytest.raises(InputError, match="at most 1 GiB"):
        read_image(tmp_path / "huge.png")
    write_image(tmp_path / "wrong_suffix.png", picture)
    (tmp_path / "wrong_suffix.png").rename(tmp_path / "wrong_suffix.jpg")
    assert read_image(tmp_path / "wrong_suffix.jpg").shape == picture.shape  # content counts


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path, picture):
    write_image(tmp_path / "a.png", picture)
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        read_image(tmp_path / "a.png")


def test_arrays(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    np.save(tmp_path / "a.npy", values)
    torch.save(torch.from_numpy(values), tmp_path / "a.pt")
    torch.save(torch.nn.Parameter(torch.ones(2, 2, dtype=torch.bfloat16)), tmp_path / "half.pt")
    assert np.array_equal(read_array(tmp_path / "a.npy"), values)
    assert np.array_equal(read_array(tmp_path / "a.pt"), values)
    assert read_array(tmp_path / "half.pt").dtype == np.float32


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    torch.save(Trap(), tmp_path / "a.pt")
    for name in ("a.npy", "a.pt"):
        with pytest.raises(InputError, match=name):
            read_array(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_bad_arrays(tmp_path):
    np.save(tmp_path / "whole.npy", np.ones((50, 50)))
    torch.save(torch.ones(50, 50), tmp_path / "whole.pt")
    for suffix in ("npy", "pt"):
        data = (tmp_path / f"whole.{suffix}").read_bytes()
        for length in (0, 20, len(data) // 2):
            (tmp_path / f"cut.{suffix}").write_bytes(data[:length])
            with pytest.raises(InputError, match=f"cut.{suffix}: expected one"):
                read_array(tmp_path / f"cut.{suffix}")
    torch.save({"s": torch.ones(2)}, tmp_path / "dict.pt")
    with pytest.raises(InputError, match=r"got TypeError: a dict"):
        read_array(tmp_path / "dict.pt")
    np.save(tmp_path / "text.npy", np.array(["a"]))
    with pytest.raises(InputError, match="expected numbers"):
        read_array(tmp_path / "text.npy")
    for name in ("a.tiff", "a"):
        with pytest.raises(InputError, match=r"expected one of \.png"):
            read_array(tmp_path / name)


def test_masks(tmp_path, picture):
    wet = np.zeros((8, 9), np.uint8)
    wet[4:] = 1
    write_image(tmp_path / "bright.png", wet * 255)
    write_image(tmp_path / "grey.png", wet * 128)
    write_image(tmp_path / "small.png", wet)
    write_image(tmp_path / "lossy.jpg", np.kron(wet, np.full((8, 8), 255, np.uint8)))
    write_image(tmp_path / "deep.png", wet.astype(np.uint16) * 65535)
    write_image(tmp_path / "rgb.png", np.repeat(wet[..., None] * 255, 3, -1).astype(np.uint8))
    np.save(tmp_path / "float.npy", wet[None].astype(np.float32))
    np.save(tmp_path / "bool.npy", wet.astype(bool))
    torch.save(torch.from_numpy(wet)[None, None], tmp_path / "a.pt")
    for name in (
        "bright.png",
        "grey.png",
        "small.png",
        "deep.png",
        "rgb.png",
        "float.npy",
        "bool.npy",
        "a.pt",
    ):
        mask = read_mask(tmp_path / name)
        assert mask.dtype == np.uint8
        assert np.array_equal(mask, wet), name
    assert np.array_equal(read_mask(tmp_path / "lossy.jpg"), np.kron(wet, np.ones((8, 8), np.uint8)))
    write_image(tmp_path / "dry.png", wet * 0)
    assert read_mask(tmp_path / "dry.png").max() == 0
    write_image(tmp_path / "odd.png", wet * 100)
    with pytest.raises(
        InputError, match=r"odd.png: expected values 0 and 255, or 0 and 1, got values 0 to 100"
    ):
        read_mask(tmp_path / "odd.png")
    write_image(tmp_path / "photo.png", picture)
    with pytest.raises(
        InputError, match=r"photo.png: expected a mask in black and white, got a coloured image"
    ):
        read_mask(tmp_path / "photo.png")
    write_image(tmp_path / "deep_photo.png", picture.astype(np.uint16) * 257)
    with pytest.raises(InputError, match="coloured"):
        read_mask(tmp_path / "deep_photo.png")
    np.save(tmp_path / "soft.npy", np.full((2, 2), 0.3))
    np.save(tmp_path / "volume.npy", np.ones((2, 3, 4)))
    for name in ("soft.npy", "volume.npy"):
        with pytest.raises(InputError, match=name):
            read_mask(tmp_path / name)


def test_writing_is_all_or_nothing(tmp_path, picture, monkeypatch):
    path = tmp_path / "a.png"
    write_image(path, picture)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match=r"a.png: expected a file that can be written, got No space left"):
        write_image(path, 255 - picture)
    assert np.array_equal(read_image(path), picture)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_bad_writes(tmp_path, picture):
    with pytest.raises(InputError, match=r"expected a name in \.png"):
        write_image(tmp_path / "a.bmp", picture)
    with pytest.raises(InputError, match="expected a file that can be written"):
        write_image(tmp_path / "nowhere" / "a.png", picture)
    for image in (picture.astype(float), picture[..., :2], np.zeros((0, 4), np.uint8)):
        with pytest.raises(ValueError, match="image must be"):
            write_image(tmp_path / "a.png", image)
    with pytest.raises(ValueError, match="uint16 for PNG"):
        write_image(tmp_path / "a.jpg", picture.astype(np.uint16))


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (ImportError("libGL.so.1: cannot open shared object file"), "libgl1"),
        (ModuleNotFoundError("cv2"), "pip install"),
    ],
)
def test_opencv_that_does_not_load(tmp_path, picture, monkeypatch, error, fix):
    write_image(tmp_path / "a.png", picture)
    original = builtins.__import__

    def refuse(name, *rest):
        if name == "cv2":
            raise error
        return original(name, *rest)

    _files.opencv.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=fix):
        read_image(tmp_path / "a.png")


def test_every_level_of_an_image_comes_back():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).expand(3, 16, 16)
    for dtype in (torch.float32, torch.float64):
        x = levels.to(dtype) / 127.5 - 1
        assert np.array_equal(to_uint8(x), levels.permute(1, 2, 0).numpy())
    assert to_uint8(torch.zeros(2, 5, 3, 4, 6)).shape == (2, 5, 4, 6, 3)
    assert to_uint8(torch.zeros(3, 1, 1, dtype=torch.bfloat16)).ravel().tolist() == [128] * 3
    assert to_uint8(torch.tensor([-9.0, 9.0, 0.9999]).view(3, 1, 1)).ravel().tolist() == [0, 255, 255]
    truncated = to_uint8(torch.tensor([0.0, 0.9999, 1.0]).view(3, 1, 1), truncate=True)
    assert truncated.ravel().tolist() == [127, 254, 255]
    for x in (torch.zeros(3, 4), torch.zeros(3, 4, 4, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="x must be floating"):
            to_uint8(x)
