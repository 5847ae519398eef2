"""The benchmark of the flagship: every section at a tiny size, its JSON as documented, results side by side."""

import copy
import doctest
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.climategan import __main__ as command
from benchmarks.climategan import cases, inference, machine, memory, report
from benchmarks.climategan.cases import Case, count, measure
from benchmarks.climategan.settings import Settings, build, example
from benchmarks.climategan.steps import Steps
from benchmarks.timing import Work, memory_mebibytes, peak_mebibytes
from gancomponents.errors import InputError
from tests.recipes.tiny import TINY

#: Small networks; size and batch are the command's own flags.
SMALL = tuple(binding for binding in TINY if not binding.startswith(("SIZE", "data.Data.batch_size")))
FLAGS = ["--size", "64", "--rounds", "1", "--warm-up", "0"]


def _flags(*more: str) -> list[str]:
    return [*FLAGS, *(flag for binding in SMALL for flag in ("-p", binding)), *more]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run of every section but the memory writes."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setattr(memory, "peaks", lambda settings: _PEAKS)
        command.main(_flags("--json", str(folder / "new" / "a.json")))
    return json.loads((folder / "new" / "a.json").read_text())


_PEAKS = {"step": {"plain": {"imports": 1.0, "made": 2.0, "peak": 4.0}, "fp32": None}}


@pytest.mark.parametrize("module", [cases, machine, report])
def test_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0


def test_every_key_is_documented_and_every_documented_key_is_there(result: dict[str, Any]) -> None:
    assert command.__doc__ is not None
    told = set(re.findall(r"``([\w-]+)``", command.__doc__))
    there = set(_keys({**result, "loader": None}))  # whose keys benchmarks.loader tells
    names = {*result["cases"], *result["machine"], *("s", "r", "rf")}  # by name, not by key
    stages = {"convert", "predict", "paint", "wildfire", "smog", "read", "transform", "step", "inference"}
    assert there - names - stages <= told
    assert told <= there


def _keys(nest: object) -> Iterator[str]:
    if isinstance(nest, dict):
        for key, value in nest.items():
            yield key
            yield from _keys(value)


def test_everything_is_timed(result: dict[str, Any]) -> None:
    rows = result["cases"]
    pieces = ("encoder", "depth", "segmentation", "mask", "painter", "VGG", "painter critic")
    pieces += ("segmentation critic", "mask critic")
    expected = {f"{piece} {way}" for piece in pieces for way in ("forward", "backward")}
    expected |= {"step", "step strict", "generator step", "critics step", "inference"}
    expected |= {"masker s", "masker r", "painter objective", "critics objective"}
    assert set(rows) == expected | {"generator optimiser", "critics optimiser"}
    assert all(row["seconds"]["min"] > 0 for row in rows.values())
    assert rows["inference"]["stages"].keys() == rows["inference"]["plain_stages"].keys()


def test_work_is_counted_once(result: dict[str, Any]) -> None:
    rows = result["cases"]
    parts = [rows[name]["flops"] for name in ("masker s", "masker r", "painter objective")]
    assert rows["generator step"]["flops"] == pytest.approx(sum(parts), rel=1e-6)
    assert rows["step"]["flops"] == rows["generator step"]["flops"] + rows["critics step"]["flops"]
    again = rows["step"]["plain_flops"] - rows["step"]["flops"]
    forward = sum(rows[f"{block} forward"]["flops"] for block in ("encoder", "depth", "segmentation", "mask"))
    assert again == pytest.approx(2 * forward + rows["painter forward"]["flops"], rel=0.01)
    assert rows["step"]["share"] == pytest.approx(
        rows["step"]["flops"] / rows["step"]["seconds"]["median"] / result["ceilings"]["fp32"]
    )


def test_a_ratio_is_taken_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"a": [1.0, 2.0, 4.0], "plain a": [2.0, 6.0, 2.0]}
    monkeypatch.setattr(cases, "time_in_turns", lambda *works, **options: found)
    case = Case("a", lambda: None, lambda: None, flops=10, plain_flops=40)
    row = measure([case], rounds=3, warm_up=0, device="cpu", ceiling=10, plain_ceiling=20)["a"]
    assert row["ratio"] == {"median": 2, "min": 0.5, "max": 3}
    assert (row["flop_per_second"], row["share"]) == (5, 0.5)
    assert (row["plain_flop_per_second"], row["plain_share"]) == (20, 1)


