"""The discriminators of ClimateGAN, one for each thing that is judged."""

from torch import nn

from gancomponents.discriminators import EntropyDiscriminator, MultiScalePatchDiscriminator
from gancomponents.layers import initialise


class Critics(nn.Module):
    """Three critics: of the segmentation's and the mask's entropy (AdvEnt), and of the painted picture.

    Args:
        segmentation: judges entropy maps of the class probabilities (B, 11, h, w).
        mask: judges entropy maps of [water, dry] (B, 2, H, W).
        painter: judges [mask, image] (B, 4, H, W) at several scales, with its features.
        init_gain: gain of the Xavier initialisation of all three, published 0.02;
            spectrally normalised layers keep torch's own, and with None all do.
    """

    def __init__(
        self,
        *,
        segmentation: nn.Module | None = None,
        mask: nn.Module | None = None,
        painter: MultiScalePatchDiscriminator | None = None,
        init_gain: float | None = 0.02,
    ):
        super().__init__()
        self.segmentation = EntropyDiscriminator(11) if segmentation is None else segmentation
        self.mask = EntropyDiscriminator(2) if mask is None else mask
        self.painter = MultiScalePatchDiscriminator(4) if painter is None else painter
        if init_gain is not None:
            initialise(self, "xavier", init_gain, spectral=False)
