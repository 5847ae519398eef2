"""How far the painted floods are, as a set, from real ones: FID and KID."""

import logging
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from gancomponents.metrics import ImageFeatures, fid, inception, kid
from gancomponents.training import Runtime

_logger = logging.getLogger("gancomponents")

#: Dry pictures, the masks to paint under, and the truly flooded pictures.
Triples = Iterable[tuple[Tensor, Tensor, Tensor]]


class PaintedDistances:
    """FID (Heusel et al. 2017) and KID (Bińkowski et al. 2018) between painted and real floods.

    Upstream paints under the images themselves instead of their masks, and shows Inception the wrong range.

    Args:
        features: makes the network that describes a picture, the first time that it is needed;
            `gancomponents.metrics.inception`, with weights from the web, where None. Where they cannot be had,
            a message says so once, and there are no such scores.
    """

    def __init__(self, features: Callable[[], ImageFeatures] | None = None):
        self._make = features or inception
        self._features: ImageFeatures | None = None
        self._failed = False

    def __call__(
        self, paint: Callable[[Tensor, Tensor], Tensor], frames: Triples, runtime: Runtime
    ) -> dict[str, float]:
        """The scores ``fid`` and ``kid`` of what ``paint(x, m)`` makes of the frames, lower is better; or none."""
        features = self._prepared()
        if features is None:
            return {}
        painted, real = [], []
        for dry, mask, wet in frames:
            x, m = (t.to(runtime.device) for t in (dry, mask))
            painted.append(paint(x, m).float().clamp(-1, 1).cpu())
            real.append(wet)
        if sum(map(len, real)) < 2:
            return {}
        with torch.random.fork_rng(devices=[]):
            sets = [
                features(batches, source=name) for name, batches in (("real", real), ("painted", painted))
            ]
            return {"fid": fid(*sets).value, "kid": kid(*sets).value}

    def _prepared(self) -> ImageFeatures | None:
        if self._features is None and not self._failed:
            try:
                self._features = self._make()
            except (RuntimeError, OSError, ModuleNotFoundError) as error:
                self._failed = True
                _logger.warning("FID and KID are left out: %s", error)
        return self._features
