"""The adversarial loop on an XLA device: numbers, graphs, resuming, faults."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gancomponents.errors import InputError
from gancomponents.optim import ExtraAdam
from gancomponents.training import Runtime, checkpoint, xla
from tests.xla.game import ROWS, batches, loop_on, play, weights


def _close(found: dict, expected: dict, tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.parametrize("optimiser", [ExtraAdam, torch.optim.Adam])
def test_losses_and_weights_are_those_of_the_cpu(optimiser: type) -> None:
    ours, theirs = (loop_on(device, noise=False, optimiser=optimiser) for device in ("xla", "cpu"))
    found, expected = play(ours, 0, 6), play(theirs, 0, 6)
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=1e-3)
    _close(weights(ours), weights(theirs), 2e-3)


def _transfers() -> int:
    from torch_xla.debug.metrics import metric_data

    found = metric_data("TransferFromDeviceTime")
    return 0 if found is None else found[0]


def test_graphs_are_few_and_nothing_in_a_step_waits_for_the_host() -> None:
    loop = loop_on("xla")
    play(loop, 0, 5)
    compiled, left, read = xla.compilations(), xla.fallbacks(), _transfers()
    for step, batch in enumerate(batches(5, 11), start=5):  # another learning rate in each
        loop.step(batch, step)
    assert xla.compilations() == compiled
    assert xla.fallbacks() == left
    assert _transfers() == read


def test_what_is_done_between_steps_and_phases_that_come_back_make_no_graph() -> None:
    loop = loop_on("xla")
    objective = loop.generator.objective

    def stage(noise: bool, first: int) -> None:
        objective.noise = noise
        play(loop, first, first + 6)
        weights(loop)  # as a checkpoint does
        with loop.generator.settled(), torch.no_grad():  # as pictures do
            objective.net(torch.rand(2, 3, 8, 8).to(loop.runtime.device)).cpu()

    stage(True, 0)
    stage(False, 6)
    compiled = xla.compilations()
    stage(True, 12)
    stage(False, 18)
    assert xla.compilations() == compiled


def test_a_new_shape_is_a_new_graph() -> None:
    """So that the test before this one can fail."""
    loop = loop_on("xla")
    play(loop, 0, 5)
    compiled = xla.compilations()
    for step, batch in enumerate(batches(5, 7), start=5):
        loop.step({"s": {"x": batch["s"]["x"][: ROWS - 1]}}, step)
    assert xla.compilations() > compiled


def test_it_goes_on_exactly_and_its_checkpoints_fit_every_device(tmp_path: Path) -> None:
    whole = loop_on("xla")
    play(whole, 0, 6)
    first = loop_on("xla")
    play(first, 0, 3)  # between the halves of a pair
    path = checkpoint.save(tmp_path, 3, first.state_dict(), {}, keep=1)
    play(first, 3, 5)  # what was saved is no view of it
    again = loop_on("xla")
    again.load_state_dict(checkpoint.load(path))
    assert play(again, 3, 6) == play(_resumed("xla", path), 3, 6)
    ours, theirs = weights(again), weights(whole)
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []
    elsewhere = _resumed("cpu", path)
    kept = checkpoint.save(tmp_path, 4, elsewhere.state_dict(), {}, keep=2)
    _close(weights(elsewhere), weights(_resumed("xla", kept)), 0)
    play(elsewhere, 3, 4)


def _resumed(device: str, path: Path):
    loop = loop_on(device)
    loop.load_state_dict(checkpoint.load(path))
    return loop


def test_bf16_is_close_and_fp16_is_refused() -> None:
    rough, exact = (play(loop_on("xla", precision, noise=False), 0, 4) for precision in ("bf16", "fp32"))
    for a, b in zip(rough, exact, strict=True):
        assert a == pytest.approx(b, rel=0.05)
        assert a != b
    with pytest.raises(InputError, match="fp32 or bf16 on XLA"):
        Runtime("xla", "fp16")


def test_a_fault_is_undone_on_the_device_and_told_a_step_later() -> None:
    loop = loop_on("xla", optimiser=torch.optim.Adam)  # whose every step is averaged
    play(loop, 0, 3)
    before = weights(loop)
    (batch,) = batches(3, 4)
    batch["s"]["x"][0, 0, 0, 0] = torch.nan
    loop.step(batch, 3)
    assert loop.fault() is None
    fault = loop.fault(now=True)
    assert fault is not None
    assert fault.step == 3
    assert "gan" in fault.names
    after = weights(loop)
    assert [name for name in before if not torch.equal(before[name], after[name])] == []


def test_what_the_batches_raise_is_raised_here() -> None:
    def failing():
        yield next(batches(0, 1))
        raise InputError("a.png", got="nothing", fix="put it back")

    with pytest.raises(InputError, match=r"a\.png"):
        list(Runtime("xla", "fp32").feed(failing()))


def test_two_cores_do_what_one_does() -> None:
    env = {**os.environ, "CPU_NUM_DEVICES": "2"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.xla.game"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["cores"], found["compiled"], found["left"]) == (2, 0, {})
    alone = loop_on("xla", noise=False)
    for a, b in zip(found["losses"], play(alone, 0, 9), strict=True):
        assert a == pytest.approx(b, rel=1e-3)
    _close({name: torch.tensor(value) for name, value in found["weights"].items()}, weights(alone), 2e-3)


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="without torchrun"):
        Runtime("xla", "fp32")
