"""Scores of flood masks against labels that say where water must, may and cannot be."""

import torch
from torch import Tensor

from gancomponents.layers.precision import full_precision


def flood_scores(
    prediction: Tensor,
    label: Tensor,
    *,
    cannot: int = 0,
    must: int = 1,
    may: int = 2,
    ignore_index: int | None = None,
    eps: float = 0.0,
) -> dict[str, Tensor]:
    """How a mask agrees with a label map of three values, image by image.

    The evaluation of the masker in Schmidt et al. 2022 (ClimateGAN). A probability counts as that much of a
    pixel. What divides by the pixels of a class is NaN in an image without that class, where upstream fails;
    ``mean_over_images`` leaves such images out.

    Args:
        prediction: probability of water in [0, 1], or a mask of zeros and ones.
        label: the value of each pixel's class.
        cannot, must, may: the values of the classes.
        ignore_index: one more value, of pixels that only count in the size of the image; none where None.
        eps: added to the denominators of ``f05`` and, in pixels, of ``precision``; 1e-9 is the published one.

    Returns:
        Tensors by name, all in [0, 1].

        - ``tpr``, ``fnr``: water found and missed, over the pixels that must be flooded.
        - ``tnr``, ``fpr``: kept dry and flooded by mistake, over the pixels that cannot be flooded.
        - ``mpr``, ``mnr``: flooded and kept dry, over the pixels that may be flooded.
        - ``tpt``, ``fnt``, ``tnt``, ``fpt``: the first four over all pixels of the image.
        - ``accuracy`` = tpt + tnt and ``error`` = fpt + fnt; the rest is may.
        - ``accuracy_must_may``: water found and may kept dry, over the pixels of both.
        - ``precision``: of the water predicted where it must or cannot be, the share that must be.
        - ``f1``, ``f05``: F scores of precision and tpr, with beta 1 and 0.5; 0 where no water is found.

    Shape:
        prediction, label: (B, 1, H, W); returns (B,) for each name.

    Raises:
        ValueError: the shapes differ, or two classes have the same value; a prediction outside [0, 1] or a label
            of no class, which are looked for on the host, except in compiled code.

    >>> import torch
    >>> label = torch.tensor([0, 1, 1, 2]).reshape(1, 1, 1, 4)
    >>> scores = flood_scores(torch.tensor([0.0, 1.0, 0.0, 1.0]).reshape(1, 1, 1, 4), label)
    >>> [round(float(scores[name]), 2) for name in ("tpr", "fpr", "mpr", "accuracy", "f1")]
    [0.5, 0.0, 1.0, 0.5, 0.67]
    """
    wet, classes = _wet_and_classes(prediction, label, cannot, must, may, ignore_index)
    dry = 1 - wet

    def count(weights: Tensor) -> Tensor:
        return weights.sum(dim=(1, 2, 3))

    n_cannot, n_must, n_may = (count(of_class) for of_class in classes)
    in_cannot, in_must, in_may = classes
    true_wet, false_wet, may_wet = count(wet * in_must), count(wet * in_cannot), count(wet * in_may)
    true_dry, false_dry, may_dry = count(dry * in_cannot), count(dry * in_must), count(dry * in_may)
    pixels = label.shape[-2] * label.shape[-1]

    recall = true_wet / n_must  # 0 / 0 = NaN is meant, here and below
    precision = true_wet / (true_wet + false_wet + eps)
    # By counts, (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP) is 0 without hits, though P or R may be undefined.
    without_hits = 0 * (n_must + false_wet) / (n_must + false_wet)

    def f_score(beta: float) -> Tensor:
        weight = beta**2
        score = (1 + weight) * precision * recall / (weight * precision + recall + eps)
        return torch.where(true_wet > 0, score, without_hits)

    return {
        "tpr": recall,
        "fnr": false_dry / n_must,
        "tnr": true_dry / n_cannot,
        "fpr": false_wet / n_cannot,
        "mpr": may_wet / n_may,
        "mnr": may_dry / n_may,
        "tpt": true_wet / pixels,
        "fnt": false_dry / pixels,
        "tnt": true_dry / pixels,
        "fpt": false_wet / pixels,
        "accuracy": (true_wet + true_dry) / pixels,
        "error": (false_wet + false_dry) / pixels,
        "accuracy_must_may": (true_wet + may_dry) / (n_must + n_may),
        "precision": precision,
        "f1": f_score(1.0),
        "f05": f_score(0.5),
    }


