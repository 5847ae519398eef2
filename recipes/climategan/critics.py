"""The discriminators of ClimateGAN, one for each thing that is judged."""

from torch import nn

from gancomponents.discriminators import EntropyDiscriminator, MultiScalePatchDiscriminator


class Critics(nn.Module):
    """Three critics: of the segmentation's and the mask's entropy (AdvEnt), and of the painted picture.

    Args:
        segmentation: judges entropy maps of the class probabilities (B, 11, h, w).
        mask: judges entropy maps of [water, dry] (B, 2, H, W).
        painter: judges [mask, image] (B, 4, H, W) at several scales, with its features.
    """

    def __init__(
        self,
        *,
        segmentation: nn.Module | None = None,
        mask: nn.Module | None = None,
        painter: MultiScalePatchDiscriminator | None = None,
    ):
        super().__init__()
        self.segmentation = EntropyDiscriminator(11) if segmentation is None else segmentation
        self.mask = EntropyDiscriminator(2) if mask is None else mask
        self.painter = MultiScalePatchDiscriminator(4) if painter is None else painter
