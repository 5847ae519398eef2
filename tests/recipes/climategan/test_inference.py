"""Inference: every kind of photo in and out, and what each option does."""

import numpy as np
import pytest
import torch
from torch import Tensor

from recipes import config
from recipes.climategan import ClimateGAN, kinds
from recipes.climategan.events import EVENTS, Options, imagine, possible
from recipes.climategan.inference import infer_all, size_to_see
from recipes.climategan.painting import canvas_size, painted
from tests.recipes.trained import tiny_model

H, W = 70, 90
NAMES = (*EVENTS, "mask", "depth", "segmentation")


@pytest.fixture(scope="module")
def model() -> ClimateGAN:
    with config.borrowed():
        return tiny_model()


@pytest.fixture(scope="module")
def photo() -> Tensor:
    """Levels, (H, W, 3)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (H, W, 3), generator=generator, dtype=torch.uint8)


def _kinds(photo: Tensor) -> dict[str, Tensor | np.ndarray]:
    first, floats = photo.movedim(-1, 0).contiguous(), photo.float() / 127.5 - 1
    return {
        "levels HWC": photo,
        "levels CHW": first,
        "floats HWC": floats,
        "floats CHW": floats.movedim(-1, 0),
        "array HWC": photo.numpy(),
        "array CHW": first.numpy(),
        "float array": floats.numpy(),
        "double": floats.movedim(-1, 0).double(),
    }


@pytest.mark.known_bug(40)
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("name", list(_kinds(torch.zeros(H, W, 3, dtype=torch.uint8))))
def test_what_comes_back_is_what_went_in(model: ClimateGAN, photo: Tensor, name: str, batch: bool) -> None:
    x = _kinds(photo)[name]
    x = x[None] if batch else x
    before = x.copy() if isinstance(x, np.ndarray) else x.clone()
    found = model.infer_all(x, threshold=None)
    assert (x == before).all()  # upstream changes a single tensor in place
    expected = model.infer_all(photo.numpy(), threshold=None)
    last = "CHW" not in name and name != "double"
    for event in EVENTS:
        made = getattr(found, event)
        assert type(made) is type(x)
        assert (made.dtype, made.shape) == (x.dtype, x.shape)
        levels = torch.as_tensor(made[0] if batch else made)
        levels = levels if last else levels.movedim(0, -1)
        levels = levels if levels.dtype == torch.uint8 else ((levels + 1) * 127.5).round()
        assert (levels.int() - torch.as_tensor(getattr(expected, event)).int()).abs().max() <= 1
    plane = torch.as_tensor(found.mask[0] if batch else found.mask).squeeze()
    assert plane.shape == (H, W)
    assert found.mask.dtype == x.dtype
    assert torch.as_tensor(found.depth).is_floating_point()
    assert torch.as_tensor(found.segmentation).squeeze().dim() == (2 if "array" in name else 3)


@pytest.mark.parametrize(
    ("shape", "layout", "fits"),
    [
        ((3, 8, 3), None, False),
        ((2, 3, 8, 3), None, False),
        ((3, 8, 3), "HWC", True),
        ((3, 8, 3), "CHW", True),
        ((8, 8, 3), "CHW", False),
        ((8, 8, 4), None, False),
        ((8, 8), None, False),
        ((0, 8, 8, 3), None, False),
        ((8, 8, 3), "RGB", False),
    ],
)
def test_layouts(shape: tuple[int, ...], layout: kinds.Layout | None, fits: bool) -> None:
    x = torch.zeros(shape, dtype=torch.uint8)
    if not fits:
        with pytest.raises(ValueError, match=r"layout must be|x must be"):
            kinds.read(x, layout)
        return
    image, kind = kinds.read(x, layout)
    assert image.shape == ((1, 3, 3, 8) if layout == "HWC" else (1, 3, 8, 3))
    assert kind.image(image).shape == shape


@pytest.mark.filterwarnings("error")
def test_arrays_of_any_memory_order() -> None:
    x = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)
    expected, _ = kinds.read(x[..., ::-1].copy())
    backwards = x[..., ::-1]
    backwards.flags.writeable = False
    assert torch.equal(kinds.read(backwards)[0], expected)
    image, kind = kinds.read(backwards)
    assert np.array_equal(kind.image(image), backwards)


@pytest.mark.parametrize("x", [np.zeros((8, 8, 3), np.int64), torch.zeros(3, 8, 8).bool(), "photo.png"])
def test_other_types_are_refused(x: object) -> None:
    with pytest.raises(ValueError, match="x must be"):
        kinds.read(x)  # type: ignore[arg-type]


@pytest.mark.known_bug(56)
def test_a_threshold_makes_water_be_there_or_not(model: ClimateGAN) -> None:
    x = torch.rand(2, 3, 150, 190) * 2 - 1
    soft = model.infer_all(x, size=64, threshold=None)
    assert soft.mask.unique().numel() > 100
    hard = model.infer_all(x, size=64, threshold=soft.mask.median().item())
    assert hard.mask.unique().tolist() == [0, 1]
    dry = (hard.mask == 0).expand_as(x)
    assert torch.equal(hard.flood[dry], x[dry])
    assert not torch.equal(hard.flood[~dry], x[~dry])


def test_events_are_made_only_when_asked_for(model: ClimateGAN, photo: Tensor) -> None:
    calls = []
    handle = model.painter.register_forward_hook(lambda *_: calls.append(1))
    found = model.infer_all(photo, events=("smog",))
    assert found.flood is None
    assert found.wildfire is None
    assert found.smog is not None
    assert not calls
    model.infer_all(photo)
    assert calls == [1]
    handle.remove()


def test_a_part_of_a_model_makes_what_it_can(model: ClimateGAN, photo: Tensor) -> None:
    masker = ClimateGAN(model.masker)
    assert possible(masker) == ["wildfire", "smog"]
    found = masker.infer_all(photo)
    assert [name for name in NAMES if getattr(found, name) is None] == ["flood"]
    painter = ClimateGAN(painter=model.painter)
    assert possible(painter) == []
    assert all(getattr(painter.infer_all(photo), name) is None for name in NAMES)


def test_the_model_keeps_its_mode_and_weights(model: ClimateGAN, photo: Tensor) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    expected = model.infer_all(photo).flood
    model.train()
    model.masker.encoder.eval()  # as a frozen encoder is
    assert torch.equal(model.infer_all(photo).flood, expected)
    assert model.training
    assert model.painter.training
    assert not model.masker.encoder.training
    model.eval()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def _skyward(model: ClimateGAN) -> ClimateGAN:
    """With a sky in some places: the class's bias is moved to the middle of what decides."""
    import copy

    model = copy.deepcopy(model)
    logits = model.infer_all(torch.rand(3, H, W) * 2 - 1).segmentation
    others = torch.cat([logits[:9], logits[10:]]).amax(0)
    with torch.no_grad():
        model.masker.segmentation.classify.bias[9] += (others - logits[9]).median()
    return model


