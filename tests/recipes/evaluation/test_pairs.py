"""Pairs of files: by name, labels in any of their codes, and what the networks see of them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gancomponents.data import FLOOD_COLOURS, write_image
from gancomponents.errors import InputError
from recipes.evaluation.pairs import Pair, Preparation, find_pairs, read_label, read_pair

IDS = np.arange(48).reshape(6, 8).astype(np.uint8) % 3


def _touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        write_image(folder / name, np.zeros((2, 2, 3), np.uint8))
    return folder


def test_pairs_are_found_by_name_in_order(tmp_path: Path) -> None:
    photos = _touch(tmp_path / "p", "b.png", "a.jpg", "c.webp")
    labels = _touch(tmp_path / "l", "a_labeled.png", "b.png", "c_labeled.jpg")
    (labels / "notes.txt").write_text("mine")
    found = find_pairs(photos, labels)
    assert [(p.image.name, p.label.name) for p in found] == [
        ("a.jpg", "a_labeled.png"),
        ("b.png", "b.png"),
        ("c.webp", "c_labeled.jpg"),
    ]
    assert find_pairs(photos, labels, 2) == found[:2]


def test_files_without_partner_are_named(tmp_path: Path) -> None:
    photos = _touch(tmp_path / "p", "a.png", "b.png", "c.png")
    labels = _touch(tmp_path / "l", "a.png")
    with pytest.raises(InputError, match=r"--labels .*none for .*b\.png \(and 1 more\)"):
        find_pairs(photos, labels)
    with pytest.raises(InputError, match=r"--images .*none for .*b\.png"):
        find_pairs(labels, photos)
    _touch(labels, "a_labeled.png")
    with pytest.raises(InputError, match=r"a\.png and a_labeled\.png"):
        find_pairs(photos, labels)


def test_every_code_of_a_label_gives_the_same_ids(tmp_path: Path) -> None:
    write_image(tmp_path / "colours.png", FLOOD_COLOURS[IDS])
    write_image(tmp_path / "grey.png", IDS)
    write_image(tmp_path / "palette.png", IDS[..., None].repeat(3, 2))  # as a palette of greys decodes
    near = np.clip(FLOOD_COLOURS[IDS].astype(int) + 20, 0, 235).astype(np.uint8)
    write_image(tmp_path / "near.png", near)
    alpha = np.dstack([FLOOD_COLOURS[IDS][..., ::-1], np.full(IDS.shape, 255, np.uint8)])
    cv2.imwrite(str(tmp_path / "alpha.png"), alpha)
    cv2.imwrite(str(tmp_path / "deep.png"), FLOOD_COLOURS[IDS][..., ::-1].astype(np.uint16) * 257)
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(read_label(path), IDS, err_msg=path.name)


def test_black_is_may_in_colour_and_cannot_in_grey(tmp_path: Path) -> None:
    write_image(tmp_path / "colour.png", np.zeros((2, 2, 3), np.uint8))
    write_image(tmp_path / "grey.png", np.zeros((2, 2), np.uint8))
    assert read_label(tmp_path / "colour.png").tolist() == [[2, 2], [2, 2]]
    assert read_label(tmp_path / "grey.png").tolist() == [[0, 0], [0, 0]]


def test_soft_edges_between_classes_are_fine(tmp_path: Path) -> None:
    label = FLOOD_COLOURS[np.repeat([0, 1, 2], 40)[None].repeat(120, 0)]
    soft = cv2.GaussianBlur(label, (3, 3), 0.8)
    write_image(tmp_path / "soft.png", soft)
    wrong = read_label(tmp_path / "soft.png") != np.repeat([0, 1, 2], 40)
    assert wrong.mean() < 0.02  # a pixel at the edges


@pytest.mark.parametrize("colour", [(0, 255, 0), (255, 255, 255), (255, 0, 255), (255, 255, 0)])
def test_a_colour_of_another_code_is_refused(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    label = FLOOD_COLOURS[np.zeros((64, 64), np.uint8)].copy()
    label[:4, :4] = colour
    write_image(tmp_path / "odd.png", label)
    with pytest.raises(InputError, match=rf"odd\.png: .*red \(cannot\).*RGB \({colour[0]}, {colour[1]}"):
        read_label(tmp_path / "odd.png")


def test_a_blend_is_refused_where_it_is_more_than_an_edge(tmp_path: Path) -> None:
    write_image(tmp_path / "purple.png", np.full((8, 8, 3), (128, 0, 128), np.uint8))
    with pytest.raises(InputError, match=r"RGB \(128, 0, 128\)"):
        read_label(tmp_path / "purple.png")


def test_a_grey_mask_is_no_label(tmp_path: Path) -> None:
    write_image(tmp_path / "mask.png", np.array([[0, 255]], np.uint8))
    with pytest.raises(InputError, match=r"mask\.png: .*grey values up to 255"):
        read_label(tmp_path / "mask.png")


def test_sizes_that_differ_name_both_files(tmp_path: Path) -> None:
    write_image(tmp_path / "p.png", np.zeros((4, 6, 3), np.uint8))
    write_image(tmp_path / "l.png", np.zeros((6, 4, 3), np.uint8))
    with pytest.raises(InputError, match=r"l\.png: expected 6 x 4, as .*p\.png, got 4 x 6"):
        read_pair(Pair(tmp_path / "p.png", tmp_path / "l.png"))


def test_preparation_keeps_the_aspect_and_the_alignment() -> None:
    """A wide photo of a step: the middle square remains, and the label's step lies where the photo's does."""
    step = (np.arange(300) >= 150).astype(np.uint8)[None].repeat(100, 0)
    x, label = Preparation(50)((255 * step)[..., None].repeat(3, 2), step)
    assert x.shape == (1, 3, 50, 50)
    assert label.shape == (1, 1, 50, 50)
    assert (x.min(), x.max()) == (-1, 1)
    np.testing.assert_array_equal((x[0, 0] > 0).numpy(), label[0, 0].numpy() == 1)
    assert label.float().mean() == 0.5


def test_stretching_uses_the_whole_range() -> None:
    photo = np.full((8, 8, 3), 100, np.uint8)
    photo[0] = 50
    label = np.zeros((8, 8), np.uint8)
    assert Preparation(8, stretch=True)(photo, label)[0].unique().tolist() == [-1, 1]
    plain = Preparation(8)(photo, label)[0]
    torch.testing.assert_close(plain.unique(), torch.tensor([50, 100]) / 127.5 - 1)
