"""No recorded case is passed over in silence."""

import importlib
import json
import os
from pathlib import Path

import pytest


def test_every_case_is_a_parameter_of_some_test() -> None:
    folder = os.environ.get("REFERENCE_CASES")
    if not folder:
        pytest.skip("REFERENCE_CASES names no folder of reference cases")
    recorded = {case["name"] for case in json.loads((Path(folder) / "index.json").read_text())["cases"]}
    assert len(recorded) == 168
    compared = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        module = importlib.import_module(f"tests.reference.{path.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_"):
                marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
                compared |= {getattr(value, "id", None) for mark in marks for value in mark.args[1]}
    assert recorded <= compared, sorted(recorded - compared)
