import json
import pickle
import time

import numpy as np
import pytest
import torch

from gancomponents.data import (
    COLOURS,
    DOMAINS,
    KITTI_COLOURS,
    KITTI_TO_COMMON,
    DomainDataset,
    JointTransform,
    decode_labels,
    encode_simulator_depth,
    inverse_depth,
    read_list,
    write_image,
)
from gancomponents.errors import InputError

SIZE = 48
KEEP = JointTransform(SIZE, crop=SIZE, flip=0, target_sizes={})  # changes nothing at SIZE


def frames(count, height=SIZE, width=SIZE):
    generator = np.random.default_rng(0)
    for _ in range(count):
        yield {
            "x": generator.integers(0, 256, (height, width, 3), dtype=np.uint8),
            "s": generator.integers(0, 11, (height, width)).astype(np.uint8),
            "d": generator.uniform(0.5, 200, (height, width)).astype(np.float32),
            "m": generator.integers(0, 2, (height, width)).astype(np.uint8),
        }


def write_list(folder, rows, name="train.json"):
    (folder / name).write_text(json.dumps(rows))
    return folder / name


def tree(folder, count=4, domain="s", height=SIZE, width=SIZE):
    rows = []
    for number, frame in enumerate(frames(count, height, width)):
        row = {task: f"{number}_{task}.png" for task in "xsdm"}
        write_image(folder / row["x"], frame["x"])
        write_image(folder / row["s"], decode_labels(frame["s"], domain))
        write_image(folder / row["d"], encode_simulator_depth(frame["d"]))
        write_image(folder / row["m"], frame["m"] * 255)
        rows.append(row)
    return write_list(folder, rows)


def dataset(source, domain="s", tasks="xsdm", transform=KEEP, **options):
    return DomainDataset(source, domain, tasks=list(tasks), transform=transform, **options)


def test_contents(tmp_path):
    data = dataset(tree(tmp_path))
    assert len(data) == 4
    assert data.path(1) == str(tmp_path / "1_x.png")
    for index, frame in enumerate(frames(4)):
        sample = data.sample(index)
        assert list(sample) == list("xsdm")
        assert {task: field.dtype for task, field in sample.items()} == {
            "x": torch.float32,
            "s": torch.int64,
            "d": torch.float32,
            "m": torch.float32,
        }
        expected = (torch.from_numpy(frame["x"]).permute(2, 0, 1) / 255 - 0.5) / 0.5
        assert sample["x"].shape == (3, SIZE, SIZE)
        torch.testing.assert_close(sample["x"], expected, atol=1e-6, rtol=0)
        assert sample["x"].abs().max() <= 1
        assert torch.equal(sample["s"], torch.from_numpy(frame["s"]).long())
        assert torch.equal(sample["m"], torch.from_numpy(frame["m"])[None].float())
        torch.testing.assert_close(sample["d"][0], torch.from_numpy(1 / frame["d"]), rtol=5e-3, atol=1e-5)
    with pytest.raises(IndexError):
        data.sample(4)
    assert torch.equal(data.sample(-1)["x"], data.sample(3)["x"])


def test_shapes_after_the_transform(tmp_path):
    data = dataset(tree(tmp_path, height=60, width=70), transform=JointTransform(32))
    shapes = {task: tuple(field.shape) for task, field in data.sample(0).items()}
    assert shapes == {"x": (3, 32, 32), "s": (8, 8), "d": (1, 8, 8), "m": (1, 32, 32)}


def test_tasks_are_chosen(tmp_path):
    source = tree(tmp_path)
    assert list(dataset(source, tasks="m").sample(0)) == ["x", "m"]
    assert list(dataset(source, tasks="").sample(0)) == ["x"]
    for domain in DOMAINS:
        assert dataset(source, domain, tasks="").domain == domain


