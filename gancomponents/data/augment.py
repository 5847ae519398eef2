"""Differentiable augmentation of what a discriminator sees."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["DiffAugment"]


class DiffAugment(nn.Module):
    """Colour, translation and cutout, the same for real images, fake images and the masks beside them.

    Zhao et al. 2020, Differentiable Augmentation for Data-Efficient GAN Training
    (https://arxiv.org/abs/2006.10738), section 3.2: brightness, contrast and saturation, then translation, then
    cutout, each drawn anew for every sample. All images of one call share the draws of a sample, and masks
    follow them in space, so that a conditional discriminator is never shown an image beside the mask of
    another place; upstream draws real and fake apart and leaves the mask where it was. The order inside the
    colours is that of ClimateGAN (the paper's code saturates before it changes the contrast).

    Changes nothing in evaluation mode, unless ``draws`` are given.

    Args:
        colour: whether to change brightness (-0.5 to 0.5 is added), contrast (times 0.5 to 1.5) and saturation
            (times 0 to 2); of the images alone.
        translation: shifts reach this share of height and width to both sides; zeros come in. 0 for none.
        cutout: sides of the hole as a share of height and width, filled with zeros. 0 for none.

    Shape:
        images: (B, C, H, W) each; masks: (B, any, H, W) each. Returns a tuple of all images, then all masks.

    Raises:
        ValueError: a share outside 0..1; no image, or images and masks of unequal batch, height or width;
            draws of another shape.

    >>> real, fake, mask = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.ones(2, 1, 8, 8)
    >>> real, fake, mask = DiffAugment()(real, fake, masks=[mask])
    >>> real.shape, mask.shape
    (torch.Size([2, 3, 8, 8]), torch.Size([2, 1, 8, 8]))
    """

    def __init__(self, *, colour: bool = True, translation: float = 0.125, cutout: float = 0.5):
        super().__init__()
        for name, share in (("translation", translation), ("cutout", cutout)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be in 0..1, got {share}: give a share of height and width")
        self.colour, self.translation, self.cutout = colour, translation, cutout

    def extra_repr(self) -> str:
        return f"colour={self.colour}, translation={self.translation}, cutout={self.cutout}"

    @staticmethod
    def draw(x: Tensor) -> Tensor:
        """Random numbers that decide over one call, for a batch such as ``x``.

        Args:
            x: gives batch and device.

        Shape:
            x: (B, ...); returns (B, 7) float32 in [0, 1): brightness, contrast, saturation, row and column of the
            shift, row and column of the hole.

        >>> DiffAugment.draw(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 7])
        """
        return torch.rand(x.shape[0], 7, device=x.device)

    def forward(
        self, *images: Tensor, masks: Sequence[Tensor] = (), draws: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Augment images and masks alike.

        Args:
            images: as described above; real and fake, for example.
            masks: what keeps its values and follows the images in space.
            draws: what `draw` returned, to repeat an augmentation in another call; new ones where None.
        """
        everything = (*images, *masks)
        shapes = [tuple(t.shape) for t in everything]
        if not images or any(len(s) != 4 or (s[0], *s[2:]) != (shapes[0][0], *shapes[0][2:]) for s in shapes):
            raise ValueError(
                f"images and masks must be (B, C, H, W) of one B, H and W, got {shapes}: pass at least one "
                "image, and resize the others to it"
            )
        batch = shapes[0][0]
        if draws is not None and draws.shape != (batch, 7):
            raise ValueError(
                f"draws must be ({batch}, 7), got {tuple(draws.shape)}: take them from DiffAugment.draw"
            )
        if draws is None:
            if not self.training:
                return everything
            draws = self.draw(images[0])
        coloured = [recolour(x, *draws[:, :3].unbind(1)) for x in images] if self.colour else list(images)
        return tuple(self._move(x, draws) for x in (*coloured, *masks))

    def _move(self, x: Tensor, draws: Tensor) -> Tensor:
        sides = x.shape[2:]
        if self.translation:
            most = [share_of(side, self.translation) for side in sides]
            rows, columns = (
                choice(draws[:, 3 + axis], 2 * limit + 1) - limit for axis, limit in enumerate(most)
            )
            x = translate(x, rows, columns)
        if self.cutout:
            hole = [share_of(side, self.cutout) for side in sides]
            # The centre: from 0 to the side, or to the last pixel for odd holes, so that no hole misses.
            top, left = (
                choice(draws[:, 5 + axis], side + 1 - size % 2) - size // 2
                for axis, (side, size) in enumerate(zip(sides, hole, strict=True))
            )
            x = cut_out(x, top, left, hole[0], hole[1])
        return x


def share_of(side: int, share: float) -> int:
    """Pixels in a share of a side, halves rounded up."""
    return math.floor(share * side + 0.5)


def choice(u: Tensor, count: int) -> Tensor:
    """One of ``count`` integers from 0, by numbers uniform in [0, 1)."""
    return (u * count).long().clamp_max(count - 1)


def recolour(x: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Images of another brightness, contrast and saturation; 0.5 leaves each as it is.

    Args:
        x: images.
        brightness: b, adds b - 0.5.
        contrast: c, multiplies the distance from the image's mean by c + 0.5.
        saturation: s, multiplies the distance from the pixel's mean by 2 s.

    Shape:
        x: (B, C, H, W); the others: (B,), in [0, 1]; returns (B, C, H, W).

    >>> half = torch.full((1,), 0.5)
    >>> recolour(torch.zeros(1, 3, 1, 1), torch.ones(1), half, half).flatten().tolist()
    [0.5, 0.5, 0.5]
    """
    b_B111, c_B111, s_B111 = (u.to(x.dtype)[:, None, None, None] for u in (brightness, contrast, saturation))
    x = x + (b_B111 - 0.5)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * (c_B111 + 0.5) + mean
    grey = x.mean(dim=1, keepdim=True)
    return (x - grey) * (2 * s_B111) + grey


def translate(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Images shifted by whole pixels: y[i, j] = x[i + rows, j + columns], zero where that lies outside.

    Args:
        x: images.
        rows, columns: the shift of each.

    Shape:
        x: (B, C, H, W); rows, columns: (B,) integers; returns (B, C, H, W).

    >>> x = torch.tensor([1.0, 2, 3]).reshape(1, 1, 1, 3)
    >>> translate(x, torch.tensor([0]), torch.tensor([1])).flatten().tolist()
    [2.0, 3.0, 0.0]
    """
    height, width = x.shape[2:]
    from_BH = torch.arange(height, device=x.device) + rows[:, None]
    from_BW = torch.arange(width, device=x.device) + columns[:, None]
    inside_B1HW = within(from_BH, 0, height)[:, None, :, None] & within(from_BW, 0, width)[:, None, None, :]
    from_BHW = from_BH.clamp(0, height - 1)[:, :, None] * width + from_BW.clamp(0, width - 1)[:, None, :]
    moved = x.flatten(2).gather(2, from_BHW.flatten(1)[:, None].expand(-1, x.shape[1], -1)).view(x.shape)
    # The zeros, which are laid out like x, come first and decide how the result is.
    return torch.where(~inside_B1HW, torch.zeros_like(x), moved)


def cut_out(x: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """Images with a hole of zeros.

    Args:
        x: images.
        top, left: first row and column of each hole; may lie outside.
        height, width: of the holes, pixels.

    Shape:
        x: (B, C, H, W); top, left: (B,) integers; returns (B, C, H, W).

    >>> cut_out(torch.ones(1, 1, 2, 3), torch.tensor([-1]), torch.tensor([1]), 2, 2)[0, 0].tolist()
    [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    rows_H = torch.arange(x.shape[2], device=x.device)
    columns_W = torch.arange(x.shape[3], device=x.device)
    in_rows_BH = within(rows_H, top[:, None], top[:, None] + height)
    in_columns_BW = within(columns_W, left[:, None], left[:, None] + width)
    hole_B1HW = in_rows_BH[:, None, :, None] & in_columns_BW[:, None, None, :]
    return torch.where(hole_B1HW, torch.zeros_like(x), x)


def within(values: Tensor, low: int | Tensor, high: int | Tensor) -> Tensor:
    """Where low <= value < high."""
    return (values >= low) & (values < high)
