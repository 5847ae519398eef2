"""Conformance cases of `gancomponents.losses`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancomponents import losses
from tests.case import Case, Elsewhere

Inputs = Callable[[int], tuple[Any, ...]]


def _scalar(_batch: int) -> tuple[int, ...]:
    return ()


def _scores(batch: int) -> list[list[Tensor]]:
    """What a discriminator of two scales returns: features, scores last."""
    return [[torch.randn(batch, 3, 7, 5), torch.randn(batch, 1, 5, 3)], [torch.randn(batch, 1, 3, 2)]]


def _features(batch: int) -> list[list[Tensor]]:
    return [
        [torch.randn(batch, 3, 7, 5), torch.randn(batch, 1, 5, 3)],
        [torch.randn(batch, 2, 3, 2), torch.randn(batch, 1, 1, 1)],
    ]


def _one(batch: int) -> tuple[Any, ...]:
    return (_scores(batch),)


def _two(batch: int) -> tuple[Any, ...]:
    return _scores(batch), _scores(batch)


def _both_sides(loss: nn.Module, real: losses.Scores, fake: losses.Scores) -> list[Tensor]:
    return [loss.generator(fake, real), loss.discriminator(real, fake)]


def _game(name: str, make: Callable[[], Any], label: str = "") -> Case:
    return Case(f"losses.{name}", make, _two, lambda b: [(), ()], call=_both_sides, label=label)


def _maps(batch: int) -> tuple[Tensor, Tensor]:
    return torch.rand(batch, 1, 7, 5), torch.rand(batch, 1, 7, 5)


def _depths(batch: int) -> tuple[Tensor, Tensor]:
    return torch.rand(batch, 1, 13, 15), torch.rand(batch, 1, 13, 15)


def _images(batch: int) -> tuple[Tensor, Tensor]:
    return torch.rand(batch, 3, 7, 5) * 2 - 1, torch.rand(batch, 3, 7, 5) * 2 - 1


def _masked_images(batch: int) -> tuple[Tensor, ...]:
    return *_images(batch), (torch.rand(batch, 1, 7, 5) > 0.4).float()


def _pictures(batch: int) -> tuple[Tensor, Tensor]:
    return torch.rand(batch, 3, 33, 35) * 2 - 1, torch.rand(batch, 3, 33, 35) * 2 - 1


def _labels(classes: int) -> Inputs:
    def inputs(batch: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(0, max(classes, 2), (batch, 7, 5))
        labels[:, 0] = -100  # the first row is ignored
        return torch.randn(batch, classes, 7, 5), labels

    return inputs


def _probabilities(batch: int) -> tuple[Tensor]:
    return (torch.randn(batch, 3, 7, 5).softmax(1),)


def _penalised(batch: int) -> tuple[Tensor, ...]:
    """The weights of a smooth critic, and the same samples as real and fake: every point between is known."""
    samples = torch.randn(batch, 3, 5, 4)
    return torch.randn(60, 3) / 8, samples, samples.clone()


def _penalty(penalty: Any, weight: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    return penalty(lambda x: (x.flatten(1) @ weight).tanh(), real, fake)


def _linear_penalty(penalty: Any, weight: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """Of a linear critic, whose slope is the same wherever the random draws fall."""
    return penalty(lambda x: x.flatten(1) @ weight, real, fake)


_COMPILE = {
    "compile": "Dynamo refuses autograd.grad unless its switch trace_autograd_ops is on (test_penalties.py)"
}
_EXPORT = {"export": "torch.export loses a constant where a gradient is taken inside"}


def _penalties(name: str, make: Callable[[], Any]) -> Case:
    return Case(f"losses.{name}", make, _penalised, _scalar, call=_penalty, cannot=_COMPILE | _EXPORT)


def _random_penalties(name: str, make: Callable[[], Any]) -> Case:
    return Case(f"losses.{name}", make, _penalised, _scalar, call=_linear_penalty, cannot=_COMPILE)


def _lecam() -> losses.LeCamLoss:
    loss = losses.LeCamLoss(scales=2)
    loss.update([[torch.ones(2, 1)], [torch.full((2, 1), 0.5)]], [[-torch.ones(2, 1)], [torch.zeros(2, 1)]])
    return loss


def _embeddings(batch: int) -> tuple[Tensor, Tensor]:
    return torch.randn(batch, 5), torch.randn(batch, 5)


CASES: list[Case | Elsewhere] = [
    # adversarial
    Case("losses.bce_loss", lambda: losses.bce_loss, _one, _scalar, call=lambda f, x: f(x, True)),
    Case("losses.bce_generator_loss", lambda: losses.bce_generator_loss, _one, _scalar),
    Case("losses.bce_discriminator_loss", lambda: losses.bce_discriminator_loss, _two, _scalar),
    Case(
        "losses.least_squares_loss",
        lambda: losses.least_squares_loss,
        _one,
        _scalar,
        call=lambda f, x: f(x, False),
    ),
    Case("losses.least_squares_generator_loss", lambda: losses.least_squares_generator_loss, _one, _scalar),
    Case(
        "losses.least_squares_discriminator_loss",
        lambda: losses.least_squares_discriminator_loss,
        _two,
        _scalar,
    ),
    Case("losses.hinge_generator_loss", lambda: losses.hinge_generator_loss, _one, _scalar),
    Case("losses.hinge_discriminator_loss", lambda: losses.hinge_discriminator_loss, _two, _scalar),
    Case("losses.wasserstein_generator_loss", lambda: losses.wasserstein_generator_loss, _one, _scalar),
    Case(
        "losses.wasserstein_discriminator_loss", lambda: losses.wasserstein_discriminator_loss, _two, _scalar
    ),
    Case("losses.relativistic_generator_loss", lambda: losses.relativistic_generator_loss, _two, _scalar),
    Case(
        "losses.relativistic_discriminator_loss",
        lambda: losses.relativistic_discriminator_loss,
        _two,
        _scalar,
    ),
    _game("NonSaturatingLoss", losses.NonSaturatingLoss),
    _game("BCEGANLoss", losses.BCEGANLoss),
    _game(
        "BCEGANLoss",
        lambda: losses.BCEGANLoss(0.2, 0.5, noisy_generator=True, noisy_fake=True, alternating_flips=True),
        "noise-everywhere",
    ),
    _game("LeastSquaresGANLoss", losses.LeastSquaresGANLoss),
    _game("HingeLoss", losses.HingeLoss),
    _game("WassersteinLoss", losses.WassersteinLoss),
    _game("RelativisticLoss", losses.RelativisticLoss),
    Elsewhere("losses.AdversarialLoss", "tests/losses/test_adversarial.py"),
    Elsewhere("losses.Scores", "tests/losses/test_scores.py"),
    # penalties
    _penalties("gradient_penalty", lambda: losses.gradient_penalty),
    _penalties("r1_penalty", lambda: losses.r1_penalty),
    _penalties("r2_penalty", lambda: losses.r2_penalty),
    _random_penalties("dragan_penalty", lambda: losses.dragan_penalty),
    _penalties("GradientPenalty", lambda: losses.GradientPenalty(target=0.1, one_sided=True)),
    _penalties("R1Penalty", losses.R1Penalty),
    _penalties("R2Penalty", losses.R2Penalty),
    _random_penalties("DRAGANPenalty", losses.DRAGANPenalty),
    Elsewhere("losses.Penalty", "tests/losses/test_penalties.py"),
    Elsewhere("losses.clip_weights", "tests/losses/test_clipping.py"),
    Case(
        "losses.lecam_loss",
        lambda: losses.lecam_loss,
        lambda b: (*_two(b), torch.rand(2), torch.tensor(-0.5)),
        _scalar,
    ),
    Case("losses.LeCamLoss", _lecam, _two, _scalar),
    # features and pictures
    Case(
        "losses.feature_matching",
        lambda: losses.feature_matching,
        lambda b: (_features(b), _features(b)),
        _scalar,
    ),
    Case(
        "losses.FeatureMatchingLoss",
        losses.FeatureMatchingLoss,
        lambda b: (_features(b), _features(b)),
        _scalar,
    ),
    Case(
        "losses.vgg_preprocess",
        lambda: losses.vgg_preprocess,
        lambda b: _images(b)[:1],
        lambda b: (b, 3, 7, 5),
    ),
    Case(
        "losses.VGGFeatures",
        lambda: losses.VGGFeatures(width=2),
        lambda b: _pictures(b)[:1],
        lambda b: [(b, 2, 33, 35), (b, 4, 16, 17), (b, 8, 8, 8), (b, 16, 4, 4), (b, 16, 2, 2)],
        tolerance=1e-4,
    ),
    Case("losses.VGGLoss", lambda: losses.VGGLoss(width=2), _pictures, _scalar),
    Case(
        "losses.VGGLoss",
        lambda: losses.VGGLoss(width=2, preprocessing="caffe"),
        _pictures,
        _scalar,
        label="caffe",
        tolerance=1e-4,
    ),
    *(
        Case("losses.LPIPSLoss", lambda net=net: losses.LPIPSLoss(net), _pictures, _scalar, label=net)
        for net in ("alex", "vgg", "squeeze")
    ),
    Case("losses.masked_l1", lambda: losses.masked_l1, _masked_images, _scalar),
    Case("losses.ContextLoss", losses.ContextLoss, _masked_images, _scalar),
    Case("losses.ReconstructionLoss", losses.ReconstructionLoss, _masked_images, _scalar),
    Case(
        "losses.ReconstructionLoss",
        lambda: losses.ReconstructionLoss(over_mask=False),
        _masked_images,
        _scalar,
        label="over-image",
    ),
    # translation
    Case("losses.image_distance", lambda: losses.image_distance, _images, _scalar),
    Case("losses.CycleLoss", losses.CycleLoss, _images, _scalar),
    Case("losses.AutoEncodingLoss", lambda: losses.AutoEncodingLoss(2), _images, _scalar),
    Case("losses.travel_similarity", lambda: losses.travel_similarity, _embeddings, _scalar),
    Case("losses.travel_loss", lambda: losses.travel_loss, _embeddings, _scalar),
    Case("losses.TravelLoss", losses.TravelLoss, _embeddings, _scalar),
    Case("losses.siamese_margin", lambda: losses.siamese_margin, lambda b: _embeddings(b)[:1], _scalar),
    Case("losses.SiameseMarginLoss", losses.SiameseMarginLoss, lambda b: _embeddings(b)[:1], _scalar),
    Case(
        "losses.classifier_loss",
        lambda: losses.classifier_loss,
        lambda b: (torch.randn(b, 4), torch.arange(b)),
        _scalar,
    ),
    *(
        Case(
            "losses.ClassifierLoss",
            lambda kind=kind: losses.ClassifierLoss(kind),
            lambda b: (torch.randn(b, 4), torch.arange(b)),
            lambda b: [(), (), ()],
            call=lambda m, x, domains: [m.classifier(x, domains), m.generator(x), m.generator(x, 3)],
            label=kind,
        )
        for kind in ("cross_entropy", "l1", "l2")
    ),
    # segmentation
    *(
        Case(f"losses.{name}", lambda name=name: getattr(losses, name), _labels(3), _scalar)
        for name in ("segmentation_cross_entropy", "focal_loss", "dice_loss", "lovasz_loss")
    ),
    *(
        Case(
            f"losses.{name}",
            lambda name=name: getattr(losses, name)(class_weights=[1.0, 2.0, 0.5]),
            _labels(3),
            _scalar,
            label="weighted",
        )
        for name in ("SegmentationCrossEntropy", "FocalLoss", "DiceLoss", "LovaszLoss")
    ),
    *(
        Case(f"losses.{name}", getattr(losses, name), _labels(1), _scalar, label="binary")
        for name in ("FocalLoss", "DiceLoss", "LovaszLoss")
    ),
    Case("losses.mask_bce", lambda: losses.mask_bce, _maps, _scalar),
    Case("losses.MaskBCE", losses.MaskBCE, _maps, _scalar),
    # entropy
    Case("losses.entropy_map", lambda: losses.entropy_map, _probabilities, lambda b: (b, 3, 7, 5)),
    Case("losses.min_entropy", lambda: losses.min_entropy, _probabilities, _scalar),
    Case("losses.MinEntropyLoss", lambda: losses.MinEntropyLoss(0.1), _probabilities, _scalar),
    Case(
        "losses.advent_input",
        lambda: losses.advent_input,
        lambda b: (*_probabilities(b), torch.rand(b, 1, 7, 5)),
        lambda b: (b, 3, 7, 5),
    ),
    *(
        Case(
            "losses.advent_loss",
            lambda: losses.advent_loss,
            _one,
            lambda b: [(), ()],
            call=lambda f, x, kind=kind: [f(x, label, kind) for label in (0, 1)],
            label=kind,
        )
        for kind in ("bce", "linear")
    ),
    *(
        Case(
            "losses.AdvEntLoss",
            lambda kind=kind: losses.AdvEntLoss(kind),
            _two,
            lambda b: [(), ()],
            call=lambda m, source, target: [m.generator(target), m.discriminator(source, target)],
            label=kind,
        )
        for kind in ("bce", "linear")
    ),
    # depth, smoothness, ground
    Case(
        "losses.sigm_loss", lambda: losses.sigm_loss, _depths, _scalar, call=lambda f, p, t: f(p, t, scales=3)
    ),
    Case("losses.SIGMLoss", lambda: losses.SIGMLoss(scales=3), _depths, _scalar),
    Case(
        "losses.SIGMLoss",
        lambda: losses.SIGMLoss(scales=3, batch_coupled=True),
        _depths,
        _scalar,
        label="batch-coupled",
    ),
    Case("losses.scale_invariant_loss", lambda: losses.scale_invariant_loss, _maps, _scalar),
    Case("losses.ScaleInvariantLoss", lambda: losses.ScaleInvariantLoss(invariance=0.5), _maps, _scalar),
    Case("losses.reverse_huber_loss", lambda: losses.reverse_huber_loss, _maps, _scalar),
    Case("losses.ReverseHuberLoss", losses.ReverseHuberLoss, _maps, _scalar),
    Case(
        "losses.depth_cross_entropy",
        lambda: losses.depth_cross_entropy,
        lambda b: (torch.randn(b, 4, 7, 5), torch.randint(0, 4, (b, 1, 7, 5))),
        _scalar,
    ),
    Case("losses.DepthCrossEntropy", losses.DepthCrossEntropy, _labels(4), _scalar),
    Case("losses.total_variation", lambda: losses.total_variation, lambda b: _images(b)[:1], _scalar),
    Case("losses.TotalVariationLoss", losses.TotalVariationLoss, lambda b: _images(b)[:1], _scalar),
    Case("losses.ground_intersection", lambda: losses.ground_intersection, _maps, _scalar),
    Case("losses.GroundIntersectionLoss", losses.GroundIntersectionLoss, _maps, _scalar),
    Case(
        "losses.GroundIntersectionLoss",
        lambda: losses.GroundIntersectionLoss(threshold=0.5),
        _maps,
        _scalar,
        label="upstream",
        cannot={"gradients": "a count has no gradient; the default form has one"},
    ),
]
