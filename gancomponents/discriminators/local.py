"""A pair of discriminators for painting: one for the whole image, one for what was painted."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from gancomponents.discriminators.pairs import compared
from gancomponents.discriminators.patch import MultiScalePatchDiscriminator
from gancomponents.layers.checks import check_positive


class LocalGlobalDiscriminator(nn.Module):
    """Two independent discriminators: ``whole`` sees the image, ``local`` only the masked region.

    Iizuka et al. 2017, "Globally and Locally Consistent Image Completion", section 3.3. Deviations, as in
    ClimateGAN (Schmidt et al. 2022): the local one sees the whole canvas, zero outside the mask, in place of a
    crop around it, and the two results stay apart, so that each has a loss of its own. There, feature matching
    takes the whole image's alone.

    Args:
        in_channels: channels of the image.
        discriminator: factory of both from the number of channels.
        together: ``compare`` passes real and fake through each as one batch; off, fake first, then real, each in
            a pass of its own, as upstream does: a spectral norm moves with every pass.

    Shape: image (B, in_channels, H, W) and mask (B, 1, H, W), 1 where painted, in [0, 1], to the pair (result of
    ``whole`` on image, result of ``local`` on image * mask); gradients reach the mask too. Scores are logits
    where the factory's are, as those of every discriminator here.

    Raises:
        ValueError: ``in_channels`` below one, or a mask of another size or with more than one channel.

    >>> import torch
    >>> from functools import partial
    >>> small = partial(MultiScalePatchDiscriminator, scales=1, width=4, layers=1)
    >>> critic = LocalGlobalDiscriminator(3, discriminator=small)
    >>> whole, local = critic(torch.randn(2, 3, 16, 20), torch.ones(2, 1, 16, 20))
    >>> whole[0][-1].shape, local[0][-1].shape
    (torch.Size([2, 1, 6, 8]), torch.Size([2, 1, 6, 8]))
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        discriminator: Callable[[int], nn.Module] = MultiScalePatchDiscriminator,
        together: bool = True,
    ) -> None:
        super().__init__()
        check_positive(in_channels=in_channels)
        self.whole = discriminator(in_channels)
        self.local = discriminator(in_channels)
        self.together = together

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Any, Any]:
        if mask.ndim != 4 or mask.shape[1] != 1 or mask.shape[-2:] != image.shape[-2:]:
            raise ValueError(
                f"mask must be (B, 1, {image.shape[-2]}, {image.shape[-1]}), got {tuple(mask.shape)}: "
                "resize it to the image"
            )
        return self.whole(image), self.local(image * mask)

    def compare(self, real: Tensor, fake: Tensor, mask: Tensor) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Results of both for real and for fake, real first.

        Args:
            real: real images.
            fake: images painted inside the mask, of the same shape.
            mask: 1 where painted, one for each pair.

        Shape: twice (B, in_channels, H, W) and (B, 1, H, W) to twice the result of ``forward``.
        """
        if self.together:
            return compared(self, real, fake, mask)
        painted = self(fake, mask)
        return self(real, mask), painted
