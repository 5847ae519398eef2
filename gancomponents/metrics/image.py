"""Distances between images inside a mask."""

import warnings

import torch
from torch import Tensor, nn

from gancomponents.losses._pretrained import say_once, short_timeout
from gancomponents.metrics.masked import masked_mean, masked_means, mean_over_images


def _unit_range(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both images in [0, 1] and at least fp32."""
    if a.dim() != 4 or a.shape != b.shape:
        raise ValueError(
            f"b must be (B, C, H, W) as a, got {tuple(b.shape)} and {tuple(a.shape)}: resize one"
        )
    dtype = torch.float64 if a.dtype is torch.float64 else torch.float32
    return (a.to(dtype) + 1) / 2, (b.to(dtype) + 1) / 2


def l1_in_mask(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference inside the mask, per image and then over images; 1 is black against white.

    Args:
        a, b: images in [-1, 1].
        mask: 1 where the pixel counts.

    Shape:
        a, b: (B, C, H, W); mask: (B, 1, H, W); returns a scalar, NaN where all masks are empty.

    >>> import torch
    >>> float(l1_in_mask(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2)))
    0.5
    """
    a, b = _unit_range(a, b)
    return masked_mean((a - b).abs().mean(1, keepdim=True), mask)


def psnr_in_mask(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Peak signal-to-noise ratio inside the mask in dB, per image and then over images; at most 100 dB.

    Args:
        a, b: images in [-1, 1].
        mask: 1 where the pixel counts.

    Shape:
        a, b: (B, C, H, W); mask: (B, 1, H, W); returns a scalar, NaN where all masks are empty.

    >>> import torch
    >>> round(float(psnr_in_mask(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2))), 2)
    6.02
    """
    a, b = _unit_range(a, b)
    error = masked_means((a - b).square().mean(1, keepdim=True), mask)
    return mean_over_images(-10 * torch.log10(error.clamp_min(1e-10)))


def ssim_in_mask(a: Tensor, b: Tensor, mask: Tensor, *, window_size: int = 11) -> Tensor:
    """Structural similarity inside the mask, per image and then over images.

    Wang et al. 2004, Eq. (13), as kornia computes it; windows at the rim of the mask look beyond it.

    Args:
        a, b: images in [-1, 1].
        mask: 1 where the pixel counts.
        window_size: odd.

    Shape:
        a, b: (B, C, H, W); mask: (B, 1, H, W); returns a scalar, 1 for equal images, NaN where all masks are
            empty.

    >>> import torch
    >>> x = torch.rand(1, 3, 16, 16)
    >>> round(float(ssim_in_mask(x, x, torch.ones(1, 1, 16, 16))), 4)
    1.0
    """
    from kornia.metrics import ssim

    a, b = _unit_range(a, b)
    return masked_mean(ssim(a, b, window_size).mean(1, keepdim=True), mask)


def load_lpips(net: str = "alex") -> nn.Module | None:
    """The LPIPS network of Zhang et al. 2018, or None, said in the log, where its weights cannot be had.

    Args:
        net: backbone, "alex", "vgg" or "squeeze".

    Raises:
        ValueError: an unknown backbone.

    >>> load_lpips("resnet")
    Traceback (most recent call last):
    ValueError: net must be 'alex', 'vgg' or 'squeeze', got 'resnet': 'alex' is the usual one
    """
    if net not in ("alex", "vgg", "squeeze"):
        raise ValueError(f"net must be 'alex', 'vgg' or 'squeeze', got {net!r}: 'alex' is the usual one")
    from lpips import LPIPS

    try:
        with short_timeout(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lpips uses torchvision's old argument names
            return LPIPS(net=net, spatial=True, verbose=False).eval().requires_grad_(False)
    except (OSError, RuntimeError) as error:
        say_once(f"LPIPS is left out: the weights of its {net} backbone could not be had ({error}).")
        return None


def lpips_in_mask(network: nn.Module, a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Learned perceptual distance inside the mask, per image and then over images.

    Zhang et al. 2018, Eq. (1), the spatial map before its average.

    Args:
        network: from ``load_lpips``, or any that maps two images in [-1, 1] to a map of distances.
        a, b: images in [-1, 1].
        mask: 1 where the pixel counts.

    Shape:
        a, b: (B, 3, H, W); mask: (B, 1, H, W); returns a scalar, NaN where all masks are empty.

    >>> import torch
    >>> x, mask = torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    >>> float(lpips_in_mask(lambda a, b: (a - b).abs().mean(1, keepdim=True), x, x, mask))
    0.0
    """
    return masked_mean(network(a, b), mask)