@pytest.mark.parametrize(("batch", "channels_last"), [(2, True), (1, False), (1, True)])
def test_both_forms_do_the_same_work(batch: int, channels_last: bool) -> None:
    recipe = build(
        Settings(size=64, batch=batch, bindings=SMALL), f"run.Recipe.channels_last = {channels_last}"
    )
    recipe.loop.train(False)  # so that counting leaves no trace in the spectral norms
    steps = Steps(recipe, example(recipe))
    for case in steps.objectives():
        assert case.plain is not None
        torch.manual_seed(0)
        case.ours()
        torch.manual_seed(0)
        case.plain()
        side = (recipe.system.critics, steps.plain.critics)
        if case.name != "critics objective":
            side = (recipe.system.model, steps.plain.model)
        ours, plain = (_norm(net) for net in side)
        assert ours == pytest.approx(plain, rel=1e-3), case.name
        assert ours > 0


def _norm(net: nn.Module) -> float:
    gradients: list[Tensor] = [p.grad for p in net.parameters() if p.grad is not None]
    return float(torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt())


def test_every_work_whose_memory_is_measured_runs() -> None:
    settings = Settings(size=64, bindings=SMALL)
    for work in memory.WORKS.values():
        for variant in ("plain", "bf16"):
            work(settings, variant)()
    static = memory.static_mebibytes(build(settings))
    assert static["moments"] == 2 * static["weights"] == 2 * static["gradients"] > 0


def test_memory_is_told_apart() -> None:
    found = memory_mebibytes(_keep, 64, 32)
    if found is None:
        pytest.skip("this system does not tell the peak of a process")
    assert found["made"] == pytest.approx(64, abs=16)
    assert found["peak"] == pytest.approx(32, abs=16)
    assert peak_mebibytes(_keep, 1, 32) == pytest.approx(32, abs=16)


def _keep(made: int, peak: int) -> Work:
    kept = torch.ones(made * 2**18)
    return lambda: torch.ones(peak * 2**18).add_(kept[0])


def test_the_last_line_tells_both_ratios(result: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    number = r"[\d.]+ times the plain form, \d+% of the fp32 ceiling"
    assert re.fullmatch(f"step {number}; inference {number}", report.last_line(result))
    command.main(_flags("--only", "loader"))
    assert capsys.readouterr().out.splitlines()[-1].startswith("neither step nor inference")


def test_results_are_compared(
    result: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faster = copy.deepcopy(result)
    for row in faster["cases"].values():
        row["seconds"] = {key: value / 4 for key, value in row["seconds"].items()}
    faster["memory"]["peaks"]["step"]["plain"]["peak"] /= 2
    for name, content in {"a": result, "b": faster}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    command.main(["--compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    lines = {line[:28].strip(): line[28:].split() for line in capsys.readouterr().out.splitlines()}
    assert lines["step"][-1] == "4.00x"
    assert lines["plain step"][-1] == "1.00x"
    assert lines["loader r ours, samples/s"][-1] == "1.00x"
    assert lines["step, plain, MiB"] == ["4", "2", "2.00x"]


def test_upstream_is_told_where_it_was_measured(result: dict[str, Any]) -> None:
    assert result["calibration"] == {}
    told = {**result, "settings": {**result["settings"], "size": 256}, "calibration": {"step": 4.5}}
    (line,) = report.calibration_lines(told)
    assert "9.02 s where it was measured, would take 4.50 s" in line


def test_a_profile_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(_flags("--only", "inference", "--profile", str(tmp_path / "profile")))
    for name in ("step", "inference"):
        assert json.loads((tmp_path / "profile" / f"{name}.json").read_text())["traceEvents"]
        assert "aten::" in (tmp_path / "profile" / f"{name}.txt").read_text()
    assert "aten::" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--size", "0"], "0 is less than 1"),
        (["--size", "68"], "--size: expected a multiple of"),
        (["--precision", "int8"], "int8"),
        (["--only", "nothing"], "nothing"),
        (["--device", "abacus"], "device: expected"),
        (["--compare", "one.json", "two.json"], "--compare one.json"),
        (["--rounds", "many"], "many"),
    ],
)
def test_bad_flags_are_told_in_one_line(flags: list[str], told: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)) as error:
        command.main(_flags(*flags))
    assert "\n" not in str(error.value)


def test_counted_flops_are_those_of_the_formula() -> None:
    conv, x = nn.Conv2d(3, 4, 3, padding=1), torch.ones(2, 3, 8, 8)
    assert count(lambda: conv(x)) == 2 * (2 * 8 * 8) * (3 * 3 * 3) * 4


def test_photos_have_the_size() -> None:
    assert inference.photos(Settings(size=96, batch=2)).shape == (2, 96, 96, 3)
