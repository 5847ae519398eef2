"""Conformance cases of `gancomponents.metrics`."""

import torch
from torch import Tensor

from gancomponents import metrics
from tests.case import Case, Elsewhere

_COUNTS = {"gradients": "it counts hard decisions"}
_ORDERS = {"xla": "it sorts and searches on the host"}
_LOOKS = {"xla": "it looks for values outside their range on the host, and says so"}
_ON_THE_HOST = "OpenCV draws the lines on the host"


def _images(batch: int) -> tuple[Tensor, Tensor, Tensor]:
    a, b = torch.rand(2, batch, 3, 13, 15) * 2 - 1
    return a, b, _mask(batch, 13, 15)


def _mask(batch: int, height: int = 7, width: int = 9) -> Tensor:
    mask = torch.zeros(batch, 1, height, width)
    mask[..., 2:-2, 1:6] = 1
    return mask


def _values_and_mask(batch: int) -> tuple[Tensor, Tensor]:
    return torch.rand(batch, 1, 7, 9), _mask(batch)


def _depths(batch: int) -> tuple[Tensor, Tensor]:
    return torch.rand(batch, 1, 7, 9), torch.rand(batch, 1, 7, 9) / 2 + 0.1


def _flood(batch: int) -> tuple[Tensor, Tensor]:
    return torch.rand(batch, 1, 7, 9), torch.arange(63).reshape(1, 1, 7, 9).expand(batch, -1, -1, -1) % 3


def _confusion(batch: int) -> tuple[Tensor]:
    return (torch.rand(4, 4) + 0.1,)


def _gaussians(batch: int) -> tuple[Tensor, ...]:
    roots = torch.randn(2, 5, 4)
    cov1, cov2 = roots.mT @ roots + torch.eye(4)
    return torch.randn(4), cov1, torch.randn(4), cov2


def _scores(batch: int) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    # One scale with a feature before its scores, and one without.
    real, fake = torch.randn(2, batch, 1, 5, 4), torch.randn(2, batch, 1, 3, 3)
    return [[torch.randn(batch, 2, 5, 4), real[0]], [fake[0]]], [
        [torch.randn(batch, 2, 5, 4), real[1]],
        [fake[1]],
    ]


