import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gancomponents.metrics import flood_confusion, flood_error_maps, flood_scores, mean_over_images


def masks(values: list[float]) -> Tensor:
    return torch.tensor(values).reshape(1, 1, 1, -1)


#            cannot ---------  must ---------------------  may -
LABEL = masks([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2])
#              1 wet           8 wet                        wet
PREDICTION = masks([1.0, 0, 0, 0, 0, *[1] * 8, 0, 0, 1])


def test_by_hand() -> None:
    expected = {
        "tpr": 0.8,
        "fnr": 0.2,
        "tnr": 0.8,
        "fpr": 0.2,
        "mpr": 1.0,
        "mnr": 0.0,
        "tpt": 8 / 16,
        "fnt": 2 / 16,
        "tnt": 4 / 16,
        "fpt": 1 / 16,
        "accuracy": 12 / 16,
        "error": 3 / 16,
        "accuracy_must_may": 8 / 11,
        "precision": 8 / 9,
        "f1": 16 / (16 + 2 + 1),
        "f05": 1.25 * 8 / (1.25 * 8 + 0.25 * 2 + 1),
    }
    scores = flood_scores(PREDICTION, LABEL)
    assert {name: value.item() for name, value in scores.items()} == pytest.approx(expected, rel=1e-6)
    (table,) = flood_confusion(PREDICTION, LABEL)
    torch.testing.assert_close(table, torch.tensor([[0.8, 0.2, 0.0], [0.2, 0.8, 1.0]]))


def test_perfect_and_worst() -> None:
    label = torch.randint(0, 3, (3, 1, 9, 7))
    water = (label == 1).float()
    best, worst = flood_scores(water, label), flood_scores(1 - water, label)
    for name in ("tpr", "tnr", "precision", "f1", "f05", "accuracy_must_may"):
        torch.testing.assert_close(best[name], torch.ones(3))
        torch.testing.assert_close(worst[name], torch.zeros(3))
    torch.testing.assert_close(best["error"], torch.zeros(3))
    torch.testing.assert_close(worst["accuracy"], torch.zeros(3))


def test_columns_of_the_confusion_sum_to_one() -> None:
    prediction, label = torch.rand(4, 1, 9, 7), torch.randint(0, 3, (4, 1, 9, 7))
    table = flood_confusion(prediction, label)
    torch.testing.assert_close(table.sum(1), torch.ones(4, 3))
    for single in range(4):
        one = slice(single, single + 1)
        torch.testing.assert_close(table[one], flood_confusion(prediction[one], label[one]))


def test_values_of_the_classes_are_free() -> None:
    prediction, label = torch.rand(2, 1, 9, 7), torch.randint(0, 3, (2, 1, 9, 7))
    values = {"cannot": 7, "must": 0, "may": 1}
    renamed = torch.tensor([7, 0, 1])[label]
    for function in (flood_scores, flood_error_maps):
        plain, other = function(prediction, label), function(prediction, renamed, **values)
        assert all(torch.equal(plain[name], other[name]) for name in plain)
    assert torch.equal(flood_confusion(prediction, label), flood_confusion(prediction, renamed, **values))


def test_ignored_pixels_do_not_count() -> None:
    prediction, label = torch.rand(1, 1, 9, 7), torch.randint(0, 3, (1, 1, 9, 7))
    wider = flood_scores(
        torch.cat([prediction, torch.rand(1, 1, 9, 7)], -1),
        torch.cat([label, torch.full_like(label, 255)], -1),
        ignore_index=255,
    )
    narrow = flood_scores(prediction, label)
    for name in ("tpr", "fpr", "mpr", "precision", "f05", "accuracy_must_may"):
        torch.testing.assert_close(wider[name], narrow[name])
    torch.testing.assert_close(2 * wider["tpt"], narrow["tpt"])