def test_rows_may_lack_tasks(tmp_path):
    rows = json.loads(tree(tmp_path).read_text())
    del rows[0]["m"], rows[2]["d"]
    rows[1]["s"] = None
    source = write_list(tmp_path, rows)
    assert len(dataset(source, tasks="x")) == 4
    with pytest.raises(InputError, match=r"row 1: expected a path for 'm', got only \['d', 's', 'x'\]"):
        dataset(source, tasks="m")
    for tasks, kept in (("m", [1, 2, 3]), ("sd", [0, 3]), ("sdm", [3]), ("", [0, 1, 2, 3])):
        data = dataset(source, tasks=tasks, skip_incomplete=True)
        assert len(data) == len(kept)
        assert [data.path(i) for i in range(len(data))] == [str(tmp_path / f"{n}_x.png") for n in kept]
        data.check()
        assert list(data.sample(len(kept) - 1)) == ["x", *tasks]
    assert len(dataset(source, tasks="m", skip_incomplete=True, max_samples=2)) == 2
    write_list(tmp_path, [{"x": "0_x.png"}])
    with pytest.raises(InputError, match=r"train.json: expected at least one row with 'x' and 'm', got none"):
        dataset(source, tasks="m", skip_incomplete=True)


def test_files_of_skipped_rows_need_not_be_there(tmp_path):
    rows = json.loads(tree(tmp_path).read_text())
    del rows[1]["m"]
    rows[1]["x"] = "gone.png"
    rows[3]["d"] = "gone.png"
    source = write_list(tmp_path, rows)
    assert len(dataset(source, tasks="m", skip_incomplete=True)) == 3
    with pytest.raises(InputError, match=r"row 4, 'd': .*gone.png"):  # named by its place in the file
        dataset(source, tasks="dm", skip_incomplete=True)


def test_rows_that_were_read_already(tmp_path):
    files = read_list(tree(tmp_path), ["s", "m"])
    assert torch.equal(
        dataset(files, tasks="m").sample(2)["m"], dataset(tree(tmp_path), tasks="m").sample(2)["m"]
    )
    with pytest.raises(InputError, match=r"expected 'x' and 'd' in all 4 rows, got 4 without"):
        dataset(files, tasks="d")
    with pytest.raises(InputError, match=r"expected at least one row with 'x' and 'd', got none"):
        dataset(files, tasks="d", skip_incomplete=True)


def test_max_samples_ends_the_list(tmp_path):
    data = dataset(tree(tmp_path), max_samples=3)
    assert len(data) == 3
    with pytest.raises(IndexError):
        data.path(3)
    with pytest.raises(ValueError, match="max_samples must be >= 1"):
        dataset(tree(tmp_path), max_samples=0)


def test_stretch_is_each_images_own(tmp_path):
    image = np.full((SIZE, SIZE, 3), 100, np.uint8)
    image[0, 0], image[1, 1] = 50, 150
    write_image(tmp_path / "a.png", image)
    write_image(tmp_path / "flat.png", np.full((SIZE, SIZE, 3), 9, np.uint8))
    source = write_list(tmp_path, [{"x": "a.png"}, {"x": "flat.png"}])
    stretched = dataset(source, tasks="x", stretch=True)
    assert stretched.sample(0)["x"].unique().tolist() == [-1, 0, 1]
    assert torch.isfinite(stretched.sample(1)["x"]).all()
    assert dataset(source, tasks="x").sample(0)["x"].max() < 0.2


def test_real_domain(tmp_path):
    source = tree(tmp_path, domain="r")
    frame = next(frames(1))
    np.save(tmp_path / "0_d.npy", frame["d"][None])
    torch.save(torch.from_numpy(frame["s"])[None, None], tmp_path / "0_s.pt")
    rows = [{"x": "0_x.png", "s": "0_s.pt", "d": "0_d.npy"}, {"x": "0_x.png", "s": "0_s.png", "d": "0_m.png"}]
    source = write_list(tmp_path, rows)
    data = dataset(source, "r", "xsd")
    first, second = data.sample(0), data.sample(1)
    assert torch.equal(first["s"], torch.from_numpy(frame["s"]).long())
    assert torch.equal(second["s"], first["s"])
    stretched = (frame["d"] - frame["d"].min()) / (frame["d"].max() - frame["d"].min())
    torch.testing.assert_close(first["d"][0], torch.from_numpy(stretched))
    assert torch.equal(second["d"][0], torch.from_numpy(frame["m"]).float())
    data.check()