def test_clouds_change_the_water_and_nothing_else(model: ClimateGAN) -> None:
    model, x = _skyward(model), torch.rand(2, 3, H, W) * 2 - 1
    threshold = model.infer_all(x, threshold=None, events=()).mask.median().item()
    clear, one, same, other = (
        model.infer_all(x, cloudy=clouds, generator=torch.Generator().manual_seed(seed), threshold=threshold)
        for clouds, seed in ((False, 1), (True, 1), (True, 1), (True, 2))
    )
    assert 0.1 < one.mask.mean() < 0.9, "there must be water to look at, and land"
    assert torch.equal(one.flood, same.flood)
    assert not torch.equal(one.flood, clear.flood)
    assert not torch.equal(one.flood, other.flood)
    dry = (one.mask == 0).expand_as(x)
    assert torch.equal(one.flood[dry], x[dry])
    assert torch.equal(one.wildfire, clear.wildfire)


def test_clouds_are_pasted_away_also_where_nothing_else_is(model: ClimateGAN) -> None:
    whole = ClimateGAN(model.masker, model.painter, paste_original=False).eval()
    x = torch.rand(1, 3, H, W) * 2 - 1
    threshold = whole.infer_all(x, threshold=None, events=()).mask.median().item()
    options = {"threshold": threshold, "events": ("flood",)}
    dry = (whole.infer_all(x, **options).mask == 0).expand_as(x)
    assert not torch.equal(whole.infer_all(x, **options).flood[dry], x[dry])
    assert torch.equal(whole.infer_all(x, cloudy=True, **options).flood[dry], x[dry])


