import pytest
import torch

from gancomponents.metrics import align_inverse_depth, aligned_abs_rel


def test_alignment_is_least_squares() -> None:
    prediction, target = torch.rand(2, 1, 1, 9, 9, dtype=torch.float64)
    valid = (torch.rand(1, 1, 9, 9) > 0.3).double()
    counted = valid.flatten() > 0
    columns = torch.stack([prediction.flatten(), torch.ones(81, dtype=torch.float64)], 1)
    fit = torch.linalg.lstsq(columns[counted], target.flatten()[counted, None]).solution
    expected = (columns @ fit).reshape(1, 1, 9, 9)
    torch.testing.assert_close(align_inverse_depth(prediction, target, valid), expected)


def test_scale_shift_and_sky_do_not_matter() -> None:
    depth = torch.rand(2, 1, 16, 16, dtype=torch.float64) * 60 + 1
    depth[:, :, :4] = 1000.0  # sky
    prediction = 0.3 / depth - 4
    prediction[:, :, :4] = 17.0  # nonsense there
    assert aligned_abs_rel(prediction, 1 / depth) < 1e-9


def test_constant_prediction_is_the_mean_inverse_depth() -> None:
    depth = torch.tensor([2.0, 4.0]).reshape(1, 1, 1, 2)
    guess = 1 / 0.375
    expected = ((guess - 2) / 2 + (4 - guess) / 4) / 2
    assert aligned_abs_rel(torch.ones(1, 1, 1, 2), 1 / depth).item() == pytest.approx(expected, rel=1e-6)


def test_depths_are_clamped() -> None:
    depth = torch.tensor([1.0, 2.0, 40.0, 79.0]).reshape(1, 1, 1, 4)
    prediction = torch.tensor([0.0, 1.0, 5.0, -3.0]).reshape(1, 1, 1, 4)  # aligned far below 1/80 in places
    assert 0 < aligned_abs_rel(prediction, 1 / depth) < 80
    assert aligned_abs_rel(prediction, 1 / depth, max_depth=100.0).isfinite()


def test_each_image_counts_the_same_and_empty_ones_not_at_all() -> None:
    depth = torch.rand(3, 1, 8, 8) * 60 + 1
    prediction = torch.rand(3, 1, 8, 8)
    valid = torch.ones(3, 1, 8, 8)
    valid[1, :, :7] = 0
    valid[2] = 0
    single = [
        aligned_abs_rel(prediction[i : i + 1], 1 / depth[i : i + 1], valid=valid[i : i + 1]) for i in range(3)
    ]
    assert single[2].isnan()
    torch.testing.assert_close(
        aligned_abs_rel(prediction, 1 / depth, valid=valid), (single[0] + single[1]) / 2
    )


def test_bad_arguments() -> None:
    x = torch.rand(1, 1, 4, 4)
    with pytest.raises(ValueError, match="resize one"):
        aligned_abs_rel(x, x[..., :3])
    with pytest.raises(ValueError, match="min_depth must be"):
        aligned_abs_rel(x, x, min_depth=90.0)
