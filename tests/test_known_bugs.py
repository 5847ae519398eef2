"""Every numbered bug of upstream has a test that shows it is not ours, or a reason why it cannot have one yet."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
NUMBERS = {float(number) for number in range(1, 61)} | {8.5}

#: What the part with the bug is, where this project has no such part yet.
LATER = {
    31: "the painter's loss for the masker",
    32: "the painter's loss for the masker",
    38: "pre-training on Virtual KITTI",
}


def test_every_known_bug_is_tested_or_waits_for_its_part() -> None:
    found: set[float] = set()
    for path in TESTS.rglob("test_*.py"):
        found |= {float(number) for number in re.findall(r"known_bug\(([\d.]+)\)", path.read_text())}
    assert found <= NUMBERS
    assert not found & set(LATER), "a bug that is tested now need not wait"
    assert found | set(LATER) == NUMBERS
