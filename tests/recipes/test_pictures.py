"""Pictures: exact values, and grids that can be looked at."""

import numpy as np
import pytest
import torch

from gancomponents.data import COLOURS
from recipes import pictures


def test_images_cover_the_whole_range() -> None:
    x = torch.tensor([-1.0, 0.0, 1.0, 2.0])[None, None].expand(3, 1, 4)
    assert pictures.of_image(x)[0, :, 0].tolist() == [0, 128, 255, 255]


def test_eight_bit_pictures_survive() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    x = torch.from_numpy(levels).permute(2, 0, 1).float() / 127.5 - 1
    np.testing.assert_array_equal(pictures.of_image(x), levels)


def test_masks_and_labels() -> None:
    assert pictures.of_mask(torch.tensor([[[0.0, 0.5, 1.0]]]))[0, :, 2].tolist() == [0, 128, 255]
    np.testing.assert_array_equal(pictures.of_labels(torch.tensor([[9, 6]])), COLOURS["s"][[[9, 6]]])


@pytest.mark.parametrize("constant", [True, False])
def test_near_is_brighter_than_far(constant: bool) -> None:
    d = torch.ones(1, 4, 8) if constant else torch.linspace(0, 1, 32).reshape(1, 4, 8)
    picture = pictures.of_depth(d)
    assert picture.shape == (4, 8, 3)
    assert constant or picture[-1, -1].sum() > picture[0, 0].sum()


@pytest.mark.known_bug(53)
def test_a_grid_has_room_for_titles_and_leaves_gaps_blank() -> None:
    red = np.zeros((20, 40, 3), np.uint8)
    red[..., 0] = 255
    sheet = pictures.grid([[red, None], [None, red]], ["one", "two"], ["first", "second"], cell=50)
    found = (sheet == [255, 0, 0]).all(axis=2)
    assert found.sum() == 2 * 50 * 100
    assert (sheet[:20] != 255).any()  # titles
    assert (sheet[:, :60] != 255).any()
