import pytest
import torch

from gancomponents import losses
from gancomponents.losses._scores import feature_lists, final_scores


def test_three_forms_of_scores_mean_the_same() -> None:
    scores, feature = torch.randn(2, 1, 4, 4), torch.randn(2, 8, 8, 8)
    loss = losses.HingeLoss()
    expected = loss.generator(scores)
    others: list[losses.Scores] = [[feature, scores], [[feature, scores], [scores]], ([feature, scores],)]
    for other in others:
        assert loss.generator(other) == expected


def test_scales_are_averaged_whatever_their_size() -> None:
    scales = [[torch.full((1, 1, 8, 8), 1.0)], [torch.full((1, 1, 2, 2), 4.0)]]
    assert losses.hinge_generator_loss(scales).item() == -2.5


def test_scores_are_read_in_fp32() -> None:
    assert final_scores(torch.ones(2, dtype=torch.bfloat16))[0].dtype is torch.float32
    assert final_scores(torch.ones(2, dtype=torch.float64))[0].dtype is torch.float64


@pytest.mark.parametrize("scores", [[], [[]], [torch.ones(1), [torch.ones(1)]]])
def test_malformed_scores(scores: list) -> None:
    with pytest.raises(ValueError, match="predictions must be a tensor"):
        feature_lists(scores, "predictions")
