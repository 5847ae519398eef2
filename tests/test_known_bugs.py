"""Every numbered bug of upstream has a test that shows it is not ours."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
NUMBERS = {float(number) for number in range(1, 61)} | {8.5}


def test_every_known_bug_is_tested() -> None:
    found: set[float] = set()
    for path in TESTS.rglob("test_*.py"):
        found |= {float(number) for number in re.findall(r"known_bug\(([\d.]+)\)", path.read_text())}
    assert found == NUMBERS
