import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gancomponents.errors import InputError
from gancomponents.losses import VGGFeatures, VGGLoss, _pretrained, _vgg_weights, vgg_preprocess


@pytest.fixture
def narrow() -> VGGLoss:
    return VGGLoss(width=2)


@pytest.mark.known_bug(25)
def test_features_are_torchvisions() -> None:
    from torchvision.models import vgg19

    features = VGGFeatures()
    theirs = vgg19(weights=None).features.eval()
    features.load_weights({f"features.{k}": v for k, v in theirs.state_dict().items()})
    x = torch.rand(1, 3, 32, 40) * 2 - 1
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    y = ((x + 1) / 2 - mean[:, None, None]) / std[:, None, None]
    with torch.no_grad():
        expected = []
        for index, layer in enumerate(theirs):
            y = layer(y)
            if index in (1, 6, 11, 20, 29):
                expected.append(y.clone())
        for ours, reference in zip(features(x), expected, strict=True):
            torch.testing.assert_close(ours, reference)


def test_caffe_preprocessing_is_blue_green_red() -> None:
    x = torch.tensor([1.0, 0.0, -1.0]).reshape(1, 3, 1, 1)
    expected = torch.tensor([0 - 103.939, 127.5 - 116.779, 255 - 123.680])
    torch.testing.assert_close(vgg_preprocess(x, "caffe").flatten(), expected)


def test_real_half_has_no_graph(narrow: VGGLoss) -> None:
    fake, real = (torch.rand(1, 3, 16, 16, requires_grad=True) for _ in range(2))
    narrow(fake, real).backward()
    assert fake.grad.abs().sum() > 0
    assert real.grad is None


def test_nothing_to_train_and_nothing_to_save(narrow: VGGLoss) -> None:
    assert list(narrow.parameters()) == []
    assert narrow.state_dict() == {}
    assert sum(b.numel() for b in VGGFeatures(width=64).buffers()) == 12_944_960  # VGG19 up to conv5_1


def test_random_weights_depend_on_the_seed_alone() -> None:
    x, y = torch.rand(2, 1, 3, 16, 16)
    state = torch.get_rng_state()
    first = VGGLoss(width=2, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(99)
    assert first(x, y) == VGGLoss(width=2, seed=3)(x, y) != VGGLoss(width=2, seed=4)(x, y)


def test_random_features_neither_explode_nor_vanish() -> None:
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    for feature in VGGFeatures(width=16)(x):
        assert 0.1 < feature.square().mean().sqrt() < 10


def test_fp32_under_autocast(narrow: VGGLoss) -> None:
    x, y = torch.rand(2, 1, 3, 32, 32)
    exact = narrow(x, y)
    with torch.autocast("cpu", torch.bfloat16):
        rough = narrow(x, y)
    assert rough.dtype is torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.05)


@pytest.fixture
def _fresh_log() -> None:
    _pretrained.say_once.cache_clear()


@pytest.mark.usefixtures("_fresh_log")
def test_random_weights_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "gancomponents"):
        VGGLoss(width=2)
        VGGLoss(width=2)
    assert [r.message for r in caplog.records if "random VGG19" in r.message] == [caplog.records[0].message]


@pytest.mark.usefixtures("_fresh_log")
def test_falls_back_where_nothing_can_be_fetched(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with caplog.at_level(logging.WARNING, "gancomponents"):
        features = VGGFeatures("imagenet")
    assert "could not be had (no network)" in caplog.text
    x = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(features(x)[4], VGGFeatures(seed=0)(x)[4])


def test_weights_from_files(tmp_path: Path) -> None:
    state = _vgg_weights.random_state(64, seed=5)
    save_file(state, tmp_path / "vgg.safetensors")
    torch.save({**state, "classifier.0.bias": torch.zeros(1)}, tmp_path / "vgg.pth")
    x = torch.rand(1, 3, 16, 16)
    expected = VGGFeatures(seed=5)(x)[4]
    assert torch.equal(VGGFeatures(tmp_path / "vgg.safetensors")(x)[4], expected)
    assert torch.equal(VGGFeatures(str(tmp_path / "vgg.pth"))(x)[4], expected)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        VGGFeatures(tmp_path / "none.pth")
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors here")
    with pytest.raises(InputError, match="fetch the file anew"):
        VGGFeatures(tmp_path / "broken.safetensors")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="26 entries missing"):
        VGGFeatures(tmp_path / "other.pth")


def test_bad_arguments(narrow: VGGLoss) -> None:
    with pytest.raises(ValueError, match="width must be 64"):
        VGGLoss("imagenet", width=32)
    with pytest.raises(ValueError, match="preprocessing must be"):
        VGGLoss(width=2, preprocessing="keras")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="preprocessing must be"):
        vgg_preprocess(torch.zeros(1, 3, 2, 2), "keras")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="enlarge the image"):
        narrow(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="shape of fake"):
        narrow(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17))
    with pytest.raises(ValueError, match=r"must have features\.0\.weight"):
        narrow.features.load_weights({})
