import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor, nn

from gancomponents.metrics import (
    FeatureSet,
    ImageFeatures,
    SetDistance,
    feature_statistics,
    fid,
    frechet_distance,
    inception,
    kid,
)


def gaussian(size: int, rank: int) -> tuple[Tensor, Tensor]:
    root = torch.randn(rank, size, dtype=torch.float64)
    return torch.randn(size, dtype=torch.float64), root.T @ root


def features(count: int, shift: float = 0.0) -> FeatureSet:
    return FeatureSet(torch.randn(count, 6).double() + shift, "noise", "none", "test")


@pytest.fixture
def look() -> ImageFeatures:
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return ImageFeatures(lambda x: network(x / 255), backbone="random convolution", resizer="none")


def test_frechet_distance_as_scipy_computes_it() -> None:
    (mean1, cov1), (mean2, cov2) = gaussian(6, 9), gaussian(6, 9)
    root = linalg.sqrtm(cov1.numpy() @ cov2.numpy()).real
    expected = ((mean1 - mean2) ** 2).sum() + cov1.trace() + cov2.trace() - 2 * np.trace(root)
    assert frechet_distance(mean1, cov1, mean2, cov2).item() == pytest.approx(float(expected), rel=1e-9)


def test_frechet_distance_of_commuting_covariances() -> None:
    # Of diagonal ones it is the distance of means and of standard deviations.
    mean1, mean2, std1, std2 = torch.rand(4, 7, dtype=torch.float64)
    found = frechet_distance(mean1, std1.square().diag(), mean2, std2.square().diag())
    torch.testing.assert_close(found, (mean1 - mean2).square().sum() + (std1 - std2).square().sum())


def test_frechet_distance_of_singular_covariances() -> None:
    (mean1, cov1), (_, cov2) = gaussian(8, 3), gaussian(8, 2)
    assert frechet_distance(mean1, cov1, mean1, cov1).abs() < 1e-6
    assert 0 < frechet_distance(mean1, cov1, mean1, cov2) < cov1.trace() + cov2.trace()
    zero = torch.zeros_like(cov1)
    torch.testing.assert_close(frechet_distance(mean1, cov1, mean1, zero), cov1.trace())


def test_statistics_are_numpys() -> None:
    x = torch.randn(9, 4)
    mean, covariance = feature_statistics(x)
    np.testing.assert_allclose(mean, x.double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(x.double().numpy(), rowvar=False), rtol=1e-9, atol=1e-12)


def test_fid_as_torch_fidelity_computes_it() -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    real, fake = features(40), features(30, 0.5)
    statistics = [fid_features_to_statistics(s.values) for s in (real, fake)]
    expected = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    assert fid(real, fake).value == pytest.approx(expected, rel=1e-9)


def test_kid_of_whole_sets_is_the_unbiased_estimate() -> None:
    real, fake = features(12), features(12, 0.5)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / 6 + 1) ** 3

    def off_diagonal(k: Tensor) -> Tensor:
        return (k.sum() - k.trace()) / (12 * 11)

    x, y = real.values, fake.values
    expected = off_diagonal(kernel(x, x)) + off_diagonal(kernel(y, y)) - 2 * kernel(x, y).mean()
    found = kid(real, fake, subsets=3, subset_size=12)
    assert found.value == pytest.approx(expected.item(), rel=1e-9)
    assert found.deviation == pytest.approx(0, abs=1e-9)


def test_kid_draws_by_its_seed() -> None:
    real, fake = features(30), features(20, 0.5)
    first = kid(real, fake, subset_size=10, seed=3)
    assert first == kid(real, fake, subset_size=10, seed=3)
    assert first != kid(real, fake, subset_size=10, seed=4)
    assert first.deviation > 0


def test_kid_draws_as_many_as_there_are() -> None:
    real, fake = features(30), features(20, 0.5)
    assert kid(real, fake) == kid(real, fake, subset_size=20)
    many = FeatureSet(torch.randn(1100, 2), "noise", "none", "test")
    assert kid(many, many, subsets=2) == kid(many, many, subsets=2, subset_size=1000)


def test_the_result_records_what_it_depends_on(look: ImageFeatures) -> None:
    real = look([torch.rand(4, 3, 9, 7), torch.rand(3, 3, 8, 8)], source="town/val")
    fake = look([torch.rand(5, 3, 9, 7)], source="run 1")
    for found in (fid(real, fake), kid(real, fake, subset_size=5)):
        assert isinstance(found, SetDistance)
        record = dataclasses.asdict(found)
        assert {k: v for k, v in record.items() if k not in ("value", "deviation", "metric")} == {
            "backbone": "random convolution",
            "resizer": "none",
            "reference": "town/val",
            "real_count": 7,
            "fake_count": 5,
        }


