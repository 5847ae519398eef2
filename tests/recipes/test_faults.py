"""Losses that are not finite, in whole runs: told with the files, nothing lost, gone on with where asked."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from gancomponents.training import AdversarialLoop, Fault, checkpoint
from gancomponents.training.faults import ELSEWHERE
from recipes import cli, run
from recipes.faults import Faults
from recipes.folder import RunFolder
from tests.recipes.tiny import flags, write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Steps, counted from 0, whose simulated pictures are not finite."""
    steps: set[int] = set()
    step = AdversarialLoop.step

    def harmed(self, batch, done, *clock):
        if done in steps:
            batch["s"]["x"][0, 0, 0, 0] = float("nan")
        return step(self, batch, done, *clock)

    monkeypatch.setattr(AdversarialLoop, "step", harmed)
    return steps


def _metrics(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_stops_at_a_fault_and_names_term_step_and_files(
    data: Path, tmp_path: Path, poisoned: set[int], capsys: pytest.CaptureFixture[str]
) -> None:
    poisoned.add(2)
    output = tmp_path / "run"
    with pytest.raises(SystemExit) as left:
        cli.run(run.main, flags(data, output, steps=6, more=("run.Recipe.save_every = 2",)))
    assert left.value.code == cli.MISTAKE
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(
        "error: step 3: expected finite losses and gradients, got masker/d/depth/s and "
    )
    folder = output / "faults" / "step_00000003"
    assert str(folder) in message
    told = json.loads((folder / "fault.json").read_text())
    assert told["step"] == 3
    assert "masker/m/bce/s" in told["not finite"]
    assert len(told["files"]["s"]) == 2
    assert all(Path(name).is_file() for name in told["files"]["s"])
    assert told["checkpoint before"] == "step_00000002"
    batch = load_file(folder / "batch.safetensors")
    assert torch.isnan(batch["s/x"]).sum() == 1
    newest = checkpoint.newest(output / "checkpoints")
    assert newest is not None
    assert newest.name == "step_00000002"


def test_a_run_that_stopped_at_a_fault_goes_on_from_its_checkpoint(
    data: Path, tmp_path: Path, poisoned: set[int]
) -> None:
    poisoned.add(2)
    output, more = tmp_path / "run", ("run.Recipe.save_every = 2",)
    with pytest.raises(SystemExit):
        cli.run(run.main, flags(data, output, steps=4, more=more))
    poisoned.clear()  # the file has been mended
    run.main([*flags(data, output, steps=4, more=more), "--resume", "auto"])
    run.main(flags(data, tmp_path / "whole", steps=4, more=more))
    name = "checkpoints/step_00000004/training.safetensors"
    mended, whole = load_file(output / name), load_file(tmp_path / "whole" / name)
    assert all(torch.equal(mended[key], whole[key]) for key in whole)


def test_a_run_may_leave_such_steps_out(
    data: Path, tmp_path: Path, poisoned: set[int], capsys: pytest.CaptureFixture[str]
) -> None:
    poisoned.add(1)
    output = tmp_path / "run"
    run.main(flags(data, output, steps=4, more=("run.Recipe.on_fault = 'skip'",)))
    skipped = [record for record in _metrics(output) if "skipped" in record]
    assert [record["step"] for record in skipped] == [2]
    assert "masker/d/depth/s" in skipped[0]["skipped"]
    assert "step 2 is left out" in capsys.readouterr().err
    weights = checkpoint.load_weights(output / "checkpoints" / "step_00000004")
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert (output / "report.md").exists()


def test_the_checkpoint_that_a_fault_names_stays(data: Path, tmp_path: Path, poisoned: set[int]) -> None:
    poisoned.update({2, 4})
    output = tmp_path / "run"
    more = ("run.Recipe.on_fault = 'skip'", "run.Recipe.save_every = 1", "run.Recipe.keep = 2")
    run.main(flags(data, output, steps=8, more=more))
    named = [
        json.loads((output / "faults" / f"step_0000000{step}" / "fault.json").read_text())[
            "checkpoint before"
        ]
        for step in (3, 5)
    ]
    kept = {path.name for path in (output / "checkpoints").iterdir()}
    assert kept == {named[1], "step_00000007", "step_00000008"}


def test_of_two_processes_the_one_that_failed_is_named(tmp_path: Path) -> None:
    told = [((ELSEWHERE,), {"s": ["a.png"]}), (("masker/m/bce/s", ELSEWHERE), {"s": ["b.png"]})]
    folder = RunFolder(tmp_path)
    for rank in (0, 1):
        processes = SimpleNamespace(
            rank=rank, count=2, first=rank == 0, gather=lambda own: told, first_does=lambda work: work()
        )
        fault = [Fault(4, told[rank][0])]
        runtime = SimpleNamespace(processes=processes)
        loop = SimpleNamespace(runtime=runtime, fault=lambda now, fault=fault: fault.pop() if fault else None)
        faults = Faults(loop, folder, skip=True, record=lambda step, entry: None)
        faults.check(
            5, {"s": {"x": torch.full((1, 3, 2, 2), float(rank)), "paths": told[rank][1]["s"]}}, now=True
        )
    written = tmp_path / "faults" / "step_00000005"
    record = json.loads((written / "fault.json").read_text())
    assert (record["not finite"], record["files"]) == (["masker/m/bce/s"], {"s": ["b.png"]})
    assert [path.name for path in sorted(written.iterdir())] == ["batch_1.safetensors", "fault.json"]
    assert load_file(written / "batch_1.safetensors")["s/x"].mean() == 1


def test_a_run_gives_up_when_every_step_has_to_be_left_out(
    data: Path, tmp_path: Path, poisoned: set[int], capsys: pytest.CaptureFixture[str]
) -> None:
    poisoned.update(range(20))
    with pytest.raises(SystemExit) as left:
        cli.run(run.main, flags(data, tmp_path / "run", steps=20, more=("run.Recipe.on_fault = 'skip'",)))
    assert left.value.code == cli.MISTAKE
    assert "error: step 11: " in capsys.readouterr().err


def test_fp16_trains_the_flagship_and_logs_scales(data: Path, tmp_path: Path) -> None:
    run.main([*flags(data, tmp_path / "run", steps=3), "--precision", "fp16"])
    last = [record for record in _metrics(tmp_path / "run") if "scale/generator" in record][-1]
    assert last["step"] == 3
    assert {"scale/critic", "skipped/generator", "skipped/critic"} <= last.keys()
    weights = checkpoint.load_weights(tmp_path / "run" / "checkpoints" / "step_00000003")
    assert all(torch.isfinite(value).all() for value in weights.values())