def flood_confusion(
    prediction: Tensor,
    label: Tensor,
    *,
    cannot: int = 0,
    must: int = 1,
    may: int = 2,
    ignore_index: int | None = None,
) -> Tensor:
    """Share of each class (column: cannot, must, may) called dry (row 0) and flooded (row 1), image by image.

    As in Schmidt et al. 2022 (ClimateGAN), where upstream adds a row of zeros. The published table is the mean
    and the standard deviation over images.

    Args:
        prediction: probability of water in [0, 1], or a mask of zeros and ones.
        label: the value of each pixel's class.
        cannot, must, may: the values of the classes.
        ignore_index: one more value, of pixels that do not count; none where None.

    Shape:
        prediction, label: (B, 1, H, W); returns (B, 2, 3), columns of NaN for classes that are not there.

    Raises:
        ValueError: the shapes differ, or two classes have the same value; a prediction outside [0, 1] or a label
            of no class, which are looked for on the host, except in compiled code.

    >>> import torch
    >>> label = torch.tensor([0, 1, 1, 2]).reshape(1, 1, 1, 4)
    >>> flood_confusion(torch.tensor([0.0, 1.0, 0.0, 1.0]).reshape(1, 1, 1, 4), label).tolist()
    [[[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]]
    """
    scores = flood_scores(prediction, label, cannot=cannot, must=must, may=may, ignore_index=ignore_index)
    rows = [[scores[name] for name in row] for row in (("tnr", "fnr", "mnr"), ("fpr", "tpr", "mpr"))]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def flood_error_maps(
    prediction: Tensor,
    label: Tensor,
    *,
    cannot: int = 0,
    must: int = 1,
    may: int = 2,
    ignore_index: int | None = None,
) -> dict[str, Tensor]:
    """Where a mask goes wrong, as pictures.

    Args:
        prediction: probability of water in [0, 1], or a mask of zeros and ones.
        label: the value of each pixel's class.
        cannot, must, may: the values of the classes.
        ignore_index: one more value, of pixels that do not count; none where None.

    Returns:
        Tensors by name, all in [0, 1].

        - ``pred_cannot``: water where it cannot be; its rate is ``fpr``.
        - ``missed_must``: no water where it must be, ``fnr``.
        - ``may_flood``: water where it may be, ``mpr``.

    Shape:
        prediction, label: (B, 1, H, W); returns (B, 1, H, W) for each name.

    Raises:
        ValueError: the shapes differ, or two classes have the same value; a prediction outside [0, 1] or a label
            of no class, which are looked for on the host, except in compiled code.

    >>> import torch
    >>> label = torch.tensor([0, 1, 1, 2]).reshape(1, 1, 1, 4)
    >>> maps = flood_error_maps(torch.tensor([0.0, 1.0, 0.0, 1.0]).reshape(1, 1, 1, 4), label)
    >>> maps["missed_must"].flatten().tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    wet, (in_cannot, in_must, in_may) = _wet_and_classes(prediction, label, cannot, must, may, ignore_index)
    return {"pred_cannot": wet * in_cannot, "missed_must": (1 - wet) * in_must, "may_flood": wet * in_may}


def _wet_and_classes(
    prediction: Tensor, label: Tensor, cannot: int, must: int, may: int, ignore_index: int | None
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    if prediction.dim() != 4 or prediction.shape != label.shape or prediction.shape[1] != 1:
        raise ValueError(
            f"prediction and label must be the same (B, 1, H, W), got {tuple(prediction.shape)} and "
            f"{tuple(label.shape)}: resize one, or add a dimension"
        )
    if len({cannot, must, may}) < 3:
        raise ValueError(
            f"cannot, must and may must be three values, got {cannot}, {must} and {may}: (0, 1, 2) is usual"
        )
    if not (torch.compiler.is_compiling() or prediction.is_meta):
        _check_values(prediction, label, (cannot, must, may), ignore_index)
    wet = full_precision(prediction)
    in_cannot, in_must, in_may = ((label == value).to(wet.dtype) for value in (cannot, must, may))
    return wet, (in_cannot, in_must, in_may)


def _check_values(
    prediction: Tensor, label: Tensor, classes: tuple[int, int, int], ignore_index: int | None
) -> None:
    """What would give rates outside [0, 1], or NaN without a reason in the image."""
    known = [*classes, *([] if ignore_index is None else [ignore_index])]
    other = torch.stack([label != value for value in known]).all(0)
    if other.any():
        found = [f"{value:g}" for value in label[other].unique()[:3].tolist()]
        raise ValueError(
            f"label must hold {classes[0]} (cannot), {classes[1]} (must) and {classes[2]} (may) alone, got "
            f"{', '.join(found)}: name the file's values by cannot, must, may and ignore_index, or map them"
        )
    if ((prediction < -1e-3) | (prediction > 1 + 1e-3)).any():
        low, high = float(prediction.min()), float(prediction.max())
        raise ValueError(
            f"prediction must be in [0, 1], got values from {low:g} to {high:g}: take the sigmoid of logits"
        )
