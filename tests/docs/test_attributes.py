"""What the reference makes of comments on attributes."""

import re
from pathlib import Path

import gancomponents

PACKAGE = Path(gancomponents.__file__).parent


def test_no_comment_on_an_attribute_reads_as_a_type() -> None:
    # Sphinx takes what stands before a colon for the attribute's type; roles and code may hold one.
    found = 0
    for path in PACKAGE.rglob("*.py"):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            comment = re.match(r" +#: (.*)", line)
            if comment is not None:
                found += 1
                prose = re.sub(r":[a-z:]+:`[^`]*`|``[^`]*``", "", comment[1])
                assert ":" not in prose, f"{path.name}:{number}: say it without a colon"
    assert found
