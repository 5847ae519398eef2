"""`load_weights`: the files that encoders are published in, made small."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gancomponents.encoders import DeepLabV2ResNet, DeepLabV3ResNet, MobileNetV2, load_weights
from recipes.upstream import keys

V3 = partial(DeepLabV3ResNet, width=2, blocks=(1, 1, 1, 1), multi_grid=(1,))
V2 = partial(DeepLabV2ResNet, width=2, blocks=(1, 1, 1, 1))
MOBILE = partial(MobileNetV2, width_multiplier=0.25)


def _save(state: dict[str, Any], path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def _v3_file(module: nn.Module) -> dict[str, Tensor]:
    inside = {f"backbone.{key}": value for key, value in module.state_dict().items()}
    return {**inside, "aspp.conv1.weight": torch.ones(3), "decoder.conv_out.bias": torch.ones(19)}


def _v2_file(module: nn.Module) -> dict[str, Tensor]:
    inside = {f"Scale.{key}": value for key, value in module.state_dict().items()}
    old = {key: value for key, value in inside.items() if not key.endswith("num_batches_tracked")}
    return {**old, "Scale.layer5.conv2d_list.0.weight": torch.ones(2), "Scale.resblock.0.bias": torch.ones(2)}


def _mobile_file(module: nn.Module) -> dict[str, Tensor]:
    state = module.state_dict()
    inside = {f"encoder.{k}": slot.read(state) for k, slot in keys.slots(module, keys.mobilenet).items()}
    return {**inside, "encoder.conv_last.weight": torch.ones(2), "decoder.head.weight": torch.ones(2)}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("make", "published"),
    [(V3, _v3_file), (V2, _v2_file), (MOBILE, _mobile_file)],
    ids=["v3", "v2", "mobile"],
)
def test_published_files(
    make: Callable[[], nn.Module],
    published: Callable[[nn.Module], dict[str, Tensor]],
    suffix: str,
    tmp_path: Path,
) -> None:
    source, target = make(), make()
    nn.init.ones_(
        source.get_buffer("layer1.0.bn1.running_mean" if make is not MOBILE else "conv1.1.running_mean")
    )
    path = _save(published(source), tmp_path / f"network{suffix}")
    assert load_weights(target, path) is target
    found = target.state_dict()
    assert all(torch.equal(found[key], value) for key, value in source.state_dict().items())


@pytest.mark.parametrize("nest", ["state_dict", "model", None])
def test_a_file_of_the_encoder_itself(nest: str | None, tmp_path: Path) -> None:
    source, target = V3(), V3()
    state = source.state_dict()
    path = _save(state if nest is None else {nest: state, "epoch": 3}, tmp_path / "encoder.pth")
    load_weights(target, path)
    assert torch.equal(target.conv1.weight, source.conv1.weight)


def test_what_may_be_missing_stays(tmp_path: Path) -> None:
    path = _save(_v2_file(V2()), tmp_path / "v2.pth")
    target = V2(residual_blocks=1)
    before = target.residual[0].block1.conv.weight.clone()
    with pytest.raises(ValueError, match=r"a file without \['residual.0.block1.conv.weight'"):
        load_weights(target, path)
    load_weights(target, path, keep=["residual."])
    assert torch.equal(target.residual[0].block1.conv.weight, before)


def test_a_key_may_be_renamed_or_left_out(tmp_path: Path) -> None:
    source, target = nn.Linear(2, 3), nn.Linear(2, 3)
    state = {"net.weight": source.weight.detach(), "net.bias": source.bias.detach(), "other": torch.ones(1)}
    path = _save(state, tmp_path / "linear.safetensors")
    load_weights(target, path, rename=lambda key: key[4:] if key.startswith("net.") else None)
    assert torch.equal(target.weight, source.weight)


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="must be a file of weights"):
        load_weights(V3(), tmp_path / "none.pth")
    with pytest.raises(ValueError, match="must hold every entry of DeepLabV3ResNet, got a file without"):
        load_weights(V3(), _save({"head.weight": torch.ones(1)}, tmp_path / "other.pth"))
    deeper = DeepLabV3ResNet(width=2, blocks=(2, 1, 1, 1), multi_grid=(1,))
    with pytest.raises(ValueError, match=r"nothing else than DeepLabV3ResNet, got \['layer1.1.bn1.bias'"):
        load_weights(V3(), _save(_v3_file(deeper), tmp_path / "deeper.pth"))
    wider = DeepLabV3ResNet(width=4, blocks=(1, 1, 1, 1), multi_grid=(1,))
    with pytest.raises(
        ValueError, match=r"of shape \(2, 3, 7, 7\), got \(4, 3, 7, 7\): build the module with the sizes"
    ):
        load_weights(V3(), _save(wider.state_dict(), tmp_path / "wider.pth"))
    with pytest.raises(ValueError, match=r"must hold tensors by name, got list in list\.pth"):
        torch.save([1, 2], tmp_path / "list.pth")
        load_weights(V3(), tmp_path / "list.pth")


def test_nothing_in_a_torch_file_is_run(tmp_path: Path) -> None:
    torch.save({"weight": Path("x")}, tmp_path / "code.pth")
    with pytest.raises(ValueError, match=r"asks for pathlib\.PosixPath, which could run code"):
        load_weights(nn.Linear(1, 1), tmp_path / "code.pth")
