"""ClimateGAN as the composite cases configure it: model, critics and objectives with a case's weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gancomponents.discriminators import (
    EntropyDiscriminator,
    LocalGlobalDiscriminator,
    MultiScalePatchDiscriminator,
)
from gancomponents.layers import InstanceNorm
from gancomponents.losses import (
    AdvEntLoss,
    BCEGANLoss,
    ContextLoss,
    GroundIntersectionLoss,
    ReconstructionLoss,
    SIGMLoss,
    VGGLoss,
)
from recipes.climategan import (
    ClimateGAN,
    CriticObjective,
    Critics,
    GeneratorObjective,
    Masker,
    MaskerLosses,
    PainterLosses,
)
from recipes.upstream import keys
from recipes.upstream.systems import critic_slots, model_slots
from tests.reference import recipe
from tests.reference.cases import Case
from tests.reference.test_decoders import (
    make_dada_decoder,
    make_mask_decoder,
    make_segmentation_decoder,
    make_spade_mask_decoder,
)
from tests.reference.test_encoders import make_encoder
from tests.reference.test_networks import make_painter

#: Our name of a term, without part, from upstream's.
TERMS = {
    "task.d.s": "masker/d/depth/s",
    "task.d.r": "masker/d/depth/r",
    "task.s.crossent.s": "masker/s/cross_entropy/s",
    "task.s.crossent_pseudo.r": "masker/s/pseudo_cross_entropy/r",
    "task.s.minent.r": "masker/s/min_entropy/r",
    "task.s.advent.r": "masker/s/advent/r",
    "task.m.tv.s": "masker/m/tv/s",
    "task.m.tv.r": "masker/m/tv/r",
    "task.m.bce.s": "masker/m/bce/s",
    "task.m.gi.r": "masker/m/ground_intersection/r",
    "task.m.pl4m.r": "masker/m/painter/r",
    "task.m.minent.r": "masker/m/min_entropy/r",
    "task.m.advent.r": "masker/m/advent/r",
    "p.vgg": "painter/p/vgg/rf",
    "p.tv": "painter/p/tv/rf",
    "p.context": "painter/p/context/rf",
    "p.reconstruction": "painter/p/reconstruction/rf",
    "p.gan": "painter/p/gan/rf",
    "p.featmatch": "painter/p/feature_matching/rf",
}
CRITIC_TERMS = {
    "m.Advent": "critic/m/advent/s+r",
    "s.Advent": "critic/s/advent/s+r",
    "p.gan": "critic/p/gan/rf",
    "p.global": "critic/p/global/rf",
    "p.local": "critic/p/local/rf",
}
_WEIGHTS = {"s.crossent_pseudo": "s/pseudo_cross_entropy", "m.pl4m": "m/painter"}


@dataclass(frozen=True)
class ReferenceSystem:
    """Objectives in float64, and where upstream's parameters of G and D live in each."""

    generator: GeneratorObjective
    critic: CriticObjective
    generator_slots: keys.Slots
    critic_slots: keys.Slots


def make_model(case: Case) -> ClimateGAN:
    """The model that a case configures."""
    config, tasks = {**case.config}, case.config["tasks"]
    painter = None
    if "p" in tasks:
        painter = make_painter({k.removeprefix("gen.p."): v for k, v in config.items()})
    masker = _masker(config, case) if "m" in tasks else None
    return ClimateGAN(masker, painter, paste_original=config.get("gen.p.paste_original_content", True))


def make_system(case: Case) -> ReferenceSystem:
    """Build the objectives of a case and give them its weights."""
    config = {**case.config}
    model, critics = make_model(case), _critics(config, config["tasks"])
    generator = GeneratorObjective(
        model,
        critics,
        masker=_masker_losses(config) if model.masker else None,
        painter=_painter_losses(config, case) if model.painter else None,
    )
    critic = CriticObjective(
        critics,
        advent=AdvEntLoss("bce"),
        adversarial=BCEGANLoss(label_smoothing=0.0, flip_probability=0.0),
    )
    generator.double()
    critic.double()
    generator_slots = _below("model", model_slots(model))
    critics_slots = _below("critics", critic_slots(critics))
    _fill(case, generator, generator_slots, "G/")
    _fill(case, critic, critics_slots, "D/")
    return ReferenceSystem(generator, critic, generator_slots, critics_slots)


def batch_of(case: Case, offset: int = 0) -> dict[str, dict[str, Tensor]]:
    """The case's batch, in its order of domains, from seeds moved by ``offset``."""
    recipes = case.meta["batch_recipe"]
    batch: dict[str, dict[str, Tensor]] = {domain: {} for domain in case.meta["domain_order"]}
    for name, entry in recipes.items():
        domain, field = name.split(".")
        value = torch.from_numpy(recipe.tensor({**entry, "seed": entry["seed"] + offset}, entry["shape"]))
        if field == "m":
            value = (value > 0.5).double()
        value = value[:, 0].long() if field == "s" else value.double()
        batch[domain][field] = value
    return batch


