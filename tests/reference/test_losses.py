"""Losses against the reference cases."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gancomponents import losses
from tests.reference import recipe
from tests.reference.cases import Case, cases

#: Upstream evaluated cross-entropy against constant labels in float32 even in its float64 runs.
IN_FLOAT32 = 1e-6


def check(case: Case, inputs: dict[str, Tensor], values: dict[str, Tensor], tolerance: float = 1e-9) -> None:
    """Compare scalars, and the gradient of their sum with respect to the inputs."""
    for name, value in values.items():
        assert value.item() == pytest.approx(case.meta["scalars64"][name], rel=tolerance), name
    recorded = [key for key in case.tensors if key.startswith("grad64_input/")]
    if recorded:
        torch.stack(list(values.values())).sum().backward()
    for key in recorded:
        gradient = inputs[key.removeprefix("grad64_input/")].grad
        assert gradient is not None, f"no gradient reaches {key}"
        case.compare(key, gradient, tolerance)


def differentiable(case: Case) -> dict[str, Tensor]:
    return {name: x.requires_grad_(x.is_floating_point()) for name, x in case.inputs().items()}


def drawn(config: dict[str, Any], scales: int) -> Tensor:
    """What upstream drew, as our numbers in [0, 1): one shift per scale, and the decision to flip."""
    shift = config.get("soft_shift", 0)
    shifts = [e / shift for e in config["draws"][:scales]] if shift else [0.0] * scales
    flipped = config.get("flipped", config.get("flip_prob", 0) >= 1)
    return torch.tensor([*shifts, 0.0 if flipped else 1.0], dtype=torch.float64)


@pytest.mark.parametrize("case", cases("GANLoss"))
def test_gan_loss(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, config = differentiable(case), case.config
    criterion = losses.least_squares_loss if config["use_lsgan"] else losses.bce_loss
    monkeypatch.setattr(torch, "rand", lambda count, **_kwargs: drawn(config, count - 1))

    def loss(scores: losses.Scores) -> Tensor:
        return criterion(
            scores,
            config["target_is_real"],
            label_smoothing=config.get("soft_shift", 0),
            flip_probability=config.get("flip_prob", 0),
            alternating_flips=True,
        )

    maps = [inputs[name] for name in sorted(inputs)]
    named = {
        "tensor": lambda: loss(maps[0]),
        "list": lambda: loss([[p] for p in maps]),
        "nested": lambda: loss([[3 * i * p, p] for i, p in enumerate(maps)]),
        "loss": lambda: loss([[p] for p in maps]),
    }
    values = {name: named[name]() for name in case.meta["scalars64"]}
    check(case, inputs, values, 1e-9 if config["use_lsgan"] else IN_FLOAT32)


@pytest.mark.parametrize("case", cases("HingeLoss"))
def test_hinge_loss(case: Case) -> None:
    inputs = differentiable(case)
    scales = [[inputs["p0"]], [inputs["p1"]]]
    right = [
        torch.full((1,), 2.0, dtype=torch.float64)
    ]  # scores that cost nothing as real, or negated as fake
    values = {
        "D_real": losses.hinge_discriminator_loss(scales, [-right[0]]),
        "D_fake": losses.hinge_discriminator_loss(right, scales),
        "G": losses.hinge_generator_loss(scales),
        "G_tensor": losses.hinge_generator_loss(inputs["p0"]),
    }
    check(case, inputs, values)


@pytest.mark.parametrize("case", cases("FeatMatchLoss"))
def test_feature_matching(case: Case) -> None:
    inputs = differentiable(case)
    real, fake = ([[inputs[f"{who}{s}{i}"] for i in range(3)] for s in range(2)] for who in "rf")
    check(case, inputs, {"loss": losses.feature_matching(real, fake)})


@pytest.mark.parametrize("case", cases("TVLoss"))
def test_total_variation(case: Case) -> None:
    inputs = differentiable(case)
    check(case, inputs, {"loss": case.config["weight"] * losses.total_variation(inputs["x"])})


@pytest.mark.parametrize("case", cases("prob_2_entropy"))
def test_entropy_map(case: Case) -> None:
    inputs = differentiable(case)
    entropy = losses.entropy_map(inputs["p"])
    case.compare("output64/e", entropy, 1e-9)
    entropy.sum().backward()
    assert inputs["p"].grad is not None
    case.compare("grad64_input/p", inputs["p"].grad, 1e-9)


@pytest.mark.parametrize("case", cases("MinentLoss"))
def test_min_entropy(case: Case) -> None:
    inputs, config = differentiable(case), case.config
    weight = config["lambda_var"] if config["version"] == 2 else 0.0
    check(case, inputs, {"loss": losses.min_entropy(inputs["p"], weight)})


def critic_scores(case: Case, x: Tensor) -> Tensor:
    """The scores of upstream's AdvEnt discriminator: five strided convolutions, maybe normalised."""
    config, made = case.config, case.config["weights"]
    width = config["ndf"]
    widths = [config["num_classes"], width, 2 * width, 4 * width, 8 * width, 1]
    spectral = config["use_norm"]

    def entry(key: str, *shape: int) -> Tensor:
        return torch.from_numpy(
            recipe.weight(key, shape, made["seed"], gain=made["gain"], prefix="")
        ).double()

    for index, (before, after) in enumerate(pairwise(widths)):
        layer = f"{2 * index}.module" if spectral else f"{2 * index}"
        weight = entry(f"{layer}.weight_bar" if spectral else f"{layer}.weight", after, before, 4, 4)
        if spectral:
            matrix, u = weight.flatten(1), entry(f"{layer}.weight_u", after)
            v = functional.normalize(matrix.T @ u, dim=0)
            weight = weight / torch.linalg.vector_norm(matrix @ v)
        x = functional.leaky_relu(x, 0.2) if index else x
        x = functional.conv2d(x, weight, entry(f"{layer}.bias", after), stride=2, padding=1)
    return x


