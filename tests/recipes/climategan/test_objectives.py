"""The objectives: every term under its name with its weight, gradients only where they belong."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gancomponents.data import DiffAugment
from gancomponents.decoders import DADADepthDecoder, DeepLabV3PlusDecoder, MaskDecoder
from gancomponents.discriminators import (
    EntropyDiscriminator,
    LocalGlobalDiscriminator,
    MultiScalePatchDiscriminator,
)
from gancomponents.encoders import DeepLabV3ResNet
from gancomponents.generators import SPADEPainter
from gancomponents.losses import GradientPenalty, VGGLoss
from recipes.climategan import (
    ClimateGAN,
    CriticObjective,
    Critics,
    GeneratorObjective,
    Masker,
    MaskerLosses,
    PainterLosses,
)
from recipes.climategan.masker_losses import MASKER_WEIGHTS
from recipes.climategan.objectives import CRITIC_WEIGHTS
from recipes.climategan.painter_losses import PAINTER_WEIGHTS

SIDE = 64


def _masker(**options: bool) -> Masker:
    return Masker(
        DeepLabV3ResNet(width=4, blocks=(1, 1, 1, 1), multi_grid=(1,)),
        depth=lambda c: DADADepthDecoder(c, hidden_channels=8, bottleneck_channels=8, head_channels=4),
        segmentation=lambda c: DeepLabV3PlusDecoder(c, aspp_channels=8, low_channels=4, channels=8),
        mask=lambda c: MaskDecoder(c, proj_channels=8, residual_blocks=1),
        target_stride=2,
        **options,
    )


@pytest.fixture
def model() -> ClimateGAN:
    return ClimateGAN(_masker(), SPADEPainter(8, upsamplings=3, hidden_channels=4))


@pytest.fixture
def critics() -> Critics:
    return Critics(
        segmentation=EntropyDiscriminator(11, width=4),
        mask=EntropyDiscriminator(2, width=4),
        painter=MultiScalePatchDiscriminator(4, scales=2, width=4, layers=2),
    )


def _painter(**weights: float) -> PainterLosses:
    return PainterLosses(weights=weights, perceptual=VGGLoss(width=4))


def _batch() -> dict[str, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    x = {d: torch.rand(2, 3, SIDE, SIDE, generator=generator) * 2 - 1 for d in ("s", "r", "rf")}
    m = (torch.rand(2, 1, SIDE, SIDE, generator=generator) > 0.5).float()
    s = torch.randint(0, 11, (2, SIDE // 2, SIDE // 2), generator=generator)
    d = torch.rand(2, 1, SIDE // 2, SIDE // 2, generator=generator)
    return {
        "s": {"x": x["s"], "s": s, "d": d, "m": m},
        "r": {"x": x["r"], "m": m},
        "rf": {"x": x["rf"], "m": m},
    }


def test_the_published_weights() -> None:
    assert MASKER_WEIGHTS == {
        "d/depth": 1,
        "s/cross_entropy": 1,
        "s/pseudo_cross_entropy": 0.001,
        "s/min_entropy": 0.001,
        "s/advent": 0.001,
        "m/bce": 1,
        "m/tv": 1,
        "m/ground_intersection": 0.05,
        "m/min_entropy": 0.5,
        "m/advent": 1,
        "m/painter": 1,
    }
    off = {"p/tv": 0, "p/context": 0, "p/reconstruction": 0}
    assert {"p/gan": 1, "p/vgg": 10, "p/feature_matching": 10, **off} == PAINTER_WEIGHTS
    games = {"s/advent": 1, "m/advent": 1, "p/gan": 1, "p/global": 1, "p/local": 1}
    assert {**games, "s/penalty": 10, "m/penalty": 10} == CRITIC_WEIGHTS


def test_a_weight_scales_its_term_and_nothing_else(model: ClimateGAN, critics: Critics) -> None:
    batch = _batch()
    plain = GeneratorObjective(model, critics, painter=_painter()).eval()
    double = GeneratorObjective(
        model, critics, masker=MaskerLosses(weights={"m/bce": 2.0}), painter=_painter(**{"p/vgg": 5.0})
    ).eval()
    critics.eval()
    before, after = plain(batch, {})[0], double(batch, {})[0]
    assert before.keys() == after.keys()
    for name in before:
        factor = {"masker/m/bce/s": 2.0, "painter/p/vgg/rf": 0.5}.get(name, 1.0)
        torch.testing.assert_close(after[name], before[name] * factor)


def test_terms_equal_their_formulas(model: ClimateGAN, critics: Critics) -> None:
    batch = _batch()
    objective = GeneratorObjective(model, critics, painter=_painter()).eval()
    critics.eval()
    losses, _ = objective(batch, {})
    seen = model(batch["s"]["x"])
    torch.testing.assert_close(
        losses["masker/m/bce/s"], F.binary_cross_entropy(seen.mask.sigmoid(), batch["s"]["m"])
    )
    torch.testing.assert_close(
        losses["masker/s/cross_entropy/s"], F.cross_entropy(seen.segmentation, batch["s"]["s"])
    )
    seen = model(batch["r"]["x"])
    p = seen.segmentation.softmax(1)
    entropy = -(p * p.clamp(min=1e-30).log2()).sum() / torch.tensor(11.0).log2()
    torch.testing.assert_close(losses["masker/s/min_entropy/r"], 0.001 * entropy / p[:, 0].numel())
    # AdvEnt: r should look like the source, label 0, with entropy weighted by depth (DADA).
    weighted = -p * p.clamp(min=1e-30).log2() / torch.tensor(11.0).log2() * seen.depth
    scores = critics.segmentation(weighted)
    expected = F.binary_cross_entropy_with_logits(scores, torch.zeros_like(scores))
    torch.testing.assert_close(losses["masker/s/advent/r"], 0.001 * expected)


@pytest.mark.parametrize("name", sorted(MASKER_WEIGHTS))
def test_a_term_of_weight_zero_is_not_computed(model: ClimateGAN, critics: Critics, name: str) -> None:
    objective = GeneratorObjective(
        model, critics, masker=MaskerLosses(weights={name: 0.0}), painter=_painter()
    )
    losses, _ = objective(_batch(), {})
    assert not [key for key in losses if key.startswith(f"masker/{name}/")]


def test_the_painter_without_perceptual_loss_needs_no_vgg() -> None:
    assert PainterLosses(weights={"p/vgg": 0.0}).perceptual is None


def test_unknown_and_negative_weights() -> None:
    with pytest.raises(ValueError, match="did you mean 'm/tv'"):
        MaskerLosses(weights={"m/tvv": 1.0})
    with pytest.raises(ValueError, match=">= 0"):
        MaskerLosses(weights={"m/tv": -1.0})


def test_every_trained_parameter_gets_a_finite_gradient(model: ClimateGAN, critics: Critics) -> None:
    objective = GeneratorObjective(model, critics, painter=_painter())
    critics.requires_grad_(False)
    losses, outputs = objective(_batch(), {})
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    critics.requires_grad_(True)
    found, _ = CriticObjective(critics)(_batch(), outputs)
    sum(found.values()).backward()
    for name, parameter in critics.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_the_objective_owns_the_model_and_only_borrows_the_critics(
    model: ClimateGAN, critics: Critics
) -> None:
    objective = GeneratorObjective(model, critics, painter=_painter())
    assert set(map(id, objective.parameters())) == set(map(id, model.parameters()))


def test_what_is_shared_carries_no_graph(model: ClimateGAN, critics: Critics) -> None:
    _, outputs = GeneratorObjective(model, critics, painter=_painter())(_batch(), {})
    shared = [outputs["rf"], *(outputs[d][t] for d in ("s", "r") for t in ("s", "m"))]
    assert not any(tensor.requires_grad for tensor in shared)


def test_domains_may_be_missing(model: ClimateGAN, critics: Critics) -> None:
    objective = GeneratorObjective(model, critics, painter=_painter())
    for domain in ("s", "r", "rf"):
        losses, outputs = objective({domain: _batch()[domain]}, {})
        assert losses
        assert {name.rsplit("/", 1)[1] for name in losses} == {domain}
        found, _ = CriticObjective(critics)({domain: _batch()[domain]}, outputs)
        adapting = {f"critic/{task}/advent/{domain}" for task in "sm"}
        assert set(found) == ({"critic/p/gan/rf"} if domain == "rf" else adapting)


def test_the_painter_leaves_the_dry_street_alone(model: ClimateGAN) -> None:
    x, m = _batch()["rf"]["x"], _batch()["rf"]["m"]
    painted = model.paint(x, m)
    assert torch.equal(painted * (1 - m), x * (1 - m))
    raw = ClimateGAN(model.masker, model.painter, paste_original=False).eval().paint(x, m)
    assert not torch.equal(raw * (1 - m), x * (1 - m))


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (72, 56)])
@pytest.mark.parametrize("options", [{}, {"fuse_mask": True}, {"fuse_segmentation": False}])
def test_predictions_have_their_sizes(size: tuple[int, int], options: dict[str, bool]) -> None:
    seen = _masker(**options).eval()(torch.rand(1, 3, *size))
    half = tuple(-(-side // 2) for side in size)
    assert seen.depth.shape == (1, 1, *half)
    assert seen.segmentation.shape == (1, 11, *half)
    assert seen.mask.shape == (1, 1, *size)


def test_fusing_the_mask_weighs_its_entropy_by_depth(critics: Critics) -> None:
    batch = {"r": _batch()["r"]}
    model = ClimateGAN(_masker(fuse_mask=True), SPADEPainter(8, upsamplings=3, hidden_channels=4)).eval()
    plain = GeneratorObjective(model, critics, painter=_painter()).eval()(batch, {})[1]["r"]["m"]
    seen = model(batch["r"]["x"])
    p = torch.cat([seen.mask.sigmoid(), 1 - seen.mask.sigmoid()], 1)
    depth = F.interpolate(seen.depth, p.shape[-2:], mode="nearest")
    torch.testing.assert_close(plain, (-p * p.clamp(min=1e-30).log2() * depth).detach())


@pytest.mark.known_bug(20)
@pytest.mark.known_bug(22)
def test_a_weight_counts_once(model: ClimateGAN, critics: Critics) -> None:
    batch = _batch()
    objective = GeneratorObjective(model, critics, painter=_painter()).eval()
    halved = GeneratorObjective(model, critics, painter=_painter(**{"p/gan": 0.5})).eval()
    critics.eval()
    losses, shared = objective(batch, {})
    name = "painter/p/gan/rf"
    torch.testing.assert_close(halved(batch, {})[0][name], 0.5 * losses[name])
    plain = CriticObjective(critics).eval()(batch, shared)[0]
    triple = CriticObjective(critics, weights=dict.fromkeys(CRITIC_WEIGHTS, 3.0)).eval()(batch, shared)[0]
    for name, value in plain.items():
        torch.testing.assert_close(triple[name], 3 * value)


@pytest.mark.known_bug(30)
def test_the_critics_step_does_not_run_the_generator(model: ClimateGAN, critics: Critics) -> None:
    _, shared = GeneratorObjective(model, critics, painter=_painter())(_batch(), {})
    before = {key: value.clone() for key, value in model.state_dict().items()}
    losses, _ = CriticObjective(critics)(_batch(), shared)
    sum(losses.values()).backward()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.known_bug(55)
def test_judging_in_evaluation_moves_no_network(model: ClimateGAN, critics: Critics) -> None:
    objective = GeneratorObjective(model, critics, painter=_painter()).eval()
    critics.eval()
    state = {**model.state_dict(), **{f"critics.{k}": v for k, v in critics.state_dict().items()}}
    before = {key: value.clone() for key, value in state.items()}
    with torch.no_grad():
        objective(_batch(), {})
    after = {**model.state_dict(), **{f"critics.{k}": v for k, v in critics.state_dict().items()}}
    assert all(torch.equal(value, before[key]) for key, value in after.items())


@pytest.mark.known_bug(32)
def test_the_painter_stands_still_while_its_critic_judges_the_mask(
    model: ClimateGAN, critics: Critics
) -> None:
    objective = GeneratorObjective(model, critics, painter=_painter())
    frozen = model.painter.to_image.bias.requires_grad_(False)
    objective.on = frozenset({"painter_for_masker"})
    losses, _ = objective({"r": _batch()["r"]}, {})
    losses["masker/m/painter/r"].backward()
    assert all(p.grad is None for p in model.painter.parameters())
    assert model.masker.encoder.conv1.weight.grad.abs().sum() > 0
    trained = [p.requires_grad for p in model.painter.parameters() if p is not frozen]
    assert all(trained)
    assert not frozen.requires_grad


def test_what_is_presented_is_what_the_generator_step_shares(model: ClimateGAN, critics: Critics) -> None:
    objective = GeneratorObjective(model, critics, painter=_painter()).eval()
    shared, presented = objective(_batch(), {})[1], objective.present(_batch())
    torch.testing.assert_close(shared, presented)
    assert not presented["rf"].requires_grad


def test_a_pair_of_critics_has_a_term_each(model: ClimateGAN, critics: Critics) -> None:
    patch = partial(MultiScalePatchDiscriminator, scales=1, width=4, layers=2)
    critics.painter = LocalGlobalDiscriminator(3, discriminator=patch)
    losses, shared = GeneratorObjective(model, critics, painter=_painter())(_batch(), {})
    assert "painter/p/gan/rf" in losses
    judged, _ = CriticObjective(critics)(_batch(), shared)
    assert {"critic/p/global/rf", "critic/p/local/rf"} <= set(judged)
    assert "critic/p/gan/rf" not in judged


def test_critics_may_be_clipped_or_penalised(model: ClimateGAN, critics: Critics) -> None:
    critics.mask = EntropyDiscriminator(2, width=4, spectral=False)
    shared = GeneratorObjective(model, critics, painter=_painter())(_batch(), {})[1]
    objective = CriticObjective(critics, penalty=GradientPenalty(), clip=0.01)
    losses, _ = objective(_batch(), shared)
    source, target = shared["s"]["m"], shared["r"]["m"]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = 10 * GradientPenalty()(critics.mask, source, target)
        torch.manual_seed(0)
        again = 10 * GradientPenalty()(critics.mask, source, target)
    torch.testing.assert_close(expected, again)
    assert losses["critic/m/penalty/s+r"] > 0
    objective.constrain()
    assert all(p.abs().max() <= 0.01 for p in critics.mask.parameters())
    assert max(p.abs().max() for p in critics.painter.parameters()) > 0.01


def test_an_augmented_critic_sees_mask_and_pictures_moved_alike(model: ClimateGAN, critics: Critics) -> None:
    seen = []
    critics.painter.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    shift = DiffAugment(colour=False, translation=0.5, cutout=0.0)
    batch = _batch()
    batch["rf"]["x"] = 2 * batch["rf"]["m"].expand(-1, 3, -1, -1) - 1  # the picture shows its mask
    shared = {"rf": batch["rf"]["x"].clone()}
    torch.manual_seed(0)
    CriticObjective(critics, augment=shift)(batch, shared)
    mask, picture = seen[0][:, :1], seen[0][:, 1:2]
    inside = picture != 0  # translation fills with zeros
    torch.testing.assert_close(picture[inside], (2 * mask - 1)[inside])
    assert (picture == 0).any()


def test_labels_of_some_samples_are_compared_with_their_predictions_alone(
    model: ClimateGAN, critics: Critics
) -> None:
    objective = GeneratorObjective(model, critics, painter=_painter()).eval()
    whole = _batch()["s"]
    second = {task: value[1:] for task, value in whole.items()}
    partial = {
        "x": whole["x"],
        **{k: second[k] for k in "sdm"},
        **{f"{k}_rows": torch.tensor([1]) for k in "sdm"},
    }
    found, expected = (objective({"s": data}, {})[0] for data in (partial, second))
    for name in ("masker/d/depth/s", "masker/s/cross_entropy/s", "masker/m/bce/s"):
        torch.testing.assert_close(found[name], expected[name])


def test_a_domain_alone_still_teaches_the_adapting_critics(model: ClimateGAN, critics: Critics) -> None:
    batch = _batch()
    shared = GeneratorObjective(model, critics, painter=_painter())(batch, {})[1]
    objective = CriticObjective(critics)
    alone = [objective({d: batch[d]}, {d: shared[d]})[0][f"critic/m/advent/{d}"] for d in ("s", "r")]
    both = objective(batch, shared)[0]["critic/m/advent/s+r"]
    torch.testing.assert_close(alone[0] + alone[1], both, rtol=0.05, atol=0.05)  # a spectral norm moves