def test_upstreams_ranges(model: ClimateGAN, photo: Tensor) -> None:
    dull = (photo // 4 + 60).numpy()
    plain, stretched = model.infer_all(dull), model.infer_all(dull, stretch=True)
    for name in ("flood", "smog"):
        assert (getattr(stretched, name).min(), getattr(stretched, name).max()) == (0, 255)
        assert not (getattr(plain, name).min() == 0 and getattr(plain, name).max() == 255)


@pytest.mark.parametrize("precision", ["half", "bfloat16", "autocast"])
def test_lower_precision_comes_close(model: ClimateGAN, photo: Tensor, precision: str) -> None:
    import copy

    expected = model.infer_all(photo, threshold=None)
    if precision == "autocast":
        found = model.infer_all(photo, threshold=None, autocast=torch.bfloat16)
    else:
        found = getattr(copy.deepcopy(model), precision)().infer_all(photo, threshold=None)
    for name in ("flood", "mask"):
        difference = (getattr(found, name).int() - getattr(expected, name).int()).abs().float()
        assert 0 < difference.mean() < 6, name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events": ("hail",)}, "events must be"),
        ({"events": "flood"}, "events must be"),
        ({"threshold": -1}, "threshold must be"),
        ({"size": 0}, "size must be"),
        ({"size": "large"}, "size must be"),
        ({"resolution": "high"}, "resolution must be"),
        ({"resolution": "basic"}, "trained size must be known"),
    ],
)
def test_options_out_of_range(model: ClimateGAN, photo: Tensor, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        infer_all(model, photo, **options)


def test_networks_see_a_small_copy(model: ClimateGAN) -> None:
    x = torch.rand(3, 3 * H, 3 * W) * 2 - 1
    assert model.infer_all(x).depth.shape == (1, 3 * H // 2, 3 * W // 2)
    assert model.infer_all(x, size=64).depth.shape == (1, 32, 48)
    model.trained_size = 64
    try:
        assert model.infer_all(x).depth.shape == (1, 32, 48)
        assert model.infer_all(x, size="full").depth.shape == (1, 3 * H // 2, 3 * W // 2)
        assert model.infer_all(x, resolution="basic").flood.shape == (3, 64, 64)
    finally:
        model.trained_size = None


@pytest.mark.parametrize(
    ("size", "shorter", "seen"),
    [((64, 64), 64, (64, 64)), ((3, 900), 64, (64, 512)), ((100, 50), 33, (64, 32)), ((40, 40), 8, (64, 64))],
)
def test_sizes_to_see(size: tuple[int, int], shorter: int, seen: tuple[int, int]) -> None:
    assert size_to_see(*size, shorter) == seen


def test_canvases() -> None:
    sizes = {
        name: canvas_size((70, 100), stride=16, resolution=name, trained=64)
        for name in ("full", "approx", "exact", "basic", "upsample")
    }
    assert sizes["full"] == (70, 100)
    assert sizes["approx"] == sizes["exact"] == (64, 96)
    assert sizes["basic"] == sizes["upsample"] == (64, 64)
    with pytest.raises(ValueError, match="16 pixels or more"):
        canvas_size((15, 100), stride=16, resolution="approx")


def test_painting_at_full_size_is_that_of_multiples_where_there_are(model: ClimateGAN) -> None:
    x, mask = torch.rand(1, 3, 64, 96) * 2 - 1, (torch.rand(1, 1, 64, 96) > 0.5).float()
    with torch.no_grad():
        pictures = [painted(model, x, mask, resolution=name) for name in ("full", "approx", "exact")]
    assert all(torch.equal(picture, pictures[0]) for picture in pictures)
    with pytest.raises(ValueError, match="painter must be there"):
        painted(ClimateGAN(model.masker), x, mask)


@torch.no_grad()
def test_nothing_is_predicted_twice(model: ClimateGAN) -> None:
    calls = []
    handle = model.masker.register_forward_hook(lambda *_: calls.append(1))
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    found = imagine(model, x, x, Options(cloudy=True))
    handle.remove()
    assert calls == [1]
    assert all(getattr(found, name) is not None for name in NAMES)


def test_a_model_of_stretched_photos_sees_them_stretched_and_paints_in_their_own_levels(
    model: ClimateGAN, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    wide.flatten()[:2] = torch.tensor([-1.0, 1.0])
    dull = wide / 4 + 0.1
    plain = model.infer_all(wide, threshold=None)
    monkeypatch.setattr(model, "trained_stretch", True)
    found = model.infer_all(dull, threshold=None)
    torch.testing.assert_close(found.mask, plain.mask)
    torch.testing.assert_close(found.flood, plain.flood / 4 + 0.1)
    even = model.infer_all(torch.zeros(1, 3, 64, 64))
    assert torch.isfinite(even.flood).all()


@pytest.mark.parametrize("wrong", [200.0, float("nan")])
def test_floats_of_another_range_are_refused(model: ClimateGAN, wrong: float) -> None:
    photo = torch.zeros(3, 64, 80)
    photo[0, 0, 0] = wrong
    with pytest.raises(ValueError, match=r"x must be floating in \[-1, 1\]"):
        model.infer_all(photo)