@pytest.mark.parametrize("case", cases("ADVENTAdversarialLoss"))
def test_advent(case: Case) -> None:
    inputs, config = differentiable(case), case.config
    scores = critic_scores(case, losses.advent_input(inputs["p"], inputs.get("depth")))
    kind = "bce" if config["gan_type"] == "GAN" else "linear"
    value = losses.advent_loss(scores, config["target"], kind)
    check(case, inputs, {"loss": value}, IN_FLOAT32 if kind == "bce" else 1e-9)


@pytest.mark.parametrize("case", cases("SIGMLoss"))
def test_sigm(case: Case) -> None:
    inputs, config = differentiable(case), case.config
    value = losses.sigm_loss(
        inputs["pred"],
        inputs["target"],
        gradient_weight=config["gmweight"],
        scales=config["scale"],
        batch_coupled=True,
    )
    check(case, inputs, {"loss": value})


@pytest.mark.parametrize("case", cases("SIMSELoss"))
def test_scale_invariant(case: Case) -> None:
    inputs = differentiable(case)
    check(case, inputs, {"loss": losses.scale_invariant_loss(inputs["pred"], inputs["target"])})


@pytest.mark.parametrize("case", cases("DADADepthLoss"))
def test_reverse_huber(case: Case) -> None:
    inputs = differentiable(case)
    check(case, inputs, {"loss": losses.reverse_huber_loss(inputs["pred"], inputs["target"])})


@pytest.mark.parametrize("case", cases("GroundIntersectionLoss"))
def test_ground_intersection(case: Case) -> None:
    inputs = case.inputs()
    check(case, inputs, {"loss": losses.ground_intersection(inputs["pred"], inputs["target"], threshold=0.5)})


@pytest.mark.parametrize("case", cases("ContextLoss+ReconstructionLoss"))
def test_context_and_reconstruction(case: Case) -> None:
    inputs = differentiable(case)
    images = inputs["a"], inputs["b"], inputs["m"]
    values = {
        "context": losses.ContextLoss(over_mask=False)(*images),
        "reconstruction": losses.ReconstructionLoss(over_mask=False)(*images),
    }
    check(case, inputs, values)


@pytest.mark.parametrize("case", cases("CrossEntropy/MSE/L1"))
def test_cross_entropy_and_distances(case: Case) -> None:
    inputs = differentiable(case)
    a, b = inputs["a"], inputs["b"]
    values = {
        "ce": losses.segmentation_cross_entropy(inputs["logits"], inputs["label"]),
        "mse": losses.image_distance(a, b, norm=2),
        "l1": losses.image_distance(a, b),
    }
    check(case, inputs, values)


@pytest.mark.parametrize("case", cases("TravelLoss"))
def test_travel(case: Case) -> None:
    inputs = differentiable(case)
    real, fake = inputs["real"], inputs["fake"]
    expected = case.meta["scalars64"]
    intended = losses.travel_similarity(real, fake)
    assert intended.item() == pytest.approx(expected["intended_rowwise"], rel=1e-9)
    pairs = len(real) * (len(real) - 1) / 2
    assert losses.travel_loss(real, fake).item() == pytest.approx(1 - intended.item() / pairs, rel=1e-9)
    # The recorded gradient is that of upstream's value alone.
    check(case, inputs, {"upstream": losses.travel_similarity(real, fake, transposed=True)})


@pytest.mark.parametrize("case", cases("vgg_preprocess"))
def test_vgg_preprocess(case: Case) -> None:
    case.compare("output/y", losses.vgg_preprocess(case.inputs()["x"], "caffe"), 1e-6)


@pytest.mark.parametrize("case", cases("VGGLoss"))
def test_vgg(case: Case) -> None:
    inputs = differentiable(case)
    loss = losses.VGGLoss(preprocessing="caffe").double()
    made = case.config["weights"]
    state = {}
    for name, own in loss.features.named_buffers():
        _, index, kind = name.split(".")  # layers.<torchvision's index>.<weight or bias>
        part = 1 + sum(int(index) >= first for first in (2, 7, 12, 21))
        key = f"slice{part}.{index}.{kind}"
        value = recipe.weight(key, tuple(own.shape), made["seed"], gain=made["gain"], prefix="")
        state[f"features.{index}.{kind}"] = torch.from_numpy(value)
    loss.features.load_weights(state)
    fake, real = inputs["fake"] * inputs["m"], inputs["real"] * inputs["m"]
    for level, feature in enumerate(loss.features(fake.detach())):
        norm = feature.square().sum().sqrt().item()
        assert norm == pytest.approx(case.meta["scalars64"][f"feat{level}_l2"], rel=1e-9)
    check(case, inputs, {"loss": loss(fake, real)})
