"""A dry run: the plan, a step's cost, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from recipes import run
from tests.recipes.tiny import TINY

_COMMAND = ["--gin", "recipes/climategan.gin", *(word for binding in TINY for word in ("-p", binding))]
#: What a dry run of the flagship has no use for. torchvision is asked for by the check of the installation.
_HEAVY = (
    "cv2",
    "kornia",
    "timm",
    "segmentation_models_pytorch",
    "lpips",
    "matplotlib",
    "wandb",
    "torch_fidelity",
)


def test_it_prints_the_plan_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run.main([*_COMMAND, "--precision", "fp32", "--dry-run"])
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "climategan: 350 steps on cpu in fp32, channels_last, seed 0"
    titles = [line[2:12].strip() for line in lines[1:] if line[2:3].strip()]
    order = ["starts", "results", "data", "networks", "measured", "losses", "one step", "memory"]
    assert titles == order
    assert "runs/climategan-" in lines[2]
    assert "s     batches of 2 of 320 frames, 64 x 64 px, with s, d, m" in out
    assert "masker  d/depth/s," in out
    assert max(map(len, lines)) <= 100
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_bindings_are_printed_when_asked_for(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run.main([*_COMMAND, "--bindings", *more])
    out = capsys.readouterr().out
    assert "climategan.Masker.target_stride = 2" in out
    assert ("one step" in out) == bool(more)
    assert list(tmp_path.iterdir()) == []


def test_it_loads_nothing_that_it_does_not_need() -> None:
    code = f"""
import sys
from recipes import run
run.main({[*_COMMAND, "--dry-run"]})
print([name for name in {_HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
