"""How far the painted floods are, as a set, from real ones: FID and KID."""

import logging
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from gancomponents.metrics import FeatureSet, ImageFeatures, fid, inception, kid
from gancomponents.training import Runtime

_logger = logging.getLogger("gancomponents")

#: Pictures and the masks to paint under, in batches.
Dry = Iterable[tuple[Tensor, Tensor]]


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
        self._real: FeatureSet | None = None

    def __call__(
        self, paint: Callable[[Tensor, Tensor], Tensor], dry: Dry, floods: Iterable[Tensor], runtime: Runtime
    ) -> dict[str, float]:
        """The scores ``fid`` and ``kid`` of what ``paint(x, m)`` makes of dry pictures, lower is better; or none.

        Floods are looked at the first time alone.
        """
        features = self._prepared()
        if features is None:
            return {}
        painted = (
            paint(x.to(runtime.device), m.to(runtime.device)).float().clamp(-1, 1).cpu() for x, m in dry
        )
        with torch.random.fork_rng(devices=[]):
            if self._real is None:
                self._real = features(floods, source="real floods")
            fake = features(painted, source="painted floods")
            if min(len(self._real.values), len(fake.values)) < 2:
                return {}
            return {"fid": fid(self._real, fake).value, "kid": kid(self._real, fake).value}

    def _prepared(self) -> ImageFeatures | None:
        if self._features is None and not self._failed:
            try:
                self._features = self._make()
            except (RuntimeError, OSError, ModuleNotFoundError) as error:
                self._failed = True
                _logger.warning("FID and KID are left out: %s", error)
        return self._features
