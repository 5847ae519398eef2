"""Conformance cases of `gancomponents.data.town`: it renders, so its tests look at frames and files."""

from tests.case import Case, Elsewhere

_FILES = ("RENDERER_VERSION", "Summary", "cached_town", "check_parameters", "write_town")
_ELSEWHERE = {
    "tests/data/town/test_town_render.py": ("Frame", "render_frame"),
    "tests/data/town/test_town_files.py": _FILES,
}

CASES: list[Case | Elsewhere] = [
    Elsewhere(f"data.town.{name}", file) for file, names in _ELSEWHERE.items() for name in names
]
