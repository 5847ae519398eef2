import shutil

import numpy as np
import pytest
import torch

from gancomponents.data import (
    KITTI_COLOURS,
    KITTI_TO_COMMON,
    DomainDataset,
    DomainLoader,
    JointTransform,
    read_array,
    read_kitti,
    read_list,
)
from gancomponents.data.town import write_town
from gancomponents.errors import InputError

SIZE = 48


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("towns") / "town"
    write_town(folder, size=SIZE, count={"kitti": 3}, val_count=2, domains=["kitti"], workers=1)
    return folder


def tree(root, scenes=(1, 20), variations=("clone", "15-deg-left"), cameras=(0, 1), frames=2):
    """The names alone, as the archives unpack them."""
    for scene in scenes:
        for variation in variations:
            for camera in cameras:
                for number in range(frames):
                    for name in frame(scene, variation, camera, number).values():
                        path = root / name
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.touch()
        (
            root / f"Scene{scene:02d}" / "clone" / "colors.txt"
        ).touch()  # the text archive, where it is unpacked
    return root


def frame(scene, variation, camera, number):
    folder = f"Scene{scene:02d}/{variation}/frames"
    return {
        "x": f"{folder}/rgb/Camera_{camera}/rgb_{number:05d}.jpg",
        "s": f"{folder}/classSegmentation/Camera_{camera}/classgt_{number:05d}.png",
        "d": f"{folder}/depth/Camera_{camera}/depth_{number:05d}.png",
    }


def test_it_finds_what_the_lists_of_the_town_name(town):
    files = read_kitti(town / "vkitti")
    lists = [read_list(town / f"{split}_kitti.json", "sd") for split in ("train", "val")]
    assert [*files] == [*lists[0], *lists[1]]
    assert [*read_kitti(town / "vkitti", scenes=[2])] == [*lists[1]]
    assert files.source == town / "vkitti"


def test_samples_are_in_the_common_classes(town):
    transform = JointTransform(SIZE, crop=SIZE, flip=0, target_sizes={})
    data = DomainDataset(read_kitti(town / "vkitti"), "kitti", tasks=["s", "d"], transform=transform)
    assert len(data) == 5
    data.check()
    for index in range(len(data)):
        sample, row = data.sample(index), data.rows[index]
        colours = read_array(row["s"])
        for kitti, common in enumerate(KITTI_TO_COMMON):
            mask = torch.from_numpy((colours == KITTI_COLOURS[kitti]).all(-1))
            assert (sample["s"][mask] == int(common)).all()
        metres = torch.from_numpy(read_array(row["d"]).astype(np.float32) / 100)
        torch.testing.assert_close(sample["d"][0], 1 / metres.clamp(min=0.1))
        assert sample["s"].unique().numel() > 1
    batch = DomainLoader({"s": data}, 2).batch(0)
    assert batch["s"]["d"].shape == (2, 1, SIZE, SIZE)


def test_order_and_selection(tmp_path):
    root = tree(tmp_path)
    whole = read_kitti(root)
    expected = [
        {task: root / name for task, name in frame(scene, variation, camera, number).items()}
        for scene in (1, 20)
        for variation in ("15-deg-left", "clone")
        for camera in (0, 1)
        for number in (0, 1)
    ]
    assert [*whole] == expected
    chosen = read_kitti(root, scenes=[20], variations=["clone"], cameras=[1])
    assert [*chosen] == [expected[-2], expected[-1]]
    assert [*read_kitti(root, cameras=(1, 0), variations=("clone", "15-deg-left"))] == expected
    assert [*read_kitti(root, tasks=["d"])] == [{"x": row["x"], "d": row["d"]} for row in expected]
    assert [*read_kitti(root, tasks=[])] == [{"x": row["x"]} for row in expected]
    shutil.rmtree(root / "Scene01/clone/frames/depth")
    assert len(read_kitti(root, tasks=["s"])) == 16


@pytest.mark.parametrize("task", ["x", "s", "d"])
def test_a_frame_without_one_of_its_files(tmp_path, task):
    root = tree(tmp_path)
    name = frame(1, "clone", 1, 0)[task]
    (root / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: expected a file for every frame, got none\."):
        read_kitti(root)
    (root / frame(20, "clone", 0, 1)[task]).unlink()
    with pytest.raises(InputError, match=rf"{name}: .* got none \(and 1 more missing\)"):
        read_kitti(root)
    assert len(read_kitti(root, variations=["15-deg-left"])) == 8


def test_an_archive_that_was_not_unpacked(tmp_path):
    root = tree(tmp_path)
    for folder in root.glob("*/*/frames/classSegmentation"):
        shutil.rmtree(folder)
    with pytest.raises(
        InputError, match=r"classgt_00000.png: .*\(and 15 more missing\).*name only the tasks"
    ):
        read_kitti(root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenes": [1, 6]}, "expected some of Scene01, Scene20, got Scene06"),
        ({"scenes": []}, "expected some of Scene01, Scene20, got none"),
        ({"variations": ["cloned"]}, "Scene01: expected some of 15-deg-left, clone, got cloned"),
        ({"cameras": [2]}, "rgb: expected some of Camera_0, Camera_1, got Camera_2"),
    ],
)
def test_what_is_not_there(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        read_kitti(tree(tmp_path), **options)


def test_folders_of_something_else(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: expected a folder, got No such file"):
        read_kitti(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"expected folders like Scene.*unpack"):
        read_kitti(tmp_path)
    (tmp_path / "Scene01/clone/frames/rgb/Camera_0").mkdir(parents=True)
    with pytest.raises(InputError, match=r"expected frames such as rgb_00000.jpg, got none"):
        read_kitti(tmp_path)
    with pytest.raises(ValueError, match=r"tasks must be among 's' and 'd', got \['m'\]"):
        read_kitti(tmp_path, tasks=["m"])
