"""Checkpoints: exact round trips, atomic writes, damage noticed."""

from pathlib import Path

import pytest
import torch
from torch import nn

from gancomponents.errors import InputError
from gancomponents.training import checkpoint


def _state() -> dict:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    network(torch.rand(2, 3, 8, 8)).square().mean().backward()
    optimiser.step()
    return {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "rate": 0.1 + 0.2,
        "note": None,
    }


def _save(folder: Path, step: int, keep: int = 3) -> Path:
    return checkpoint.save(folder, step, _state(), {"model": {"w": torch.ones(2)}}, keep)


def _assert_same(a, b) -> None:
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            _assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            _assert_same(left, right)
    else:
        assert a == b


def test_round_trip_is_exact(tmp_path: Path) -> None:
    state = _state()
    path = checkpoint.save(tmp_path, 7, state, {"model": {"w": torch.ones(2)}}, keep=1)
    _assert_same({**state}, checkpoint.load(path))
    assert checkpoint.step_of(path) == 7
    assert torch.equal(checkpoint.load_weights(path)["w"], torch.ones(2))


def test_shared_memory_and_scalars_survive(tmp_path: Path) -> None:
    weight = torch.rand(3)
    state = {"a": weight, "b": weight, "list": [1, 2.5, "x", None, {"deep": torch.tensor(3)}]}
    loaded = checkpoint.load(checkpoint.save(tmp_path, 1, state, {}, keep=1))
    assert torch.equal(loaded["a"], loaded["b"])
    assert loaded["list"][:4] == [1, 2.5, "x", None]
    assert loaded["list"][4]["deep"] == 3


def test_keeps_the_newest(tmp_path: Path) -> None:
    for step in (9, 10, 11, 100):
        _save(tmp_path, step, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_00000011", "step_00000100"]


def test_what_was_just_saved_stays_and_killed_saves_go(tmp_path: Path) -> None:
    for step in (100, 200, 300):
        checkpoint.save(tmp_path, step, {}, {}, keep=3)
    (tmp_path / ".step_00000040.1.partial").mkdir()
    assert checkpoint.save(tmp_path, 50, {}, {}, keep=2).is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000050", "step_00000300"]


def test_some_stay_for_good_and_count_for_nothing(tmp_path: Path) -> None:
    for step in range(95, 111):
        checkpoint.save(tmp_path, step, {}, {}, keep=2, stays=lambda step: step % 5 == 0 and step >= 100)
    kept = ["step_00000100", "step_00000105", "step_00000108", "step_00000109", "step_00000110"]
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    assert checkpoint.newest(tmp_path) == tmp_path / kept[-1]


def test_folders_of_other_names_are_left_alone(tmp_path: Path) -> None:
    good = _save(tmp_path, 1)
    for name in ("step_best", "step_"):
        (tmp_path / name).mkdir()
    assert checkpoint.newest(tmp_path) == good
    _save(tmp_path, 2, keep=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_", "step_00000002", "step_best"]


SETS = {
    name: {"w": torch.full((2,), value)}
    for name, value in (("model", 1.0), ("averaged", 2.0), ("critics", 3.0))
}


def test_sets_of_weights_lie_side_by_side(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 1, {}, SETS, keep=1)
    assert checkpoint.weights_in(path) == ["averaged", "critics", "model"]
    for name, weights in SETS.items():
        assert torch.equal(checkpoint.load_weights(path, name)["w"], weights["w"])
    with pytest.raises(InputError, match="choose among averaged, critics, model"):
        checkpoint.load_weights(path, "training")


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("damage", ["flipped", "missing", "swapped"])
def test_damage_in_any_set_is_noticed(tmp_path: Path, name: str, damage: str) -> None:
    good, bad = (checkpoint.save(tmp_path, step, {}, SETS, keep=2) for step in (1, 2))
    file = bad / f"{name}.safetensors"
    if damage == "missing":
        file.unlink()
    elif damage == "swapped":
        other = next(other for other in SETS if other != name)
        file.write_bytes((bad / f"{other}.safetensors").read_bytes())
    else:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    assert checkpoint.newest(tmp_path) == good
    for set_name in SETS:
        with pytest.raises(InputError, match="damaged"):
            checkpoint.load_weights(bad, set_name)


@pytest.mark.parametrize("name", ["training", *SETS])
def test_a_save_that_dies_leaves_the_last_checkpoint_alone(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import torch as files

    good = checkpoint.save(tmp_path, 1, {}, SETS, keep=1)
    save_file = files.save_file

    def dies(tensors, path, *more):
        if path.stem == name:
            raise OSError("no space left on device")
        save_file(tensors, path, *more)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(files, "save_file", dies)
        checkpoint.save(tmp_path, 2, {}, SETS, keep=1)
    assert checkpoint.newest(tmp_path) == good
    assert checkpoint.is_whole(good)
    checkpoint.save(tmp_path, 2, {}, SETS, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000002"]


def test_the_same_step_can_be_saved_again(tmp_path: Path) -> None:
    _save(tmp_path, 5)
    assert checkpoint.is_whole(_save(tmp_path, 5))


@pytest.mark.parametrize("damage", ["no state", "truncated", "flipped", "not json", "empty"])
def test_newest_passes_over_damage(tmp_path: Path, damage: str) -> None:
    good, bad = _save(tmp_path, 1), _save(tmp_path, 2)
    tensors = bad / "training.safetensors"
    if damage == "no state":
        (bad / "state.json").unlink()
    elif damage == "truncated":
        tensors.write_bytes(tensors.read_bytes()[:-9])
    elif damage == "flipped":
        content = bytearray(tensors.read_bytes())
        content[-1] ^= 1
        tensors.write_bytes(content)
    elif damage == "not json":
        (bad / "state.json").write_text("{")
    else:
        for file in bad.iterdir():
            file.unlink()
    assert checkpoint.newest(tmp_path) == good
    with pytest.raises(InputError, match="checkpoint"):
        checkpoint.load(bad)


def test_a_killed_save_leaves_no_checkpoint(tmp_path: Path) -> None:
    good = _save(tmp_path, 1)
    (tmp_path / ".step_00000002.123.partial").mkdir()
    assert checkpoint.newest(tmp_path) == good


def test_a_state_that_needs_pickle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="holds tensors and JSON values, got object at 'x'"):
        checkpoint.save(tmp_path, 1, {"x": object()}, {}, keep=1)


@pytest.mark.known_bug(57)
def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = _save(tmp_path, 1)
    assert {p.suffix for p in path.iterdir()} == {".safetensors", ".json"}
