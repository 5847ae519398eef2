"""Files of tensors from strangers: nothing in them runs, none takes more memory than it is long."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from gancomponents._tensors import read_safetensors, read_torch_file


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def safetensors(
    header: dict[str, Any] | bytes, content: bytes = b"\0" * 8, *, length: int | None = None
) -> bytes:
    """A file with that header, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def entry(shape: list[int], offsets: list[int]) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": offsets}


DAMAGED = {
    "empty": b"",
    "huge header": safetensors({}, length=2**60),
    "deep header": safetensors(b'{"a":' + b"[" * 100_000),
    "huge shape": safetensors({"a": entry([2**40, 2**20], [0, 8])}),
    "overflow": safetensors({"a": entry([2**62, 4], [0, 8])}),
    "overlap": safetensors({"a": entry([2], [0, 8]), "b": entry([2], [0, 8])}),
    "beyond the end": safetensors({"a": entry([200], [0, 800])}),
    "backwards": safetensors({"a": entry([2], [8, 0])}),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_safetensors_are_one_kind_of_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(DAMAGED[name])
    with pytest.raises(ValueError, match=r"a damaged \.safetensors file"):
        read_safetensors(tmp_path / "a.safetensors")


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(safetensors({"a": entry([2], [0, 8])}))
    assert read_safetensors(tmp_path / "a.safetensors")["a"].tolist() == [0, 0]
    value = {"a": [torch.ones(2, 3).T, {"b": torch.ones(4)[1:3]}], "epoch": 3}
    for new in (True, False):
        torch.save(value, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
        found = read_torch_file(tmp_path / "a.pth")
        assert found["epoch"] == 3
        assert found["a"][0].shape == (3, 2)


@pytest.mark.parametrize("new", [True, False])
def test_nothing_is_run(new: bool, tmp_path: Path) -> None:
    value = {"G": torch.ones(1), "note": Trap(tmp_path / "sprung")}
    torch.save(value, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(ValueError, match=r"^one that asks for \w+\.mkdir, which could run code$"):
        read_torch_file(tmp_path / "a.pth")
    assert not (tmp_path / "sprung").exists()
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert (tmp_path / "sprung").exists()  # so the trap works


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.ones(1).expand(1 << 40), "larger than its content"),
        ([{"a": (torch.ones(1).expand(1 << 20, 1 << 20),)}], "larger than its content"),
        (torch.ones(3, device="meta"), "only dense ones"),
        (torch.ones(3).to_sparse(), "only dense ones"),
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_no_tensor_pretends(value: Any, message: str) -> None:
    file = io.BytesIO()
    torch.save(value, file)
    with pytest.raises(ValueError, match=message):
        read_torch_file(file)


def test_compressed_content_is_not_unpacked(tmp_path: Path) -> None:
    torch.save(torch.zeros(1 << 22), tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "a.pt", "w") as bomb:
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name), zipfile.ZIP_DEFLATED)
    assert (tmp_path / "a.pt").stat().st_size < 1 << 17
    assert torch.load(tmp_path / "a.pt").numel() == 1 << 22  # torch would
    with pytest.raises(ValueError, match="compressed content"):
        read_torch_file(tmp_path / "a.pt")


def test_a_nest_that_repeats_itself_is_walked_once() -> None:
    nest: list[Any] = [torch.ones(1)]
    for _ in range(60):
        nest = [nest] * 9
    file = io.BytesIO()
    torch.save(nest, file)
    assert len(read_torch_file(file)) == 9


@pytest.mark.parametrize("content", [b"", b"\x80\x02junk", b"PK\x03\x04", b"text"])
def test_other_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(ValueError, match="a broken or foreign file"):
        read_torch_file(tmp_path / "a.pth")
