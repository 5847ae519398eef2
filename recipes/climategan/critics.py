"""The discriminators of ClimateGAN, one for each thing that is judged."""

from typing import Any

import torch
from torch import Tensor, nn

from gancomponents.discriminators import LocalGlobalDiscriminator
from gancomponents.layers import initialise

#: What a critic says of real and of painted pictures.
Verdict = tuple[Any, Any]


class Critics(nn.Module):
    """Up to three critics: of the segmentation's and the mask's entropy (AdvEnt), and of the painted picture.

    Args:
        segmentation: judges entropy maps of the class probabilities (B, 11, h, w); None where that game is off.
        mask: judges entropy maps of [water, dry] (B, 2, H, W); or None.
        painter: judges [mask, image] (B, 4, H, W) at several scales, with its features
            (`gancomponents.discriminators.MultiScalePatchDiscriminator`); or a
            `gancomponents.discriminators.LocalGlobalDiscriminator` of images (B, 3, H, W); or None.
        init_gain: gain of the Xavier initialisation of all three, published 0.02;
            spectrally normalised layers keep torch's own, and with None all do.
    """

    def __init__(
        self,
        *,
        segmentation: nn.Module | None = None,
        mask: nn.Module | None = None,
        painter: nn.Module | None = None,
        init_gain: float | None = 0.02,
    ):
        super().__init__()
        self.segmentation = segmentation
        self.mask = mask
        self.painter = painter
        if init_gain is not None:
            initialise(self, "xavier", init_gain, spectral=False)

    def judge_painting(self, x: Tensor, fake: Tensor, mask: Tensor) -> dict[str, Verdict]:
        """Verdicts on real (B, 3, H, W) and painted pictures under a mask (B, 1, H, W), by the name of their term.

        One, ``gan``, of a critic of pictures beside their mask; two, ``global`` and ``local``, of a pair.
        """
        if self.painter is None:
            raise ValueError("painter must be there to judge paintings, got None: bind a critic")
        if isinstance(self.painter, LocalGlobalDiscriminator):
            real, painted = self.painter.compare(x, fake, mask)
            return dict(zip(("global", "local"), zip(real, painted, strict=True), strict=True))
        # torch types a module's attribute as a module.
        compare = self.painter.compare
        return {"gan": compare(torch.cat([mask, x], 1), torch.cat([mask, fake], 1))}  # type: ignore[operator]