def _masker(config: dict[str, Any], case: Case) -> Masker:
    conditioned = config.get("gen.m.use_spade", False)
    encoder, _ = make_encoder(config)
    segmentation, _ = make_segmentation_decoder(config)
    mask, _ = (make_spade_mask_decoder if conditioned else make_mask_decoder)(config)
    return Masker(
        encoder,
        depth=lambda _: make_dada_decoder(config),
        segmentation=lambda _: segmentation,
        mask=lambda _: mask,
        target_stride=case.meta["size"] // case.meta["target_size_ds"],
        fuse_segmentation=config.get("gen.s.use_dada", True),
        fuse_mask=config.get("gen.m.use_dada", False),
        init_gain=None,
    )


def _critics(config: Mapping[str, Any], tasks: list[str]) -> Critics:
    parts: dict[str, nn.Module] = {}
    if "m" in tasks:
        for name, task, channels in (("mask", "m", 2), ("segmentation", "s", 11)):
            spectral = config.get(f"dis.{task}.gan_type", "WGAN_norm") == "WGAN_norm"
            parts[name] = EntropyDiscriminator(channels, spectral=spectral)
    if "p" in tasks:
        patch = partial(
            MultiScalePatchDiscriminator,
            scales=config["dis.p.num_D"],
            width=config["dis.p.ndf"],
            layers=config["dis.p.n_layers"],
            norm=InstanceNorm,
            bias=True,
        )
        pair = config.get("dis.p.use_local_discriminator")
        parts["painter"] = (
            LocalGlobalDiscriminator(3, discriminator=patch, together=False) if pair else patch(4)
        )
    return Critics(**parts, init_gain=None)


def _masker_losses(config: Mapping[str, Any]) -> MaskerLosses:
    linear = config.get("dis.m.gan_type", "WGAN_norm") == "WGAN_norm"
    return MaskerLosses(
        weights=_weights(config, ("s", "m", "d")),
        depth=SIGMLoss(batch_coupled=True),
        advent=AdvEntLoss("linear" if linear else "bce"),
        ground=GroundIntersectionLoss(threshold=0.5),
    )


def _painter_losses(config: Mapping[str, Any], case: Case) -> PainterLosses:
    perceptual = VGGLoss(preprocessing="caffe").double()
    state = {}
    for name, own in perceptual.features.named_buffers():
        _, index, kind = name.split(".")  # layers.<torchvision's index>.<weight or bias>
        part = 1 + sum(int(index) >= first for first in (2, 7, 12, 21))
        seed, key = case.meta["weights"]["seed"], f"slice{part}.{index}.{kind}"
        value = recipe.weight(key, tuple(own.shape), seed, gain=1.4, prefix="vgg/")
        state[f"features.{index}.{kind}"] = torch.from_numpy(value)
    perceptual.features.load_weights(state)
    return PainterLosses(
        weights=_weights(config, ("p",)),
        adversarial=BCEGANLoss(label_smoothing=0.0, flip_probability=0.0),
        perceptual=perceptual,
        context=ContextLoss(over_mask=False),
        reconstruction=ReconstructionLoss(over_mask=False),
    )


def _weights(config: Mapping[str, Any], tasks: tuple[str, ...]) -> dict[str, float]:
    prefix = "train.lambdas.G."
    found = {}
    for name, value in config.items():
        if name.startswith(prefix) and name.removeprefix(prefix).split(".")[0] in tasks:
            upstream = name.removeprefix(prefix)
            found[_WEIGHTS.get(upstream, upstream.replace(".", "/"))] = value
    return found


def _below(name: str, parts: Mapping[str, keys.Slots]) -> keys.Slots:
    """The slots of all parts of a network that an objective has by this name."""
    found = {key: slot for slots in parts.values() for key, slot in slots.items()}
    return {key: keys.Slot(f"{name}.{slot.key}", slot.half) for key, slot in found.items()}


def _fill(case: Case, objective: nn.Module, slots: keys.Slots, prefix: str) -> None:
    state = objective.state_dict()
    seed, gain = case.meta["weights"]["seed"], case.meta["weights"]["gain"]
    for key, slot in slots.items():
        target = slot.read(state)
        with torch.no_grad():
            target.copy_(
                torch.from_numpy(recipe.weight(key, tuple(target.shape), seed, gain=gain, prefix=prefix))
            )