def test_simulated_metres(tmp_path):
    tree(tmp_path)
    depth = next(frames(1))["d"]
    depth[0, 0], depth[0, 1] = 0, np.inf
    np.save(tmp_path / "d.npy", depth)
    data = dataset(write_list(tmp_path, [{"x": "0_x.png", "d": "d.npy"}]), tasks="d")
    sample = data.sample(0)["d"][0]
    assert torch.isfinite(sample).all()
    assert torch.equal(sample, torch.from_numpy(inverse_depth(depth)))


def test_kitti_domain(tmp_path):
    tree(tmp_path)
    ids = np.random.default_rng(1).integers(0, 15, (SIZE, SIZE))
    write_image(tmp_path / "s.png", KITTI_COLOURS[ids])
    centimetres = np.random.default_rng(2).integers(100, 65536, (SIZE, SIZE)).astype(np.uint16)
    centimetres[0, 0] = 0
    write_image(tmp_path / "d.png", centimetres)
    data = dataset(write_list(tmp_path, [{"x": "0_x.png", "s": "s.png", "d": "d.png"}]), "kitti", "xsd")
    data.check()
    sample = data.sample(0)
    assert torch.equal(sample["s"], torch.from_numpy(KITTI_TO_COMMON[ids]).long())
    assert sample["d"][0, 0, 0] == 10
    torch.testing.assert_close(sample["d"][0, 1], torch.from_numpy(100 / centimetres[1].astype(np.float32)))


def test_rows_in_memory(tmp_path, monkeypatch):
    source = tree(tmp_path)
    expected = dataset(source, tasks="m").sample(2)
    names = json.loads(source.read_text())
    absolute = [{task: tmp_path / name for task, name in row.items()} for row in names]  # paths, not texts
    monkeypatch.chdir(tmp_path)
    for rows in (names, tuple(absolute), read_list(source, ["m"])[:]):
        data = dataset(rows, tasks="m")
        assert len(data) == 4
        assert all(torch.equal(field, expected[task]) for task, field in data.sample(2).items())
    del names[1]["m"]
    assert len(dataset(names, tasks="m", skip_incomplete=True)) == 3
    for rows, message in (
        (names, "files, row 2: expected a path for 'm'"),
        ([{"x": "gone.png"}], "list, row 1, 'x': gone.png: expected a file"),
        (["0_x.png"], r"files, row 1: expected \{task: path\}, got '0_x.png'"),
        ([{"x": 3}], "files, row 1, 'x': expected a path, got 3"),
        ([], "files: expected at least one row"),
    ):
        with pytest.raises(InputError, match=message):
            dataset(rows, tasks="m" if rows is names else "")


def test_torchs_loader_takes_it(tmp_path):
    data = dataset(tree(tmp_path))
    assert all(torch.equal(field, data.sample(1)[task]) for task, field in data[1].items())
    assert len(list(data)) == 4
    first, second = torch.utils.data.DataLoader(data, batch_size=3)
    assert first["x"].shape == (3, 3, SIZE, SIZE)
    assert torch.equal(second["s"][0], data.sample(3)["s"])


def of_fields_alone(fields):
    return fields


def giving_both(fields, generator):
    return fields, generator


class Flip(torch.nn.Module):
    def forward(self, fields):
        return fields


@pytest.mark.parametrize("transform", [of_fields_alone, Flip(), JointTransform])
def test_a_transform_of_one_argument_is_one_clear_error(tmp_path, transform):
    with pytest.raises(ValueError, match="transform must take two arguments, fields and generator, got"):
        dataset(tree(tmp_path), transform=transform)


def test_no_transform_is_one_clear_error(tmp_path):
    with pytest.raises(ValueError, match=r"transform must be callable .* got None: JointTransform"):
        dataset(tree(tmp_path), transform=None)


def test_a_transform_must_return_fields(tmp_path):
    with pytest.raises(ValueError, match=r"transform must return \{field: tensor\}, got a tuple"):
        dataset(tree(tmp_path), transform=giving_both).sample(0)


def test_own_depth_reader(tmp_path):
    data = dataset(tree(tmp_path), tasks="d", depth=lambda stored: stored[..., 0].astype(np.float64) * 2)
    assert data.sample(0)["d"].dtype == torch.float32
    assert data.sample(0)["d"].max() > 255