@pytest.mark.known_bug(50)
@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_class_that_is_absent_is_undefined_and_no_error(absent: int) -> None:
    label = torch.randint(0, 3, (2, 1, 9, 7))
    label[1] = torch.where(label[1] == absent, (absent + 1) % 3, label[1])
    prediction = torch.rand(2, 1, 9, 7).round()
    scores = flood_scores(prediction, label)
    undefined = {0: {"tnr", "fpr"}, 1: {"tpr", "fnr"}, 2: {"mpr", "mnr"}}[absent]
    assert {name for name, value in scores.items() if value[1].isnan()} == undefined
    assert not any(value[0].isnan() for value in scores.values())
    for value in scores.values():
        torch.testing.assert_close(
            mean_over_images(value), value[0] if value[1].isnan() else value.mean(), equal_nan=False
        )
    assert flood_confusion(prediction, label)[1].isnan().sum() == 2


@pytest.mark.known_bug(50)
def test_f_scores_without_hits() -> None:
    nothing, all_must, all_cannot = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    missed = flood_scores(nothing, all_must)
    assert missed["f1"] == missed["f05"] == 0
    assert missed["precision"].isnan()
    assert flood_scores(1 - nothing, all_cannot)["f05"] == 0
    assert flood_scores(nothing, all_cannot)["f05"].isnan()
    assert flood_scores(nothing, all_must, eps=1e-9)["precision"] == 0


def test_error_maps_are_the_numerators_of_the_rates() -> None:
    prediction, label = torch.rand(2, 1, 9, 7), torch.randint(0, 3, (2, 1, 9, 7))
    maps, scores = flood_error_maps(prediction, label), flood_scores(prediction, label)
    for name, rate, value in (("pred_cannot", "fpr", 0), ("missed_must", "fnr", 1), ("may_flood", "mpr", 2)):
        of_class = label == value
        assert (maps[name][~of_class] == 0).all()
        torch.testing.assert_close(maps[name].sum((1, 2, 3)) / of_class.sum((1, 2, 3)), scores[rate])


def test_bad_arguments() -> None:
    for function in (flood_scores, flood_confusion, flood_error_maps):
        with pytest.raises(ValueError, match="prediction and label must be the same"):
            function(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))
        with pytest.raises(ValueError, match="prediction and label must be the same"):
            function(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4))
        with pytest.raises(ValueError, match="must be three values, got 0, 1 and 1"):
            function(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), may=1)


@pytest.mark.parametrize("function", [flood_scores, flood_confusion, flood_error_maps])
def test_values_that_mean_nothing(function: Callable[..., object]) -> None:
    label = torch.tensor([0, 127, 254, 127]).reshape(1, 1, 2, 2)
    water = torch.tensor([0.0, 1.0, 0.5, 1.0]).reshape(1, 1, 2, 2)
    with pytest.raises(ValueError, match=r"label must hold 0 \(cannot\), 1 .* alone, got 127, 254: name the"):
        function(water, label)
    with pytest.raises(ValueError, match=r"must hold 0 \(cannot\), 127 \(must\) and 2 .* got 254"):
        function(water, label.byte(), must=127)
    with pytest.raises(ValueError, match=r"got 254"):
        function(water, label.float(), must=127, ignore_index=255)
    function(water, label, must=127, may=254)
    function(water, label, must=127, ignore_index=254)
    for logits in (4 * water - 2, 4 * water):
        with pytest.raises(
            ValueError, match=r"prediction must be in \[0, 1\], got values from .*: take the sigm"
        ):
            function(logits, label, must=127, may=254)
    with pytest.raises(ValueError, match=r"got values from -2 to 2:"):
        function(4 * water - 2, label, must=127, may=254)


def test_means_of_all_scores() -> None:
    prediction, label = torch.rand(3, 1, 9, 7), torch.randint(0, 3, (3, 1, 9, 7))
    label[1] = label[1].clamp_max(1)  # one image without may
    scores = flood_scores(prediction, label)
    means = mean_over_images(scores)
    assert list(means) == list(scores)
    for name, value in scores.items():
        assert torch.equal(means[name], mean_over_images(value))
    assert not means["mpr"].isnan()


def test_soft_predictions_count_in_parts() -> None:
    half = flood_scores(torch.full_like(PREDICTION, 0.5), LABEL)
    assert all(half[name].item() == 0.5 for name in ("tpr", "fnr", "tnr", "fpr", "mpr", "mnr"))
    assert math.isclose(half["precision"].item(), 10 / 15, rel_tol=1e-6)
