"""Checkpoints: exact round trips, atomic writes, damage noticed."""

import errno
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
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
def test_a_full_disk_leaves_the_last_checkpoint_alone(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError
    from safetensors import torch as files

    good = checkpoint.save(tmp_path, 1, {}, SETS, keep=1)
    save_file = files.save_file

    def dies(tensors, path, *more):
        if path.stem == name:
            path.write_bytes(b"half of it")
            raise SafetensorError("Error while serializing: I/O error: ... (os error 28)")
        save_file(tensors, path, *more)

    with monkeypatch.context() as patch, pytest.raises(InputError) as told:
        patch.setattr(files, "save_file", dies)
        checkpoint.save(tmp_path, 2, {}, SETS, keep=1)
    file = tmp_path / "step_00000002" / f"{name}.safetensors"
    expected = f"{file}: expected a file that can be written, got No space left on device."
    assert str(told.value) == f"{expected} Fix: free space there; {good} is whole."
    assert [path.name for path in tmp_path.iterdir()] == [good.name]
    assert checkpoint.newest(tmp_path) == good
    checkpoint.save(tmp_path, 2, {}, SETS, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000002"]


@pytest.mark.parametrize("call", ["mkdir", "fsync", "rename", "write_text"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_whatever_the_system_refuses_is_told_and_undone(
    tmp_path: Path, call: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = _save(tmp_path, 1)

    def refuses(*arguments, **more):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, pytest.raises(InputError) as told:
        patch.setattr(Path if call in ("mkdir", "write_text") else os, call, refuses)
        _save(tmp_path, 2)
    assert f"got {os.strerror(number)}. Fix: " in str(told.value)
    assert str(good) in told.value.fix
    assert "step_00000002" in told.value.what
    assert [path.name for path in tmp_path.iterdir()] == [good.name]
    assert checkpoint.is_whole(good)


_LIMITED = """
import resource, sys, torch
from pathlib import Path
from gancomponents.training import checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    checkpoint.save(Path(sys.argv[1]), 2, {"w": torch.zeros(10_000)}, {}, keep=1)
except checkpoint.InputError as error:
    print(error)
"""


def test_a_real_limit_is_told_as_well(tmp_path: Path) -> None:
    good = _save(tmp_path, 1)
    command = [sys.executable, "-c", _LIMITED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    file = tmp_path / "step_00000002" / "training.safetensors"
    assert done.stdout.startswith(
        f"{file}: expected a file that can be written, got File too large. Fix: free"
    )
    assert [path.name for path in tmp_path.iterdir()] == [good.name]


def _after_every_instant(folder: Path, work, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Do ``work`` again and again on a copy of the folder, killed before each of its calls to the system."""

    class Killed(BaseException):
        pass

    seen, before = [], folder.with_name("before")
    shutil.copytree(folder, before)
    for instant in range(1000):
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
        left = [instant]

        def dying(call, left=left):
            def called(*arguments, **more):
                left[0] -= 1
                if left[0] < 0:
                    raise Killed  # and so does all that would tidy up
                return call(*arguments, **more)

            return called

        with monkeypatch.context() as patch:
            for name in ("rename", "replace", "mkdir", "unlink", "rmdir", "fsync", "open"):
                patch.setattr(os, name, dying(getattr(os, name)))
            try:
                work()
                return seen
            except Killed:
                pass
        found = checkpoint.newest(folder)
        assert found is not None, f"lost at instant {instant}"
        checkpoint.load(found)
        seen.append(found.name)
    raise AssertionError("it never ended")


def test_saving_over_a_step_loses_it_at_no_instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "checkpoints"
    _save(folder, 5)
    seen = _after_every_instant(folder, lambda: _save(folder, 5), monkeypatch)
    assert {"step_00000005", "step_00000005.replaced"} == set(seen)
    assert [path.name for path in folder.iterdir()] == ["step_00000005"]


def test_what_was_replaced_when_a_save_was_killed_is_used_and_then_dropped(tmp_path: Path) -> None:
    path = _save(tmp_path, 5)
    old = path.rename(tmp_path / "step_00000005.replaced")
    assert checkpoint.newest(tmp_path) == old
    assert checkpoint.later_than(tmp_path, 4) == [old]
    _save(tmp_path, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000005"]
    shutil.copytree(path, old)
    assert checkpoint.newest(tmp_path) == path
    _save(tmp_path, 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000005", "step_00000006"]


@pytest.mark.parametrize("damage", ["no state", "not json", "no tensors"])
def test_damaged_ones_are_not_counted_among_those_kept(tmp_path: Path, damage: str) -> None:
    _save(tmp_path, 1), _save(tmp_path, 2)
    bad = _save(tmp_path, 3)
    if damage == "not json":
        (bad / "state.json").write_text("{")
    else:
        (bad / {"no state": "state.json", "no tensors": "training.safetensors"}[damage]).unlink()
    _save(tmp_path, 4, keep=2)
    assert sorted(path.name[-1] for path in tmp_path.iterdir()) == ["2", "3", "4"]
    _save(tmp_path, 5, keep=2)
    assert sorted(path.name[-1] for path in tmp_path.iterdir()) == ["4", "5"]


def test_a_drop_that_is_killed_leaves_no_half_of_a_checkpoint(tmp_path: Path, monkeypatch) -> None:
    _save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda path, **more: (path / "state.json").unlink(missing_ok=True))
        _save(tmp_path, 2, keep=1)
    assert [path.name for path in tmp_path.glob("step_*")] == ["step_00000002"]
    _save(tmp_path, 3, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000003"]


def _rewrite(path: Path, **entries: object) -> None:
    """As somebody would who knows that the digest is left out where there is none."""
    record = json.loads((path / "state.json").read_text())
    del record["digest"]
    (path / "state.json").write_text(json.dumps({**record, **entries}))


@pytest.mark.parametrize(
    "state",
    [
        {"__tensor__": "nowhere"},
        {"__items__": [["w", {"__tensor__": "nowhere"}]]},
        {"__items__": [["w"]]},
        {"__items__": [[[], 1]]},
        {"__items__": 3},
        {"other": 3},
        {"__tensor__": ["w"]},
        [],
        3,
        None,
    ],
)
def test_a_state_that_makes_no_sense_is_damage(tmp_path: Path, state: object) -> None:
    good, bad = _save(tmp_path, 1), _save(tmp_path, 2)
    _rewrite(bad, state=state)
    assert checkpoint.newest(tmp_path) == good
    with pytest.raises(InputError, match="a damaged one"):
        checkpoint.load(bad)


def test_a_flipped_digit_of_the_state_is_damage_and_no_digest_is_fine(tmp_path: Path) -> None:
    state = {"rate": 0.125, "odd": [math.inf, -0.0, 1e-300, 2**70, "\ud800é\u2028"], "none": None}
    good, bad = (checkpoint.save(tmp_path, step, state, {}, keep=2) for step in (1, 2))
    text = (bad / "state.json").read_text()
    (bad / "state.json").write_text(text.replace("0.125", "0.175"))
    assert checkpoint.newest(tmp_path) == good
    assert checkpoint.load(good) == state
    _rewrite(good)  # as it was before digests of their own
    assert checkpoint.load(good) == state


@pytest.mark.parametrize("step", [-1, "2", 2.0, math.inf, True, None, [2], 2**80])
def test_a_step_that_is_no_number_of_steps_is_damage(tmp_path: Path, step: object) -> None:
    bad = _save(tmp_path, 2)
    _rewrite(bad, step=step)
    with pytest.raises(InputError, match="a damaged one"):
        checkpoint.step_of(bad)


@pytest.mark.parametrize(
    "text",
    [
        '{"format": 1, "step": 1e400, "digests": {}, "state": 1}',
        "[" * 100_000,
        '{"format": 1, "step": 2, "digests": {"training.safetensors": ' + "[" * 50_000,
        '{"format": 1, "step": ' + "9" * 10_000 + "}",
        "[]",
        "3",
        "\0",
    ],
)
def test_absurd_text_is_damage(tmp_path: Path, text: str) -> None:
    bad = _save(tmp_path, 2)
    (bad / "state.json").write_text(text)
    assert not checkpoint.is_whole(bad)


def test_a_deep_state_is_damage(tmp_path: Path) -> None:
    bad = _save(tmp_path, 2)
    record = json.loads((bad / "state.json").read_text())
    del record["digest"]
    deep = '{"__items__": [["a", ' * 900 + "1" + "]]}" * 900
    (bad / "state.json").write_text(json.dumps({**record, "state": "HERE"}).replace('"HERE"', deep))
    assert not checkpoint.is_whole(bad)


@pytest.mark.parametrize("name", ["../secret.safetensors", "ABSOLUTE", "secret", "a/b.safetensors", ".", ""])
def test_no_file_outside_the_folder_is_opened(tmp_path: Path, name: str, monkeypatch) -> None:
    bad = _save(tmp_path, 2)
    secret = tmp_path / "secret.safetensors"
    shutil.copy(bad / "model.safetensors", secret)
    shutil.copy(bad / "model.safetensors", bad / "secret")
    record = json.loads((bad / "state.json").read_text())
    digest = hashlib.sha256(secret.read_bytes()).hexdigest()
    name = str(secret) if name == "ABSOLUTE" else name
    _rewrite(bad, digests={**record["digests"], name: digest})
    opened = []
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_digest", lambda path: opened.append(path) or digest)
        with pytest.raises(InputError, match="a damaged one"):
            checkpoint.weights_in(bad)
    assert not opened


@pytest.mark.parametrize("name", ["model.safetensors", "state.json"])
def test_links_that_lead_outside_are_not_followed(tmp_path: Path, name: str) -> None:
    bad = _save(tmp_path / "run", 2)
    (bad / name).rename(tmp_path / name)
    (bad / name).symlink_to(tmp_path / name)
    assert not checkpoint.is_whole(bad)
    (bad / name).unlink()
    os.mkfifo(bad / name)  # opening it would wait for ever
    assert not checkpoint.is_whole(bad)


def test_the_state_must_have_its_tensors_digest(tmp_path: Path) -> None:
    bad = _save(tmp_path, 2)
    digests = json.loads((bad / "state.json").read_text())["digests"]
    del digests["training.safetensors"]
    _rewrite(bad, digests=digests)
    assert not checkpoint.is_whole(bad)


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
