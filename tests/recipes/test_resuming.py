"""The rules of resuming, as functions: what may be asked for, and which checkpoint a path means."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gancomponents.errors import InputError
from gancomponents.training import checkpoint
from recipes import resuming

MODELS = {
    "pm": {"masker": True, "painter": True},
    "m": {"masker": True, "painter": False},
    "p": {"masker": False, "painter": True},
}
ALLOWED = {"pm": ({"m", "p"}, {"pm"}), "m": ({"m"}, {"pm"}), "p": ({"p"}, {"pm"})}
COMBINATIONS = [{"m"}, {"p"}, {"pm"}, {"m", "p"}, {"m", "pm"}, {"p", "pm"}, {"m", "p", "pm"}]


def _run(folder: Path, *steps: int) -> Path:
    for step in steps:
        checkpoint.save(folder / "checkpoints", step, {}, {"model": {"w": torch.ones(1)}}, keep=9)
    return folder


def _newest(folder: Path, step: int) -> Path:
    return folder / "checkpoints" / f"step_{step:08d}"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("given", COMBINATIONS, ids=lambda given: "+".join(sorted(given)))
@pytest.mark.parametrize("bound", [False, True], ids=["flag", "binding"])
def test_every_combination_of_paths(tmp_path: Path, model: str, given: set[str], bound: bool) -> None:
    paths = {key: str(_run(tmp_path / key, 1, 2)) for key in given}
    flags = [] if bound else [f"{key}={path}" for key, path in paths.items()]
    load_paths = {"m": None, "p": None, "pm": None, **(paths if bound else {})}
    request = resuming.parse(flags, load_paths)
    if given in ALLOWED[model]:
        plan = resuming.plan(request, tmp_path / "out", **MODELS[model])
        assert plan.sources == {key: _newest(tmp_path / key, 2) for key in given}
        assert plan.output == tmp_path / "out"
        return
    what = "run.Recipe.load_paths" if bound else "--resume"
    rule = "m and p, or pm, for" if model == "pm" else f"{model} or pm, for a model of a"
    with pytest.raises(
        InputError, match=rf"^{what}: expected {rule}.* got {' and '.join(sorted(given)[:1])}"
    ):
        resuming.plan(request, tmp_path / "out", **MODELS[model])


@pytest.mark.parametrize("model", MODELS)
def test_with_no_path_the_output_counts(tmp_path: Path, model: str) -> None:
    output = _run(tmp_path / "run", 1, 4)
    for load_paths in (None, {}, {"m": None, "p": None, "pm": None}):
        plan = resuming.plan(resuming.parse([], load_paths), output, **MODELS[model])
        assert plan.sources == {"pm": _newest(output, 4)}
        assert plan.continues(output / "checkpoints")


@pytest.mark.parametrize("model", MODELS)
def test_a_path_alone_serves_any_model_and_names_the_output(tmp_path: Path, model: str) -> None:
    run = _run(tmp_path / "run", 1)
    request = resuming.parse([str(run)], {"m": "not/looked/at"})
    assert resuming.plan(request, None, **MODELS[model]) == resuming.Plan({"pm": _newest(run, 1)}, run)
    fork = resuming.plan(request, tmp_path / "fork", **MODELS[model])
    assert fork.output == tmp_path / "fork"
    assert not fork.continues(tmp_path / "fork" / "checkpoints")


def test_load_paths_wait_for_the_flag() -> None:
    assert resuming.parse(None, {"pm": "runs/flood"}) is None
    assert resuming.plan(None, Path("out")) == resuming.Plan({}, Path("out"))


def test_auto_starts_afresh_where_there_is_none(tmp_path: Path) -> None:
    request = resuming.parse(["auto"], {"pm": "not/looked/at"})
    assert resuming.plan(request, tmp_path).sources == {}
    _run(tmp_path, 3)
    assert resuming.plan(request, tmp_path).sources == {"pm": _newest(tmp_path, 3)}


@pytest.mark.parametrize("place", ["run", "checkpoints", "checkpoint", "state", "weights"])
def test_directories_mean_their_newest_and_files_that_one(tmp_path: Path, place: str) -> None:
    run = _run(tmp_path / "run", 1, 12)
    first, newest = _newest(run, 1), _newest(run, 12)
    path, expected = {
        "run": (run, newest),
        "checkpoints": (run / "checkpoints", newest),
        "checkpoint": (first, first),
        "state": (first / "state.json", first),
        "weights": (first / "model.safetensors", first),
    }[place]
    assert resuming.locate(str(path), "--resume") == expected


def test_a_directory_passes_over_damage(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", 1, 2)
    (_newest(run, 2) / "model.safetensors").write_bytes(b"")
    assert resuming.locate(str(run), "--resume") == _newest(run, 1)
    for damaged in (_newest(run, 2), _newest(run, 2) / "state.json"):
        with pytest.raises(InputError, match="a damaged one"):
            resuming.locate(str(damaged), "--resume")


def test_a_bare_file_of_weights(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.ones(1)}, path)
    plan = resuming.plan(resuming.parse([str(path)]), None)
    assert plan == resuming.Plan({"pm": path}, None)
    assert not plan.continues(tmp_path)


@pytest.mark.parametrize("place", ["file", "folder", "run"])
def test_upstreams_checkpoints_are_to_be_converted(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "latest_ckpt.pth").write_bytes(b"pickle")
    path = {"file": folder / "latest_ckpt.pth", "folder": folder, "run": tmp_path}[place]
    with pytest.raises(InputError, match=r"^--resume m .*pickled.*python -m recipes\.convert"):
        resuming.plan(resuming.parse([f"m={path}"]), None, masker=True, painter=False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["nowhere"], "--resume nowhere: expected an existing path"),
        (["pm=nowhere"], "--resume pm nowhere: expected an existing path"),
        (["x=nowhere"], "--resume x=nowhere: expected an existing path"),
        (["m="], "--resume m=: expected one path after m=, got none"),
        (["m=a", "m=b"], "--resume m=b: expected one path after m=, got the same twice"),
        (["auto", "m=a"], "got a mixture"),
        (["a", "b"], "got a mixture"),
        (["a", "pm=b"], "got a mixture"),
        (["auto"], "--resume auto: expected --output DIR beside it"),
        ([], "--resume: expected --output DIR beside it"),
        ([__file__], "got a .py file"),
        ([str(Path(__file__).parent)], "got no state.json in it"),
    ],
)
def test_mistakes_of_the_flag(values: list[str], message: str) -> None:
    with pytest.raises(InputError) as raised:
        resuming.plan(resuming.parse(values), None)
    assert message in str(raised.value)


def test_resuming_an_output_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a run with a checkpoint, got none.*--resume auto"):
        resuming.plan(resuming.parse([]), tmp_path)


@pytest.mark.parametrize("load_paths", [{"q": "x"}, {"m": 3}, {"m": ""}, "runs/flood", ["m"]])
def test_mistakes_of_the_binding(load_paths: object) -> None:
    with pytest.raises(InputError, match=r"^run\.Recipe\.load_paths: expected paths or None"):
        resuming.parse([], load_paths)
