"""The floors of the house: imports go down only, and importing the library costs and says little."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UPSTAIRS = {"recipes", "gin", "wandb", "comet_ml", "gradio", "torch_xla", "matplotlib"}
LOWEST = ("layers", "encoders", "decoders", "generators", "discriminators", "losses", "optim", "metrics")
MIDDLE = {"gancomponents.training", "gancomponents.events", "gancomponents.data"}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "gancomponents").rglob("*.py")), ids=lambda p: p.stem)
def test_the_library_knows_nothing_of_recipes(path: Path) -> None:
    assert not {name for name in _imports(path) if name.split(".")[0] in UPSTAIRS}


@pytest.mark.parametrize("room", LOWEST)
def test_the_lowest_floor_knows_only_itself(room: str) -> None:
    for path in (ROOT / "gancomponents" / room).rglob("*.py"):
        assert not {n for n in _imports(path) if any(n.startswith(above) for above in MIDDLE)}, path


def test_importing_is_quiet_and_light() -> None:
    heavy = [
        "gin",
        "wandb",
        "matplotlib",
        "cv2",
        "torchvision",
        "kornia",
        "lpips",
        "segmentation_models_pytorch",
    ]
    rooms = ["gancomponents", *(f"gancomponents.{room}" for room in LOWEST), *sorted(MIDDLE)]
    code = f"import sys, {', '.join(rooms)}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_every_public_name_is_exported_once_and_documented() -> None:
    for room in (*LOWEST, "training", "events", "data"):
        module = importlib.import_module(f"gancomponents.{room}")
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert value.__doc__, f"{room}.{name}"
