import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from gancomponents.errors import InputError
from gancomponents.losses import LPIPSLoss, _pretrained

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:torchvision"
)  # the package's old way with weights
NETS = pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
NAMES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def _pictures() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(2, 3, 33, 40) * 2 - 1, torch.rand(2, 3, 33, 40) * 2 - 1


def _their_state(net: Any) -> dict[str, torch.Tensor]:
    from torchvision.models import get_model

    with torch.random.fork_rng():
        torch.manual_seed(7)
        return get_model(NAMES[net], weights=None).state_dict()


@NETS
def test_is_the_packages_distance(net: Any) -> None:
    import lpips

    torch.manual_seed(3)
    theirs = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    a, b = _pictures()
    torch.testing.assert_close(LPIPSLoss(net, seed=3)(a, b), theirs(a, b).mean(), rtol=1e-4, atol=1e-6)


@NETS
def test_trunk_from_a_file_in_torchvisions_keys(net: Any, tmp_path: Path) -> None:
    import lpips

    state = _their_state(net)
    features = {k: v.contiguous() for k, v in state.items() if k.startswith("features.")}
    save_file(features, tmp_path / "trunk.safetensors")
    torch.save(state, tmp_path / "trunk.pth")  # the classifier's weights are left aside
    a, b = _pictures()
    value = LPIPSLoss(net, tmp_path / "trunk.safetensors")(a, b)
    assert value == LPIPSLoss(net, str(tmp_path / "trunk.pth"))(a, b)
    assert value != LPIPSLoss(net)(a, b)
    # The package's own way to those weights: torchvision's layers in the order of its slices.
    theirs = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    for slice_ in theirs.net.children():
        for index, layer in slice_.named_children():
            prefix = f"features.{index}."
            layer.load_state_dict(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )
    torch.testing.assert_close(value, theirs(a, b).mean(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("net", "smallest"), [("alex", 31), ("vgg", 16), ("squeeze", 17)])
def test_takes_the_smallest_image_that_its_trunk_takes(net: Any, smallest: int) -> None:
    loss, x = LPIPSLoss(net), torch.rand(1, 3, smallest, 40)
    assert loss(x, x) == 0
    small = x[:, :, 1:]
    with pytest.raises(ValueError, match=f"H, W >= {smallest}, got"):
        loss(small, small)
    with pytest.raises(RuntimeError):  # the trunk itself has come to its end
        loss._features(small)


def test_dropout_stays_off_in_training() -> None:
    loss = LPIPSLoss("squeeze")
    a, b = _pictures()
    value = loss(a, b)
    assert loss.train()(a, b) == value == loss.train()(a, b)
    assert loss.training


def test_nothing_to_train_and_nothing_to_save() -> None:
    loss = LPIPSLoss("squeeze")
    assert list(loss.parameters()) == []
    assert loss.state_dict() == {}


def test_real_half_has_no_graph() -> None:
    loss = LPIPSLoss("squeeze")
    fake, real = (x.requires_grad_() for x in _pictures())
    loss(fake, real).backward()
    assert fake.grad.abs().sum() > 0
    assert torch.isfinite(fake.grad).all()
    assert real.grad is None


def test_dead_features_have_a_finite_gradient() -> None:
    loss = LPIPSLoss("squeeze")
    for buffer in loss.distance.net.buffers():
        buffer.zero_()  # nothing fires anywhere
    fake, real = (x.requires_grad_() for x in _pictures())
    loss(fake, real).backward()
    assert (fake.grad == 0).all()


def test_random_weights_depend_on_the_seed_alone() -> None:
    a, b = _pictures()
    state = torch.get_rng_state()
    first = LPIPSLoss("squeeze", seed=3)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(99)
    assert first(a, b) == LPIPSLoss("squeeze", seed=3)(a, b) != LPIPSLoss("squeeze", seed=4)(a, b)


def test_close_to_fp32_under_autocast() -> None:
    loss, (a, b) = LPIPSLoss("squeeze"), _pictures()
    with torch.autocast("cpu", torch.bfloat16):
        rough = loss(a, b)
    assert rough.dtype is torch.float32
    assert rough.item() == pytest.approx(loss(a, b).item(), rel=0.05)


def test_falls_back_where_nothing_can_be_fetched(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("no network")

    _pretrained.say_once.cache_clear()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    a, b = _pictures()
    with caplog.at_level(logging.WARNING, "gancomponents"):
        value = LPIPSLoss("squeeze", "imagenet")(a, b)
    assert "could not be had (no network)" in caplog.text
    assert value == LPIPSLoss("squeeze")(a, b)


def test_fetched_weights_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = _their_state("squeeze")
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_a, **_k: state)
    torch.save(state, tmp_path / "trunk.pth")
    a, b = _pictures()
    assert LPIPSLoss("squeeze", "imagenet")(a, b) == LPIPSLoss("squeeze", tmp_path / "trunk.pth")(a, b)


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="net must be one of"):
        LPIPSLoss("resnet")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no such file"):
        LPIPSLoss("alex", tmp_path / "none.pth")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="10 entries missing or of another shape"):
        LPIPSLoss("alex", tmp_path / "other.pth")
    loss = LPIPSLoss("squeeze")
    with pytest.raises(ValueError, match="shape of fake"):
        loss(torch.zeros(1, 3, 33, 40), torch.zeros(1, 3, 33, 41))
