"""The examples of the documentation: short, and they learn."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_fits_on_a_page(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 60


def test_every_example_is_run_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {"pix2pix", "r3gan", "advent"}


def test_pix2pix_comes_closer_to_the_street() -> None:
    distances = _load("pix2pix").main(steps=24, size=32, count=8)
    assert _mean(distances[-6:]) < 0.8 * _mean(distances[:3])


def test_r3gan_finds_the_colours_of_streets() -> None:
    *gaps, averaged = _load("r3gan").main(steps=60, size=16, count=32, batch=8)
    assert _mean(gaps[-10:]) < 0.8 * _mean(gaps[:5])
    assert averaged < 0.8 * _mean(gaps[:5])


def test_advent_learns_to_segment_photographs() -> None:
    before, after = _load("advent").main(steps=40, size=32, count=16)
    assert after > before + 0.05
    assert _load("advent").main(steps=40, size=32, count=16, weight=0.0)[1] != after


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_snippet_of_a_page_runs(page: str) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", (EXAMPLES.parents[1] / page).read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(snippet, names)
    losses = [value for name, value in names.items() if name.endswith("loss")]
    assert losses
    assert all(loss.isfinite() for loss in losses)