def test_nearest_colours_must_be_asked_for(tmp_path):
    source = tree(tmp_path)
    rgb = decode_labels(next(frames(1))["s"], "s")
    off = np.where(rgb > 128, rgb - 3, rgb + 3).astype(np.uint8)
    write_image(tmp_path / "0_s.png", off)
    with pytest.raises(InputError, match=r"0_s.png: colour-coded labels: expected only the 11 colours"):
        dataset(source).sample(0)
    with pytest.raises(InputError, match=r"0_s.png"):
        dataset(source).check()
    sample = dataset(source, nearest_colours=True).sample(0)
    assert torch.equal(sample["s"], torch.from_numpy(next(frames(1))["s"]).long())


def test_samples_depend_on_seed_domain_epoch_and_index_only(tmp_path):
    source = tree(tmp_path, height=64, width=80)
    transform = JointTransform(SIZE, colour_jitter=0.5)
    data, other = dataset(source, transform=transform), dataset(source, transform=transform)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = data.sample(2, epoch=3)
    for index in (0, 3, 2, 1):
        other.sample(index, epoch=1)
    torch.manual_seed(99)
    second = other.sample(2, epoch=3)
    assert all(torch.equal(first[task], second[task]) for task in first)
    torch.set_rng_state(state)
    data.sample(1, epoch=2)
    assert torch.equal(torch.get_rng_state(), state)

    def same(sample):
        return torch.equal(sample["x"], first["x"])

    assert not same(data.sample(2, epoch=4))
    assert not same(dataset(source, transform=transform, seed=1).sample(2, epoch=3))
    assert not same(
        dataset(source, "s", transform=transform, nearest_colours=True, seed=2).sample(2, epoch=3)
    )
    xs = [dataset(source, domain, "x", transform=transform).sample(2, 3)["x"] for domain in ("s", "r", "rf")]
    assert torch.equal(xs[0], first["x"])
    assert not torch.equal(xs[1], xs[0])
    assert not torch.equal(xs[2], xs[1])


def test_pickles(tmp_path):
    data = dataset(tree(tmp_path))
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again.sample(1)["d"], data.sample(1)["d"])


def test_bad_arguments(tmp_path):
    source = tree(tmp_path)
    with pytest.raises(ValueError, match=r"domain must be one of .* labels and depth .*'r' for plain images"):
        dataset(source, "real")
    with pytest.raises(ValueError, match=r"tasks must be among 'x' \(image\), .* got \['p'\]"):
        dataset(source, tasks="xp")
    with pytest.raises(ValueError, match="seed must be >= 0"):
        dataset(source, seed=-1)
    write_list(tmp_path, [{"x": "0_x.png"}])
    with pytest.raises(InputError, match="row 1: expected a path for 's'"):
        dataset(source)


def damage_image(folder):
    path = folder / "2_x.png"
    path.write_bytes(path.read_bytes()[:-20])


def damage_labels(folder):
    write_image(folder / "2_s.png", np.full((SIZE, SIZE), 11, np.uint8))


def damage_label_colours(folder):
    write_image(folder / "2_s.png", np.full((SIZE, SIZE, 3), 77, np.uint8))


