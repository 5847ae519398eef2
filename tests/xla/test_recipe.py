"""The flagship recipe at tiny size on an XLA device: the CPU's losses, few graphs, and it goes on exactly."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gancomponents.errors import InputError
from gancomponents.training import AdversarialLoop, xla
from recipes import run
from tests.recipes.tiny import flags, write_data

# The same numbers on both devices: no label noise, which each draws by itself.
_EXACT = (
    "losses.BCEGANLoss.label_smoothing = 0.0",
    "losses.BCEGANLoss.flip_probability = 0.0",
    "run.Recipe.log_every = 1",
)


def _train(data: Path, output: Path, steps: int, *more: str, device: str = "xla") -> None:
    run.main([*flags(data, output, steps=steps, more=_EXACT), "--device", device, *more])


def _losses(folder: Path) -> dict[int, dict[str, float]]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {r["step"]: {k: v for k, v in r.items() if "/" in k} for r in records if "lr/generator" in r}


def _state(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / f"step_{step:08d}" / "training.safetensors")


def test_torch_compile_is_refused(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    with pytest.raises(InputError, match=r"run\.Recipe\.compile: expected False on XLA"):
        _train(data, tmp_path / "run", 2, "-p", "run.Recipe.compile = True")


def test_flagship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[int] = []
    left: set[str] = set()
    step = AdversarialLoop.step

    def counted(self, *arguments):
        before, fallbacks = xla.compilations(), xla.fallbacks()
        losses = step(self, *arguments)
        compiled.append(xla.compilations() - before)
        left.update(name for name, count in xla.fallbacks().items() if count > fallbacks.get(name, 0))
        return losses

    monkeypatch.setattr(AdversarialLoop, "step", counted)
    data = write_data(tmp_path / "data", count=8)
    shown = ("-p", "run.Recipe.sample_every = 2", "-p", "run.Recipe.save_every = 2")
    _train(data, tmp_path / "shown", 8, *shown)
    # Extrapolation and update, and the first of each with moments still to be made; after pictures and checkpoints
    # weights are put back.
    assert sum(compiled[:4]) <= 5
    assert compiled[4:] == [0, 0, 0, 0]
    _train(data, tmp_path / "whole", 6)
    assert not left

    _train(data, tmp_path / "cpu", 6, device="cpu")
    ours, theirs = _losses(tmp_path / "whole"), _losses(tmp_path / "cpu")
    assert list(ours) == list(theirs) == [1, 2, 3, 4, 5, 6]
    for number, losses in theirs.items():
        losses = {name: value for name, value in losses.items() if not name.startswith("grad_norm/")}
        assert {name: ours[number][name] for name in losses} == pytest.approx(losses, rel=2e-2, abs=1e-4)

    _train(data, tmp_path / "parts", 3)
    _train(data, tmp_path / "parts", 6, "--resume", "auto")
    whole, parts = (_state(tmp_path / name, 6) for name in ("whole", "parts"))
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    assert _losses(tmp_path / "parts") == ours

    # A checkpoint of one device starts a run on another.
    _train(data, tmp_path / "parts", 7, "--resume", "auto", device="cpu")
    assert sorted(_losses(tmp_path / "parts")) == [1, 2, 3, 4, 5, 6, 7]
