import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gancomponents.events import sky_mask, wildfire


@pytest.fixture
def scene() -> tuple[Tensor, Tensor]:
    """Images, and logits with sky in the upper quarter."""
    logits = torch.randn(2, 11, 16, 16)
    logits[:, 9] = -10
    logits[:, 9, :4] = 10
    return torch.rand(2, 3, 64, 80) * 2 - 1, logits


def test_stays_in_range_and_glows_at_the_top(scene: tuple[Tensor, Tensor]) -> None:
    x, logits = scene
    burning = wildfire(x, logits, kernel_size=15, sigma=5.0)
    assert burning.shape == x.shape
    assert burning.abs().max() <= 1
    assert burning[:, 0, :8].mean() > burning[:, 0, -8:].mean() + 0.5
    assert (burning[:, 0, :8] > burning[:, 1, :8]).all()
    assert (burning[:, 1, :8] > burning[:, 2, :8]).all()


def test_without_sky_there_is_no_glow(scene: tuple[Tensor, Tensor]) -> None:
    x, logits = scene
    plain = wildfire(x, logits, transparency=0)
    logits[:, 9] = -100
    assert torch.equal(wildfire(x, logits), plain)


def test_neutral_settings_give_the_image_back(scene: tuple[Tensor, Tensor]) -> None:
    x, logits = scene
    neutral = {
        "warmth": (0, 0, 0),
        "contrast": 1.0,
        "brightness": 1.0,
        "final_brightness": 1.0,
        "transparency": 0,
    }
    torch.testing.assert_close(wildfire(x, logits, **neutral), x)


def test_each_image_alone(scene: tuple[Tensor, Tensor]) -> None:
    x, logits = scene
    torch.testing.assert_close(wildfire(x, logits)[1:], wildfire(x[1:], logits[1:]))


def test_green_as_number_tensor_or_draw(scene: tuple[Tensor, Tensor]) -> None:
    x, logits = scene
    both = wildfire(x, logits, green=torch.tensor([110.0, 140.0]))
    torch.testing.assert_close(both[:1], wildfire(x[:1], logits[:1], green=110))
    torch.testing.assert_close(both[1:], wildfire(x[1:], logits[1:], green=140))
    torch.testing.assert_close(wildfire(x, logits, green=torch.tensor(120)), wildfire(x, logits, green=120))
    low, high = wildfire(x, logits, green=100), wildfire(x, logits, green=150)
    torch.manual_seed(1)
    drawn = wildfire(x, logits, green=None)
    assert (drawn >= low - 1e-6).all()
    assert (drawn <= high + 1e-6).all()
    torch.manual_seed(1)
    assert torch.equal(drawn, wildfire(x, logits, green=None))
    assert not torch.equal(drawn, wildfire(x, logits, green=None))


@pytest.mark.known_bug(58)
def test_no_step_rounds_to_levels_unless_asked() -> None:
    x = torch.full((1, 3, 16, 1), -0.5).add(torch.arange(16.0)[:, None] / (16 * 127.5))
    logits = torch.zeros(1, 11, 2, 2)
    options = {"transparency": 0, "brightness": 0.9, "contrast": 1.0, "warmth": (0, 0, 0)}
    smooth = wildfire(x, logits, **options)
    torch.testing.assert_close(smooth + 1, 0.72 * (x + 1))
    assert wildfire(x, logits, **options, integer_levels=True)[0, 0].unique().numel() <= 3


def test_whole_levels_stay_close_to_the_smooth_formula(scene: tuple[Tensor, Tensor]) -> None:
    x, logits = scene
    levels = (wildfire(x, logits, integer_levels=True) + 1) * 127.5
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    smooth = (wildfire(x, logits) + 1) * 127.5
    # Five steps round down, and contrast and brightness scale what is lost before them.
    assert (smooth - levels).abs().max() < 4


def test_sky_grows_by_less_than_its_share_and_not_from_below() -> None:
    logits = torch.zeros(1, 11, 10, 10)
    logits[:, 9, 5, 5] = 1
    logits[:, 9, 6:] = 1
    mask = sky_mask(logits, (100, 100))
    rows, columns = mask[0, 0].any(1).nonzero().flatten(), mask[0, 0].any(0).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == (50 - 17, 59 + 17)
    assert (columns.min().item(), columns.max().item()) == (50 - 17, 59 + 17)
    assert sky_mask(logits, (100, 100), crop_bottom=False)[0, 0, -1].all()
    assert sky_mask(logits, (100, 100), sky_class=3).sum() == 0
    assert sky_mask(logits, (100, 100), growth=0.0).sum() == 100


def test_classes_told_apart_before_or_after_resizing() -> None:
    logits = torch.randn(2, 11, 5, 6)
    exact = functional.interpolate(logits, (20, 31), mode="bilinear").argmax(1, keepdim=True) == 9
    smooth = sky_mask(logits, (20, 31), growth=0.0, crop_bottom=False, smooth=True)
    assert torch.equal(smooth, exact.float())
    nearest = sky_mask(logits, (20, 30), growth=0.0, crop_bottom=False)
    assert torch.equal(nearest[..., ::4, ::5], (logits.argmax(1, keepdim=True) == 9).float())
    assert not torch.equal(nearest, smooth[..., :30])


@pytest.mark.known_bug(47)
def test_kernel_may_exceed_the_image(scene: tuple[Tensor, Tensor]) -> None:
    x, logits = scene
    assert torch.isfinite(wildfire(x[..., :20, :20], logits)).all()


def test_gradient_reaches_the_image() -> None:
    x = (torch.rand(1, 3, 6, 6, dtype=torch.float64) - 0.5).requires_grad_()
    logits = torch.randn(1, 11, 3, 3)
    assert torch.autograd.gradcheck(
        lambda y: wildfire(y, logits, kernel_size=3, sigma=1.0, contrast=0.9), [x]
    )


@pytest.mark.known_bug(47)
def test_options_have_an_effect(scene: tuple[Tensor, Tensor]) -> None:
    x, logits = scene
    base = wildfire(x, logits)
    for option in (
        {"sky_class": 3},
        {"kernel_size": 15},
        {"sigma": 20.0},
        {"sky_growth": 0.3},
        {"warmth": (0, 0, 0)},
        {"contrast": 1.0},
        {"brightness": 1.0},
        {"transparency": 100},
        {"final_brightness": 1.0},
        {"stretch": True},
    ):
        assert not torch.equal(wildfire(x / 2, logits, **option), wildfire(x / 2, logits)), option
    logits[:, 9, 12:] = 10
    assert not torch.equal(wildfire(x, logits, crop_bottom=False), base)


def test_bad_arguments(scene: tuple[Tensor, Tensor]) -> None:
    x, logits = scene
    with pytest.raises(ValueError, match="pass logits"):
        wildfire(x, logits.argmax(1))
    with pytest.raises(ValueError, match="sky_class must be"):
        wildfire(x, logits, sky_class=11)
