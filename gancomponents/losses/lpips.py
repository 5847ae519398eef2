"""Learned perceptual distance (LPIPS), by the lpips package."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision
from gancomponents.losses._pretrained import say_once, short_timeout, state_from_file

Trunk = Literal["alex", "vgg", "squeeze"]

#: The name of each trunk in torchvision, and the smallest image that it takes.
_MODELS = {"alex": ("alexnet", 31), "vgg": ("vgg16", 16), "squeeze": ("squeezenet1_1", 17)}


class LPIPSLoss(nn.Module):
    """Perceptual distance with learned weights of the channels, LPIPS 0.1.

    Zhang et al. 2018, Eq. (1), by the lpips package, which is imported here and brings the learned weights
    but not the trunk's. The real half runs without a graph, and dropout stays off in training mode (the
    package would drop half of the channels). All weights are buffers outside the state dict: no optimiser
    sees them and no checkpoint carries them.

    Args:
        net: the trunk: "alex" (the authors' metric), "vgg" (their loss) or "squeeze".
        weights: of the trunk: None for random ones, "imagenet" for torchvision's, fetched once and, where
            that fails, replaced by random ones with a line in the log; or a .safetensors or .pth file with
            torchvision's keys of alexnet, vgg16 or squeezenet1_1.
        seed: of the random weights, which do not depend on the global generator and leave it alone.

    Shape:
        fake, real: the same (B, 3, H, W) in [-1, 1], H and W at least 31 (alex), 16 (vgg) or 17 (squeeze);
            returns a scalar, the mean over the batch.

    Raises:
        ValueError: an unknown trunk, shapes that differ or are too small.
        InputError: the file is missing or holds other weights.

    >>> import torch
    >>> loss, x = LPIPSLoss("squeeze"), torch.rand(1, 3, 33, 40)
    >>> float(loss(x, x)), bool(loss(x, -x) > 0), len(loss.state_dict())
    (0.0, True, 0)
    """

    def __init__(
        self,
        net: Trunk = "alex",
        weights: str | os.PathLike[str] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if net not in get_args(Trunk):
            raise ValueError(f"net must be one of {get_args(Trunk)}, got {net!r}: 'vgg' suits as a loss")
        self.net: Trunk = net
        distance = _random_distance(net, seed)
        if weights is None:
            say_once("LPIPS uses a random trunk: no pretrained weights were asked for.")
        elif weights == "imagenet":
            _load_imagenet(distance, net)
        else:
            keys = dict(_trunk_keys(distance))
            shapes = {theirs: distance.net.state_dict()[ours].shape for theirs, ours in keys.items()}
            _load_trunk(distance, state_from_file(Path(weights), _MODELS[net][0], shapes))
        _freeze(distance)
        self.distance = distance.eval()

    def train(self, mode: bool = True) -> "LPIPSLoss":
        """As of any Module, but the distance stays as it is: its dropout serves its own training alone."""
        super().train(mode)
        self.distance.eval()
        return self

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        smallest = _MODELS[self.net][1]
        if fake.dim() != 4 or fake.shape[1] != 3 or min(fake.shape[2:]) < smallest:
            raise ValueError(
                f"fake must be (B, 3, H, W) with H, W >= {smallest}, got {tuple(fake.shape)}: enlarge the image"
            )
        if fake.shape != real.shape:
            raise ValueError(
                f"real must have the shape of fake, got {tuple(real.shape)} and {tuple(fake.shape)}: resize "
                "one"
            )
        with torch.no_grad():
            real_features = self._features(real)
        terms = [
            head((f - r).square()).mean()
            for head, f, r in zip(self.distance.lins, self._features(fake), real_features, strict=True)
        ]
        return full_precision(torch.stack(terms)).sum()

    def _features(self, x: Tensor) -> list[Tensor]:
        """The trunk's features, each pixel's of unit length."""
        features = self.distance.net(self.distance.scaling_layer(x))
        return [_unit_length(full_precision(f)) for f in features]

    def extra_repr(self) -> str:
        return f"net={self.net!r}"


def _unit_length(features: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    some = length > 0  # where nothing fires there is no direction, and no gradient
    return torch.where(some, features / torch.where(some, length, torch.ones_like(length)), 0)


def _random_distance(net: Trunk, seed: int) -> Any:
    import lpips

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it names torchvision's weights the old way
        torch.default_generator.manual_seed(seed)
        return lpips.LPIPS(net=net, pnet_rand=True, verbose=False)


def _trunk_keys(distance: Any) -> Iterator[tuple[str, str]]:
    """Torchvision's key of each entry of the trunk, and the package's: slice1.0.weight is features.0.weight."""
    for ours in distance.net.state_dict():
        yield f"features.{ours.split('.', 1)[1]}", ours


def _load_trunk(distance: Any, state: dict[str, Tensor]) -> None:
    distance.net.load_state_dict({ours: state[theirs] for theirs, ours in _trunk_keys(distance)})


def _load_imagenet(distance: Any, net: Trunk) -> None:
    from torchvision import models

    try:
        with short_timeout():
            state = models.get_model_weights(_MODELS[net][0])["DEFAULT"].get_state_dict(
                progress=False, check_hash=True
            )
    except (OSError, RuntimeError) as error:
        say_once(
            f"LPIPS uses a random trunk: the ImageNet weights could not be had ({error}). Pass a file with "
            "them as weights=PATH."
        )
        return
    _load_trunk(distance, dict(state))


def _freeze(distance: nn.Module) -> None:
    """Make all weights buffers that stay out of the state dict."""
    device = torch.get_default_device()  # the package makes some on the CPU whatever the default
    for module in distance.modules():
        for name, value in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            delattr(module, name)
            module.register_buffer(name, value.detach().to(device), persistent=False)
