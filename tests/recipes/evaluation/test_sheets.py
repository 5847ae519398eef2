"""Error maps: a colour for each outcome, where it belongs."""

import numpy as np
import torch

from recipes.evaluation.sheets import OUTCOMES, error_map, sheet
from tests.recipes.evaluation.scenes import LABEL, WATER

_X = torch.zeros(1, 3, 64, 64)
_LABEL = torch.from_numpy(LABEL.astype(np.int64))[None, None]


def _water(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))[None, None]


def test_every_outcome_has_its_colour() -> None:
    water = WATER.copy()
    water[60:] = 1  # where it may be
    grey = np.full((64, 64, 3), 128, np.uint8)
    picture = error_map(grey, _LABEL, _water(water)).astype(int)
    places = {"false water": 30, "hit": 36, "miss": 46, "water where it may be": 62}
    dry = picture[2, 5]
    for name, row in places.items():
        expected = np.round(0.8 * np.array(OUTCOMES[name]) + 0.2 * dry)
        assert abs(picture[row, 5] - expected).max() <= 1
    assert (picture[50, 5] == dry).all()  # may, dry: nothing to say
    assert (picture[:28] == dry).all()


def test_unsure_water_is_faint() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    dry, half, wet = (
        error_map(grey, _LABEL, _water(np.full((64, 64), p)))[5, 5].astype(int) for p in (0, 0.5, 1)
    )
    assert abs(half - (dry + wet) / 2).max() <= 1


def test_a_sheet_has_four_panels_that_are_large_enough_to_read() -> None:
    page = sheet(_X, _LABEL, _water(WATER), "street.png")
    assert page.dtype == np.uint8
    assert page.shape[1] == 8 + 4 * (192 + 8)
    assert page.shape[0] > 192