def _l1_map(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean(1, keepdim=True)


_FLOOD_NAMES = (
    *("tpr", "fnr", "tnr", "fpr", "mpr", "mnr", "tpt", "fnt", "tnt", "fpt"),
    *("accuracy", "error", "accuracy_must_may", "precision", "f1", "f05"),
)


def _case(name: str, inputs: object, shapes: object, **options: object) -> Case:
    """A function of that name."""
    function = getattr(metrics, name)
    return Case(f"metrics.{name}", lambda: function, inputs, shapes, **options)  # type: ignore[arg-type]


CASES: list[Case | Elsewhere] = [
    _case("align_inverse_depth", lambda b: (*_depths(b), _mask(b)), lambda b: (b, 1, 7, 9)),
    _case("aligned_abs_rel", _depths, lambda b: ()),
    _case(
        "aligned_abs_rel",
        lambda b: (*_depths(b), _mask(b)),
        lambda b: (),
        call=lambda f, prediction, target, valid: f(prediction, target, valid=valid, max_depth=9.0),
        label="valid",
    ),
    _case(
        "confusion_matrix",
        lambda b: (torch.randn(b, 4, 7, 9), torch.randint(0, 4, (b, 7, 9))),
        lambda b: (4, 4),
        call=lambda f, logits, target: f(logits, target, 4),
        label="logits",
        cannot=_COUNTS,
    ),
    _case(
        "confusion_matrix",
        lambda b: (torch.randint(0, 4, (b, 1, 7, 9)), torch.randint(0, 4, (b, 1, 7, 9))),
        lambda b: (4, 4),
        call=lambda f, labels, target: f(labels, target, 4),
        label="labels",
        cannot=_COUNTS,
    ),
    _case("discriminator_auc", _scores, lambda b: (), cannot=_COUNTS | _ORDERS),
    _case("discriminator_overlap", _scores, lambda b: (), cannot=_COUNTS),
    _case(
        "edge_coherence", lambda b: (_mask(b).roll(1, -1), _mask(b)), lambda b: (b,), cannot=_COUNTS | _ORDERS
    ),
    _case("f_score_per_class", _confusion, lambda b: (4,)),
    _case("feature_statistics", lambda b: (torch.randn(6 * b, 4),), lambda b: [(4,), (4, 4)]),
    _case("flood_confusion", _flood, lambda b: (b, 2, 3), cannot=_LOOKS),
    _case(
        "flood_error_maps",
        _flood,
        lambda b: dict.fromkeys(("pred_cannot", "missed_must", "may_flood"), (b, 1, 7, 9)),
        cannot=_LOOKS,
    ),
    _case("flood_scores", _flood, lambda b: dict.fromkeys(_FLOOD_NAMES, (b,)), cannot=_LOOKS),
    _case("frechet_distance", _gaussians, lambda b: ()),
    _case("iou_per_class", _confusion, lambda b: (4,)),
    _case("l1_in_mask", _images, lambda b: ()),
    _case("lpips_in_mask", _images, lambda b: (), call=lambda f, a, b, mask: f(_l1_map, a, b, mask)),
    _case("mask_iou", _values_and_mask, lambda b: (), cannot=_COUNTS),
    _case("masked_mean", _values_and_mask, lambda b: ()),
    _case("mean_iou", _confusion, lambda b: (), label="macro"),
    _case(
        "mean_iou",
        _confusion,
        lambda b: (),
        call=lambda f, confusion: f(confusion, weight=confusion.sum(0)),
        label="weighted",
    ),
    _case("mean_over_images", lambda b: (torch.rand(b),), lambda b: ()),
    _case("pixel_accuracy", _confusion, lambda b: ()),
    _case("psnr_in_mask", _images, lambda b: ()),
    _case(
        "sample_diversity",
        lambda b: (torch.rand(b, 3, 5, 7), torch.rand(b + 1, 3, 5, 7)),
        lambda b: (),
    ),
    _case(
        "ssim_in_mask",
        _images,
        lambda b: (),
        cannot={"meta_device": "kornia names the device to autocast, which knows no meta device"},
    ),
    _case(
        "trimap_accuracy",
        lambda b: (*_values_and_mask(b), _mask(b).roll(2, -1)),
        lambda b: (b,),
        call=lambda f, prediction, target, valid: f(prediction, target, valid=valid, thickness=3),
        cannot=dict.fromkeys(("meta_device", "compile", "export"), _ON_THE_HOST),
    ),
    Elsewhere("metrics.Accumulator", "tests/metrics/test_accumulator.py"),
    Elsewhere("metrics.FeatureSet", "tests/metrics/test_distribution.py"),
    Elsewhere("metrics.HEALTHY_RANGES", "tests/metrics/test_health.py"),
    Elsewhere("metrics.HealthRange", "tests/metrics/test_health.py"),
    Elsewhere("metrics.ImageFeatures", "tests/metrics/test_distribution.py"),
    Elsewhere("metrics.SetDistance", "tests/metrics/test_distribution.py"),
    Elsewhere("metrics.fid", "tests/metrics/test_distribution.py"),
    Elsewhere("metrics.gradient_norm_ratio", "tests/metrics/test_health.py"),
    Elsewhere("metrics.health", "tests/metrics/test_health.py"),
    Elsewhere("metrics.inception", "tests/metrics/test_distribution.py"),
    Elsewhere("metrics.kid", "tests/metrics/test_distribution.py"),
    Elsewhere("metrics.load_lpips", "tests/metrics/test_image.py"),
]
