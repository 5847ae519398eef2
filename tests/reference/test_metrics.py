"""Metrics against the reference cases."""

import pytest
import torch
from torch import Tensor

from gancomponents.metrics import (
    confusion_matrix,
    edge_coherence,
    f_score_per_class,
    feature_statistics,
    flood_confusion,
    flood_scores,
    frechet_distance,
    iou_per_class,
    mask_iou,
    mean_iou,
    pixel_accuracy,
    trimap_accuracy,
)
from tests.reference.cases import Case, cases

#: Upstream's denominator in the evaluation of masks.
_EPS = 1e-9


@pytest.mark.parametrize("case", cases("eval_metrics"))
def test_metrics(case: Case) -> None:
    inputs = case.inputs()
    label, soft = inputs["label"][None, None], inputs["soft"][None, None]
    hard, water = (soft > 0.5).double(), (label == 1).double()
    found: dict[str, Tensor] = {}

    plain = flood_scores(hard, label)
    for prefix, prediction in (("hard", hard), ("soft", soft)):
        scores = flood_scores(prediction, label, eps=_EPS)
        found |= {f"{prefix}.{name}": value for name, value in scores.items() if name != "f1"}
    found |= {f"mm.{name}": plain[name] for name in ("tpr", "tnr", "precision", "f1")}
    found |= {
        "pred_cannot.fpr": plain["fpr"],
        "missed_must.fnr": plain["fnr"],
        "may.mnr": plain["mnr"],
        "may.mpr": plain["mpr"],
    }

    binary = confusion_matrix(hard.long(), water, 2)  # may counts as dry here
    found |= {
        "edge_coherence": edge_coherence(hard, water, scale=label.shape[-2]),
        "trimap8": trimap_accuracy(hard, water, thickness=8),
        "trimap3": trimap_accuracy(hard, water, thickness=3),
        "iou": mask_iou(hard, water),
        "f1": f_score_per_class(binary.double())[1],
        "get_accuracy": pixel_accuracy(binary.double()),
    }

    logits, classes = inputs["logits"], inputs["logit_label"]
    confusion = confusion_matrix(logits, classes, logits.shape[1]).double()
    first = confusion_matrix(logits[:1], classes[:1, None], logits.shape[1]).double()
    # Of two classes upstream scores the larger that occurs.
    pair = confusion_matrix(inputs["binary_prob"], inputs["binary_label"], 2).double()
    found |= {
        "accuracy_multi": pixel_accuracy(confusion),
        "accuracy_4d_b1": pixel_accuracy(first),
        "mIOU_macro": mean_iou(confusion),
        "mIOU_weighted": mean_iou(confusion, weight=confusion.sum(0)),
        "mIOU_binary": iou_per_class(pair)[int(inputs["binary_label"].max())],
    }

    expected = case.meta["scalars"]
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value.item() == pytest.approx(expected[name], rel=1e-9), name

    tables = torch.cat([flood_confusion(prediction, label) for prediction in (hard, soft)])
    unused = torch.zeros(1, 3, dtype=torch.float64)
    case.compare("output/confusion", torch.cat([tables.mean(0), unused]), 1e-9)
    case.compare("output/confusion_std", torch.cat([tables.std(0, correction=0), unused]), 1e-9)


@pytest.mark.parametrize("case", cases("calculate_frechet_distance"))
def test_frechet_distance(case: Case) -> None:
    inputs, scalars = case.inputs(), case.meta["scalars"]
    first, second = feature_statistics(inputs["a"]), feature_statistics(inputs["b"])
    for index, (mean, covariance) in enumerate((first, second), start=1):
        case.compare(f"output/mu{index}", mean, 1e-9)
        case.compare(f"output/sigma{index}", covariance, 1e-9)
    assert frechet_distance(*first, *second).item() == pytest.approx(scalars["fid"], rel=1e-9)
    # Round-off on both sides: it is small beside the traces that cancel.
    limit = 1e-9 * first[1].trace().item()
    assert frechet_distance(*first, *first).item() == pytest.approx(scalars["fid_self"], abs=limit)
