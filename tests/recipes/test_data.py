"""The recipe's data: sources, lists of every domain, truth where it is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gancomponents.errors import InputError
from recipes.data import Data, Folder
from tests.recipes.tiny import SIDE, write_data

LISTS = {
    "train": {d: f"train_{d}.json" for d in ("s", "r", "rf")},
    "val": {d: f"val_{d}.json" for d in ("s", "r", "rf")},
    "truth": {"r": "truth_val_r.json", "rf": "truth_val_rf.json"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def _data(folder: Path, **options) -> Data:
    data = Data(Folder(str(folder)), **LISTS, **{"size": SIDE, "batch_size": 2, **options})
    data.prepare(data.domains)
    return data


def test_batches_hold_the_tasks_of_each_domain(folder: Path) -> None:
    batch = _data(folder).loader(0, ("s", "r", "rf")).batch(0)
    assert list(batch) == ["s", "r", "rf"]
    shapes = {k: tuple(v.shape) for k, v in batch["s"].items() if k != "paths"}
    quarter = SIDE // 4
    assert shapes == {
        "x": (2, 3, SIDE, SIDE),
        "s": (2, quarter, quarter),
        "d": (2, 1, quarter, quarter),
        "m": (2, 1, SIDE, SIDE),
    }
    assert set(batch["r"]) == set(batch["rf"]) == {"x", "m", "paths"}


def test_pseudo_tasks_can_be_asked_for(folder: Path) -> None:
    data = _data(folder, tasks={"r": ("s", "d", "m")})
    assert set(data.loader(0, ("s", "r", "rf")).batch(0)["r"]) == {"x", "s", "d", "m", "paths"}


def test_held_out_frames_are_whole_and_the_same_every_time(folder: Path) -> None:
    first, again = _data(folder).held_out("s").sample(1), _data(folder).held_out("s").sample(1)
    assert first["s"].shape == (SIDE, SIDE)
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_truth_of_r_is_metric(folder: Path) -> None:
    import numpy as np

    metres = torch.from_numpy(np.load(folder / "val_r_0_d.npy"))[None]
    torch.testing.assert_close(_data(folder).held_out("r").sample(0)["d"], 1 / metres)


def test_max_samples(folder: Path) -> None:
    batch = [_data(folder, max_samples=2).loader(0, ("s", "r", "rf")).batch(step) for step in range(4)]
    assert len({path for b in batch for path in b["s"]["paths"]}) == 2


def test_batch_sizes_by_domain(folder: Path) -> None:
    batch = _data(folder, batch_size={"s": 1, "r": 2, "rf": 3}).loader(0, ("s", "r", "rf")).batch(0)
    assert [len(fields["x"]) for fields in batch.values()] == [1, 2, 3]


def test_folders_expand_variables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREETS", str(folder))
    assert Folder("$STREETS").locate() == folder
    with pytest.raises(InputError, match="a folder"):
        Folder("$STREETS/nowhere").locate()


def test_reading_before_preparing_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match=r"prepare\(\)"):
        Data(Folder("."), **LISTS).loader(0, ("s", "r", "rf"))


def test_virtual_kitti_is_read_from_where_it_was_unpacked(folder: Path, tmp_path: Path) -> None:
    frames = tmp_path / "vkitti" / "Scene01" / "clone" / "frames"
    names = {"rgb": "rgb_{}.jpg", "classSegmentation": "classgt_{}.png", "depth": "depth_{}.png"}
    for kind, name in names.items():
        (frames / kind / "Camera_0").mkdir(parents=True)
        for index in range(2):
            picture = np.full((SIDE, SIDE, 3), (255, 200, 90), np.uint8)  # the sky's colour, BGR
            if kind == "depth":
                picture = np.full((SIDE, SIDE), 250, np.uint16)
            cv2.imwrite(str(frames / kind / "Camera_0" / name.format(f"0000{index}")), picture)
    lists = {"train": {**LISTS["train"], "kitti": str(tmp_path / "vkitti")}, "val": LISTS["val"]}
    data = Data(Folder(str(folder)), **lists, size=SIDE, batch_size=2)
    data.prepare(("kitti",))
    batch = data.loader(0, ("kitti",)).batch(0)["kitti"]
    assert (batch["s"] == 9).all()
    torch.testing.assert_close(batch["d"], torch.full_like(batch["d"], 1 / 2.5))
