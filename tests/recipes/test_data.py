"""The recipe's data: sources, lists of every domain, truth where it is known."""

import json
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


@pytest.mark.parametrize("buckets", [None, 16])
def test_a_cache_changes_nothing(
    folder: Path, tmp_path: Path, buckets: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARE", str(tmp_path))
    plain = _data(folder, depth_buckets=buckets)
    cached = _data(folder, depth_buckets=buckets, cache="$SPARE/cache", cache_gib=0.01)
    for step in (0, 0, 1):
        expected = plain.loader(0, plain.domains).batch(step)
        found = cached.loader(0, plain.domains).batch(step)
        assert found["s"]["d"].is_floating_point() == (buckets is None)
        for domain, fields in expected.items():
            assert all(torch.equal(found[domain][t], fields[t]) for t in fields if t != "paths")
    expected, found = (next(iter(data.validation_batches(["s"])))["s"] for data in (plain, cached))
    assert torch.equal(found["d"], expected["d"])
    assert len(list((tmp_path / "cache").glob("*/*.safetensors"))) > 2
    with pytest.raises(ValueError, match="cache_gib must be above 0"):
        _data(folder, cache_gib=0)


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


def test_rows_with_any_tasks_teach_what_they_have(folder: Path, tmp_path: Path) -> None:
    rows = json.loads((folder / "train_s.json").read_text())
    for row, missing in zip(rows, ("s", "dm", "", "sdm"), strict=True):
        for task in missing:
            del row[task]
    whole = [{task: str(folder / name) for task, name in row.items()} for row in rows]
    (tmp_path / "partial.json").write_text(json.dumps(whole))
    lists = {"train": {**LISTS["train"], "s": str(tmp_path / "partial.json")}, "val": LISTS["val"]}

    def data(incomplete: str) -> Data:
        return Data(Folder(str(folder)), **lists, size=SIDE, batch_size=4, incomplete=incomplete)

    with pytest.raises(InputError, match="row 1: expected a path for 's'"):
        data("error").prepare(("s",))
    with pytest.raises(InputError, match="at least one batch of 4 rows"):
        skipping = data("skip")
        skipping.prepare(("s",))
        skipping.loader(0, ("s",))
    kept = data("keep")
    kept.prepare(("s",))
    batch = kept.loader(0, ("s",)).batch(0)["s"]
    order = [next(i for i, row in enumerate(whole) if row["x"] == path) for path in batch["paths"]]
    for task, having in {"s": {1, 2}, "d": {0, 2}, "m": {0, 2}}.items():
        assert [order[row] for row in batch[f"{task}_rows"]] == [i for i in order if i in having]
        assert len(batch[task]) == 2
    assert len(batch["x"]) == 4
    held = {**lists, "val": lists["train"]}
    partly = Data(Folder(str(folder)), **held, size=SIDE, batch_size=4, incomplete="keep")
    partly.prepare(("s",), validate=True)
    seen = [sorted(set(batch["s"]) & set("sdm")) for batch in partly.validation_batches(("s",))]
    assert seen == [["d", "m"], ["s"], ["d", "m", "s"], []]  # rows that tell the same, together
    alone = kept.loader(0, ("s",)).datasets["s"].sample(2, 0)
    torch.testing.assert_close(batch["d"][[order[r] for r in batch["d_rows"]].index(2)], alone["d"])


def test_validation_sees_every_held_out_sample_once(folder: Path, tmp_path: Path) -> None:
    rows = json.loads((folder / "val_s.json").read_text())
    many = [{task: str(folder / name) for task, name in row.items()} for row in (rows * 3)[:11]]
    (tmp_path / "val_s.json").write_text(json.dumps(many))
    data = Data(
        Folder(str(folder)),
        train=LISTS["train"],
        val={**LISTS["val"], "s": str(tmp_path / "val_s.json")},
        size=SIDE,
        batch_size=3,
    )
    data.prepare(data.domains, validate=True)
    batches = list(data.validation_batches(("s", "r", "rf")))
    counts = [{domain: len(fields["x"]) for domain, fields in batch.items()} for batch in batches]
    assert counts == [{"s": 3, "r": 3, "rf": 3}, {"s": 3, "r": 1, "rf": 1}, {"s": 3}, {"s": 2}]


def test_held_out_rows_that_validation_cannot_use_are_found_before_training(
    folder: Path, tmp_path: Path
) -> None:
    rows = json.loads((folder / "val_r.json").read_text())
    for row in rows:
        row.update({task: str(folder / name) for task, name in row.items()})
    del rows[1]["m"]
    (tmp_path / "val_r.json").write_text(json.dumps(rows))
    lists = {"train": LISTS["train"], "val": {"r": str(tmp_path / "val_r.json")}}
    data = Data(Folder(str(folder)), **lists, size=SIDE, batch_size=2)
    data.prepare(("r",))
    with pytest.raises(InputError, match="row 2: expected a path for 'm'"):
        data.prepare(("r",), validate=True)
