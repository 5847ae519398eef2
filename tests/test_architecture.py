"""The floors of the house: imports go down only, and importing the library costs and says little."""

import ast
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import gancomponents
from tests.cases import ROOMS

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
    allowed = {"torch_xla"} if path.relative_to(ROOT).as_posix() == "gancomponents/training/xla.py" else set()
    assert not {name for name in _imports(path) if name.split(".")[0] in UPSTAIRS - allowed}


@pytest.mark.parametrize("room", LOWEST)
def test_the_lowest_floor_knows_only_itself(room: str) -> None:
    for path in (ROOT / "gancomponents" / room).rglob("*.py"):
        assert not {n for n in _imports(path) if any(n.startswith(above) for above in MIDDLE)}, path


def test_importing_is_quiet_and_light() -> None:
    """Each package in turn, so that a failure names the one that brings what is heavy, or not the library's."""
    heavy = {
        *UPSTAIRS - {"torch_xla"},
        *("cv2", "torchvision", "kornia", "timm", "segmentation_models_pytorch", "lpips", "torchmetrics"),
        *(
            "torch_fidelity",
            "torch_xla",
            "torch._dynamo",
            "scipy",
            "sklearn",
            "pandas",
            "sphinx",
            "yaml",
            "tqdm",
        ),
    }
    rooms = ["gancomponents", *(f"gancomponents.{room}" for room in _public())]
    code = f"""
import importlib, sys, torch
before = set(sys.modules)
brought = {{}}
for room in {rooms}:
    importlib.import_module(room)
    brought[room] = sorted({heavy} & (set(sys.modules) - before))
    before = set(sys.modules)
print({{room: names for room, names in brought.items() if names}})
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{}"
    assert done.stderr == ""


def _public() -> dict[str, list[str]]:
    """The public names of every package and module of the library that others may import from."""
    found = {}
    for part in pkgutil.walk_packages(gancomponents.__path__, "gancomponents."):
        private = any(piece.startswith("_") for piece in part.name.split("."))
        if not private and (part.ispkg or part.name == "gancomponents.errors"):
            names = getattr(importlib.import_module(part.name), "__all__", [])
            found[part.name.removeprefix("gancomponents.")] = sorted(names)
    return found


def test_the_public_names_are_those_written_down() -> None:
    """A name that comes, goes or changes is a decision: write it into the file, and into the changelog."""
    assert _public() == json.loads((ROOT / "tests" / "api_surface.json").read_text())


def test_every_package_with_public_names_has_conformance_cases_and_a_page() -> None:
    inside = {name for name in _public() if name.startswith("losses.")}  # shown and tested as losses
    assert set(_public()) - inside == set(ROOMS)


def test_every_public_name_is_exported_once_and_documented() -> None:
    for room in ROOMS:
        module = importlib.import_module(f"gancomponents.{room}")
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert value.__doc__, f"{room}.{name}"


def test_importing_the_library_takes_no_longer_than_torch_and_half_a_second() -> None:
    # Seconds of the process, not of the clock: other tests run beside this one.
    rooms = ", ".join(f"gancomponents.{room}" for room in _public())
    code = (
        f"import time, torch; start = time.process_time(); import {rooms}; print(time.process_time() - start)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.5