@pytest.mark.known_bug(48)
def test_the_network_sees_the_images_as_files_hold_them() -> None:
    seen: list[Tensor] = []

    def spy(images: Tensor) -> Tensor:
        seen.append(images)
        return images.float().mean((2, 3))

    look = ImageFeatures(spy, backbone="spy", resizer="none")
    levels = torch.tensor([-1.0, -0.5, 0.0, 1.0, -1.04, 1.04]).reshape(1, 1, 1, 6).expand(1, 3, 1, 6)
    look([levels], source="")
    assert seen[0].dtype is torch.uint8
    assert seen[0][0, 0, 0].tolist() == [0, 64, 128, 255, 0, 255]
    files = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    look([files, files.float() / 127.5 - 1], source="")
    assert torch.equal(seen[1], files)
    assert torch.equal(seen[2], files)


class Scaled(nn.Module):
    """Bytes in, features out."""

    def __init__(self) -> None:
        super().__init__()
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.layers = nn.Sequential(
            nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.BatchNorm2d(5), nn.Dropout(), pool
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images / 255)  # type: ignore[no-any-return]


@pytest.mark.parametrize("method", [False, True])
def test_a_module_is_run_in_evaluation_mode_and_left_as_it_was(method: bool) -> None:
    module = Scaled()
    module.layers[1].eval()  # frozen by its owner
    modes = [part.training for part in module.modules()]
    state = {name: value.clone() for name, value in module.state_dict().items()}
    images = torch.rand(6, 3, 9, 8) * 2 - 1
    look = ImageFeatures(module.forward if method else module, backbone="own", resizer="none")
    found = look(images.split(4), source="").values
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    with torch.no_grad():
        torch.testing.assert_close(found, module.eval()(((images + 1) * 127.5).round()))
    module.train().layers = nn.Identity()
    with pytest.raises(ValueError, match="network must return"):
        look([images], source="")
    assert module.training  # after an error too


@pytest.mark.known_bug(48)
def test_a_smaller_last_batch_counts_in_full(look: ImageFeatures) -> None:
    images = torch.rand(7, 3, 9, 7) * 2 - 1
    whole = look([images], source="").values
    torch.testing.assert_close(look(images.split(3), source="").values, whole)


def test_inception_at_random_weights(tmp_path: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    # The constructor wants a file; one of its own making will do.
    class Blank(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_args: object, **_kwargs: object) -> None:  # type: ignore[override]
            pass

    weights = tmp_path / "inception.pth"
    torch.save({}, weights)
    blank = Blank("blank", ["2048"], feature_extractor_weights_path=str(weights))
    torch.save(blank.state_dict(), weights)

    look = inception(weights)
    found = look([torch.rand(2, 3, 33, 40) * 2 - 1], source="noise")
    assert found.values.shape == (2, 2048)
    assert str(weights) in found.backbone
    assert "299" in found.resizer


def test_inception_without_weights_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", refuse)
    with pytest.raises(RuntimeError, match=r"could not be downloaded \(no network\): pass a copy of https"):
        inception()
    with pytest.raises(FileNotFoundError, match="weights must be a file, got 'nowhere"):
        inception("nowhere.pth")


def test_without_torch_fidelity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*(n for n in sys.modules if n.startswith("torch_fidelity")), "torch_fidelity"]:
        monkeypatch.setitem(sys.modules, name, None)
    real = features(5)
    assert fid(real, real).value < 1e-6
    for use in (inception, lambda: kid(real, real, subset_size=4)):
        with pytest.raises(ModuleNotFoundError, match="gancomponents\\[metrics\\]"):
            use()


def test_bad_arguments(look: ImageFeatures) -> None:
    real = features(5)
    with pytest.raises(ValueError, match="fake must have features of the network of real"):
        fid(real, dataclasses.replace(real, backbone="another"))
    with pytest.raises(ValueError, match="fake must have features of the network of real"):
        kid(real, dataclasses.replace(real, resizer="another"))
    with pytest.raises(ValueError, match=r"subset_size must be in 2 \.\. 5"):
        kid(real, real, subset_size=6)
    with pytest.raises(ValueError, match="subsets must be at least 1"):
        kid(real, real, subset_size=4, subsets=0)
    with pytest.raises(ValueError, match="features must be"):
        fid(dataclasses.replace(real, values=real.values[:1]), real)
    with pytest.raises(ValueError, match="mean1, cov1, mean2 and cov2 must be"):
        frechet_distance(torch.zeros(2), torch.eye(2), torch.zeros(3), torch.eye(3))
    with pytest.raises(ValueError, match=r"batches must be \(B, 3, H, W\)"):
        look([torch.zeros(3, 4, 4)], source="")
    with pytest.raises(ValueError, match=r"batches must be floats in \[-1, 1\]"):
        look([torch.zeros(1, 3, 4, 4, dtype=torch.long)], source="")
    for wrong in (
        torch.full((1, 3, 4, 4), 255.0),
        torch.full((1, 3, 4, 4), -1.1),
        torch.full((1, 3, 4, 4), torch.nan),
    ):
        with pytest.raises(
            ValueError, match=r"batches must be floats in \[-1, 1\] or uint8, got values from"
        ):
            look([wrong], source="")
    with pytest.raises(ValueError, match="batches must hold images"):
        look([], source="")
    with pytest.raises(ValueError, match="network must return"):
        ImageFeatures(lambda x: x, "identity", "none")([torch.zeros(1, 3, 4, 4)], source="")