def damage_mask_size(folder):
    write_image(folder / "2_m.png", np.zeros((SIZE, SIZE // 2), np.uint8))


def damage_mask_values(folder):
    write_image(folder / "2_m.png", np.full((SIZE, SIZE), 99, np.uint8))


def damage_label_size(folder):
    write_image(folder / "2_s.png", decode_labels(np.zeros((SIZE // 4, SIZE // 4), int)))


def damage_depth(folder):
    write_image(folder / "2_d.png", np.zeros((SIZE, SIZE), np.uint16))


def damage_image_size(folder):
    for task in "xm":
        write_image(folder / f"2_{task}.png", np.zeros((SIZE, SIZE - 1), np.uint8))


def remove(folder):
    (folder / "2_d.png").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_image, r"2_x.png: expected a whole PNG"),
        (damage_labels, r"2_s.png: expected whole class ids 0\.\.10, got values 11 to 11"),
        (damage_label_colours, r"2_s.png: colour-coded labels: .*RGB \(77, 77, 77\)"),
        (damage_mask_size, r"2_m.png: expected the size of its image 2_x.png, 48 x 48, got 48 x 24"),
        (damage_mask_values, r"2_m.png: expected values 0 and 255"),
        (damage_label_size, r"2_s.png: expected the size of its image 2_x.png, 48 x 48, got 12 x 12"),
        (damage_depth, r"2_d.png: expected the simulator's RGB depth.*got uint16"),
        (damage_image_size, r"2_x.png: expected sides of at least 48 pixels, got 48 x 47"),
        (remove, r"row 3, 'd': .*2_d.png: expected a file"),
    ],
)
def test_check_finds_it(tmp_path, damage, message):
    data = dataset(tree(tmp_path))
    data.check()
    damage(tmp_path)
    with pytest.raises(InputError, match=message):
        data.check()
    with pytest.raises(InputError, match=r"2_.\.png"):  # and so does whoever did not check
        data.sample(2)
    data.check(limit=1)  # looks at the first row alone


def test_check_of_arrays(tmp_path):
    tree(tmp_path)
    cases = {
        "nan.npy": ("d", np.full((SIZE, SIZE), np.nan), "NaN or infinity"),
        "negative.npy": ("d", np.full((SIZE, SIZE), -1.0), "expected metres >= 0"),
        "whole.npy": ("d", np.full((SIZE, SIZE), 3), "metres in floating point, got int64"),
        "volume.npy": ("d", np.ones((4, SIZE, SIZE)), r"expected an array \(H, W\)"),
        "half.npy": ("s", np.full((SIZE, SIZE), 0.5), "expected whole class ids"),
        "minus.npy": ("s", np.full((SIZE, SIZE), -1), "expected whole class ids"),
        "nan_labels.npy": ("s", np.full((SIZE, SIZE), np.nan), "expected whole class ids"),
        "logits.npy": ("s", np.zeros((11, SIZE, SIZE)), r"expected an array \(H, W\)"),
    }
    for name, (task, array, message) in cases.items():
        np.save(tmp_path / name, array)
        with pytest.raises(InputError, match=f"{name}.*{message}"):
            dataset(write_list(tmp_path, [{"x": "0_x.png", task: name}]), tasks=task).check()
    write_image(tmp_path / "eight.png", np.zeros((SIZE, SIZE), np.uint8))
    with pytest.raises(InputError, match=r"eight.png: centimetres must be uint16"):
        dataset(write_list(tmp_path, [{"x": "0_x.png", "d": "eight.png"}]), "kitti", "d").check()


def test_check_counts_and_samples_rows(tmp_path):
    data = dataset(tree(tmp_path, count=6))
    for number in (1, 4, 5):
        (tmp_path / f"{number}_x.png").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"1_x.png: .*got an empty file \(and 2 more samples are not right\)"
    ):
        data.check()
    with pytest.raises(InputError, match=r"4_x.png: .*got an empty file\. Fix"):
        data.check(limit=3)  # rows 0, 2 and 4: spread over the list
    data.check(limit=0)


def test_small_images_may_be_allowed(tmp_path):
    source = tree(tmp_path)
    transform = JointTransform(SIZE * 2)
    with pytest.raises(InputError, match="expected sides of at least 96 pixels"):
        dataset(source, transform=transform).check()
    data = dataset(source, transform=transform, min_size=1)
    data.check()
    assert data.sample(0)["x"].shape == (3, 96, 96)


def test_colour_tables_of_the_domains_differ(tmp_path):
    source = tree(tmp_path, domain="r")
    with pytest.raises(InputError, match=r"0_s.png"):
        dataset(source, "s", "s").check()
    dataset(source, "r", "s").check()
    assert not np.array_equal(COLOURS["s"], COLOURS["r"])


def test_speed(tmp_path):
    """Of the processor's time, in other threads too; a 128-pixel sample takes about a millisecond."""
    data = dataset(tree(tmp_path, count=8, height=128, width=128), transform=JointTransform(128))
    data.sample(0)
    times = []
    for index in range(24):
        start = time.process_time()
        data.sample(index % 8)
        times.append(time.process_time() - start)
    assert sorted(times)[len(times) // 2] < 0.02
