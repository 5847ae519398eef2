"""No recorded case is passed over in silence."""

import json
import os
import re
from pathlib import Path

import pytest

#: Kinds that compare whole systems; their parts are compared one by one. They wait for the complete ClimateGAN.
LATER = {"TrainLoop", "paint_and_mask"}


def test_every_kind_of_case_has_a_test() -> None:
    folder = os.environ.get("REFERENCE_CASES")
    if not folder:
        pytest.skip("REFERENCE_CASES names no folder of reference cases")
    kinds = {case["kind"] for case in json.loads((Path(folder) / "index.json").read_text())["cases"]}
    tests = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    claimed = {
        kind for call in re.findall(r"\bcases\(([^)]*)\)", tests) for kind in re.findall(r'"([^"]+)"', call)
    }
    assert kinds <= claimed | LATER
    assert not claimed & LATER, "a kind that is tested now need not wait"
