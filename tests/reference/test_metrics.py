"""Metrics against the reference cases."""

import pytest

from gancomponents.metrics import confusion_matrix, mask_iou, mean_iou, pixel_accuracy
from tests.reference.cases import Case, cases


@pytest.mark.parametrize("case", cases("eval_metrics"))
def test_metrics(case: Case) -> None:
    inputs, scalars = case.inputs(), case.meta["scalars"]
    confusion = confusion_matrix(inputs["logits"], inputs["logit_label"], inputs["logits"].shape[1])
    assert mean_iou(confusion).item() == pytest.approx(scalars["mIOU_macro"], rel=1e-6)
    assert pixel_accuracy(confusion).item() == pytest.approx(scalars["accuracy_multi"], rel=1e-6)
    must = (inputs["label"] == 1).double()
    assert mask_iou(inputs["soft"], must).item() == pytest.approx(scalars["iou"], rel=1e-6)
