import functools
import logging

import pytest
import torch
from torch import Tensor

from gancomponents.losses import _pretrained
from gancomponents.metrics import (
    l1_in_mask,
    load_lpips,
    lpips_in_mask,
    masked_mean,
    psnr_in_mask,
    ssim_in_mask,
)


@pytest.fixture
def images() -> tuple[Tensor, Tensor, Tensor]:
    a, b = torch.rand(2, 2, 3, 32, 32) * 2 - 1
    mask = torch.zeros(2, 1, 32, 32)
    mask[0, :, 8:24, 8:24] = 1
    mask[1, :, :10] = 1
    return a, b, mask


@pytest.mark.parametrize("metric", [l1_in_mask, psnr_in_mask, ssim_in_mask])
def test_averages_images_and_leaves_out_empty_masks(metric: object, images: tuple[Tensor, ...]) -> None:
    a, b, mask = images
    single = [metric(a[i : i + 1], b[i : i + 1], mask[i : i + 1]) for i in range(2)]  # type: ignore[operator]
    torch.testing.assert_close(metric(a, b, mask), (single[0] + single[1]) / 2)  # type: ignore[operator]
    mask[1] = 0
    torch.testing.assert_close(metric(a, b, mask), single[0])  # type: ignore[operator]
    assert metric(a, b, 0 * mask).isnan()  # type: ignore[operator]


@pytest.mark.parametrize("metric", [l1_in_mask, psnr_in_mask])
def test_what_lies_outside_does_not_matter(metric: object, images: tuple[Tensor, ...]) -> None:
    a, b, mask = images
    noisy = torch.where(mask > 0, b, torch.rand_like(b))
    torch.testing.assert_close(metric(a, b, mask), metric(a, noisy, mask))  # type: ignore[operator]


def test_closed_forms(images: tuple[Tensor, ...]) -> None:
    a, _, mask = images
    shifted = a + 0.2  # a tenth of the range
    assert l1_in_mask(a, shifted, mask).item() == pytest.approx(0.1, rel=1e-5)
    assert psnr_in_mask(a, shifted, mask).item() == pytest.approx(20.0, rel=1e-5)
    assert psnr_in_mask(a, a, mask).item() == pytest.approx(100.0)
    assert ssim_in_mask(a, a, mask).item() == pytest.approx(1.0)
    assert ssim_in_mask(a, -a, mask) < 0


def test_ssim_window(images: tuple[Tensor, ...]) -> None:
    a, b, mask = images
    assert ssim_in_mask(a, b, mask, window_size=5) != ssim_in_mask(a, b, mask)


def test_lpips_without_weights_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("no network")

    _pretrained.say_once.cache_clear()
    monkeypatch.setattr("lpips.LPIPS", refuse)
    with caplog.at_level(logging.WARNING, "gancomponents"):
        assert load_lpips() is None
        assert load_lpips() is None
    assert [r.message for r in caplog.records] == [
        "LPIPS is left out: the weights of its alex backbone could not be had (no network)."
    ]


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_lpips_in_mask_with_random_backbone(
    net: str, images: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    import lpips

    monkeypatch.setattr("lpips.LPIPS", functools.partial(lpips.LPIPS, pnet_rand=True))
    a, b, mask = images
    network = load_lpips(net)
    assert network is not None
    assert not any(p.requires_grad for p in network.parameters())
    with torch.no_grad():
        assert lpips_in_mask(network, a, a, mask) == 0
        assert lpips_in_mask(network, a, b, mask) > 0


def test_masks_must_fit(images: tuple[Tensor, ...]) -> None:
    a, b, mask = images
    with pytest.raises(ValueError, match="mask must be"):
        l1_in_mask(a, b, mask[..., :16])
    with pytest.raises(ValueError, match="b must be"):
        l1_in_mask(a, b[..., :16], mask)


def test_masked_mean_ignores_what_is_infinite_outside() -> None:
    values = torch.tensor([1.0, float("inf"), 3.0]).reshape(1, 1, 1, 3)
    assert masked_mean(values, torch.tensor([1.0, 0.0, 1.0]).reshape(1, 1, 1, 3)) == 2
