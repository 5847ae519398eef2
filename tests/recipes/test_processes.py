"""The command under torchrun: two processes train one run, and go on with it exactly."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gancomponents.errors import InputError
from recipes import config
from recipes.recipe import Recipe
from tests.recipes.tiny import TINY, flags, write_data

_TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
_MORE = ("run.Recipe.save_every = 1", "run.Recipe.log_every = 1", "run.Recipe.keep = 9")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), count=8)


def _command(data: Path, output: Path, steps: int, *more: str) -> list[str]:
    return [*_TORCHRUN, "-m", "recipes.run", *flags(data, output, steps=steps, more=_MORE), *more]


def _train(data: Path, output: Path, steps: int, *more: str) -> str:
    done = subprocess.run(_command(data, output, steps, *more), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _state(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / f"step_{step:08d}" / "training.safetensors")


def _losses(folder: Path) -> list[dict]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        record.pop("time"), record.pop("images_per_second", None)
    return records


def test_a_run_of_two_processes_writes_once_and_goes_on_exactly(data: Path, tmp_path: Path) -> None:
    said = _train(data, tmp_path / "whole", 4)
    assert said.count("evaluating on held-out frames") == 1  # the first process speaks for both
    _train(data, tmp_path / "parts", 3)  # between the halves of an extragradient pair
    _train(data, tmp_path / "parts", 4, "--resume", "auto")
    whole, parts = (_state(tmp_path / name, 4) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert {key for key in whole if key.startswith("loop/rng/")} == {
        f"loop/rng/{rank}/cpu" for rank in (0, 1)
    }
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    trained = [[r for r in _losses(tmp_path / name) if "lr/generator" in r] for name in ("whole", "parts")]
    assert [record["step"] for record in trained[0]] == [1, 2, 3, 4]
    assert trained[0] == trained[1]


def test_sigterm_saves_in_both_and_says_how_to_go_on(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    running = subprocess.Popen(
        _command(data, output, 500), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    deadline = time.monotonic() + 120
    while not list(output.glob("checkpoints/step_*/state.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert "--resume auto" in said, said
    last = max(
        int(path.parent.name.removeprefix("step_")) for path in output.glob("checkpoints/*/state.json")
    )
    assert f"stopped at step {last}" in said


def test_a_mistake_is_told_once(data: Path, tmp_path: Path) -> None:
    command = _command(data, tmp_path / "run", 4, "-p", "data.Data.batch_size = 5")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.count("error: ") == 1, done.stderr
    assert "at least one batch of 10 rows (2 processes with 5)" in done.stderr


def test_batch_norms_of_all_processes_train_a_recipe_that_accumulates(data: Path, tmp_path: Path) -> None:
    knobs = (
        "run.Recipe.sync_batch_norm = True",
        "run.Recipe.accumulate = 2",
        "run.Recipe.validate_every = 2",
    )
    more = [flag for binding in knobs for flag in ("-p", binding)]
    _train(data, tmp_path / "run", 2, *more, "-p", "generators.SPADEPainter.checkpointing = True")
    assert "SyncBatchNorm" in (tmp_path / "run" / "architecture.txt").read_text()
    state = _state(tmp_path / "run", 2)
    tracked = [value.item() for key, value in state.items() if key.endswith("num_batches_tracked")]
    assert set(tracked) >= {8}  # two domains in two parts of two steps
    assert all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point())


def test_batch_norms_at_which_a_process_would_wait_are_refused() -> None:
    bindings = ["run.Recipe.sync_batch_norm = True", "data.Data.incomplete = 'keep'"]
    config.parse("recipes/climategan.gin", [*TINY, *bindings])
    with pytest.raises(InputError, match=r"data.Data.incomplete: expected 'error' or 'skip'"):
        config.build(Recipe)
