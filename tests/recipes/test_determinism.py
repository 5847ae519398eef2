"""The flag that makes bits repeat: what it sets, what it gives back, what it refuses, and that it trains."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gancomponents.errors import InputError
from recipes import run
from recipes.determinism import deterministic, lacking
from tests.recipes.tiny import flags, write_data

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def _settings() -> tuple[bool, bool, bool, bool, str | None]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        os.environ.get(_WORKSPACE),
    )


def _put() -> torch.Tensor:
    """An operation without a deterministic algorithm, on any device."""
    return torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))


@pytest.mark.parametrize("variable", [None, ":16:8", "something else"])
def test_settings_hold_inside_and_are_given_back(variable: str | None, monkeypatch) -> None:
    if variable is None:
        monkeypatch.delenv(_WORKSPACE, raising=False)
    else:
        monkeypatch.setenv(_WORKSPACE, variable)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        before = _settings()
        with deterministic(False):
            assert _settings() == before
        with pytest.raises(KeyError), deterministic(True):
            assert _settings() == (True, False, True, False, ":16:8" if variable == ":16:8" else ":4096:8")
            raise KeyError
        assert _settings() == before
    finally:
        torch.use_deterministic_algorithms(False)


def test_an_operation_without_such_an_algorithm_is_named() -> None:
    with deterministic(False):
        _put()
    with pytest.raises(InputError, match=r"--deterministic: .* got put_\. Fix"), deterministic(True):
        _put()
    with pytest.raises(RuntimeError, match="size of tensor"), deterministic(True):
        torch.ones(2) + torch.ones(3)
    assert lacking(ValueError("another")) is None


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def _trained(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "checkpoints" / "step_00000002" / "training.safetensors")


def test_the_flagship_trains_under_it_to_the_same_bits_with_workers_and_without(
    data: Path, tmp_path: Path, monkeypatch
) -> None:
    seen = []
    backward = torch.Tensor.backward

    def watched(self, *arguments, **options):
        seen.append(torch.are_deterministic_algorithms_enabled())
        return backward(self, *arguments, **options)

    monkeypatch.setattr(torch.Tensor, "backward", watched)
    found = []
    for name, workers in (("first", 0), ("again", 0), ("workers", 2)):
        command = flags(data, tmp_path / name, more=(f"data.Data.workers = {workers}",))
        run.main([*command, "--deterministic"])
        found.append(_trained(tmp_path / name))
    assert seen
    assert all(seen)
    assert not torch.are_deterministic_algorithms_enabled()
    assert "run.Recipe.deterministic = True" in (tmp_path / "first" / "config.gin").read_text()
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        assert all(torch.equal(other[key], found[0][key]) for key in other)


def test_a_part_that_cannot_is_refused_before_anything_is_written(
    data: Path, tmp_path: Path, monkeypatch
) -> None:
    from gancomponents.generators import SPADEPainter

    forward = SPADEPainter.forward
    monkeypatch.setattr(SPADEPainter, "forward", lambda *given: (_put(), forward(*given))[1])
    with pytest.raises(InputError, match=r"--deterministic: .* got put_\."):
        run.main([*flags(data, tmp_path / "run"), "--deterministic"])
    assert not (tmp_path / "run").exists()
