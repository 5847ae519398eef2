"""What is taken from checkpoints: whole states exactly, parts by name; every lack told before a file is written."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from gancomponents.errors import InputError
from gancomponents.training import checkpoint
from recipes import config, restoring, run
from recipes.phases import Phases
from recipes.recipe import Recipe
from recipes.session import Stays
from tests.recipes.tiny import flags, write_data

# The part alone, and no pictures of events, which need both.
_SCORED = "data.Data.val = {'s': 'val_s.json', 'rf': 'val_rf.json'}"
MASKER = ("climategan.ClimateGAN.painter = None", "climategan.Critics.painter = None", _SCORED)
PAINTER = (
    "climategan.ClimateGAN.masker = None",
    "climategan.Critics.segmentation = None",
    "climategan.Critics.mask = None",
    _SCORED,
)
AVERAGED = ("climategan.System.generator_average = @optim.ExponentialMovingAverage",)
MORE = {"m": MASKER, "p": PAINTER, "pm": (_SCORED,), "averaged": (_SCORED, *AVERAGED)}
STEPS = {"m": 3, "p": 1, "pm": 3, "averaged": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of a masker, a painter, both, and both with averages, each stopped between the halves of a pair."""
    home = tmp_path_factory.mktemp("runs")
    for number, (name, more) in enumerate(MORE.items()):
        more = (*more, "data.Data.truth = {}")
        run.main([*flags(data, home / name, steps=STEPS[name], more=more), "--seed", str(number)])
    return home


def _recipe(data: Path, more: tuple[str, ...] = ()) -> Recipe:
    parsed = run._parser().parse_args(flags(data, more=more))
    config.parse(parsed.gin, [*parsed.binding, "run.Recipe.device = 'cpu'", "run.Recipe.steps = 9"])
    return config.build(Recipe)


def _newest(folder: Path) -> Path:
    found = checkpoint.newest(folder / "checkpoints")
    assert found is not None
    return found


def _sources(runs: Path, **names: str) -> dict[str, Path]:
    return {key: _newest(runs / name) for key, name in names.items()}


def _player(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return state["loop"]["players"][name]


@pytest.mark.parametrize(
    ("more", "names", "parts"),
    [
        ((), {"m": "m", "p": "p"}, {"m": "m", "p": "p"}),
        ((), {"m": "pm", "p": "averaged"}, {"m": "pm", "p": "averaged"}),
        (MASKER, {"pm": "pm"}, {"m": "pm"}),
        (PAINTER, {"pm": "pm"}, {"p": "pm"}),
        (MASKER, {"m": "averaged"}, {"m": "averaged"}),
    ],
    ids=["m and p", "parts of two", "masker of both", "painter of both", "m of both"],
)
def test_parts_are_put_together_by_name(
    data: Path, runs: Path, more: tuple[str, ...], names: dict[str, str], parts: dict[str, str]
) -> None:
    recipe = _recipe(data, more)
    found = restoring.read(_sources(runs, **names), recipe.loop)
    recipe.loop.load_state_dict(found.loop)
    last = parts.get("p", parts.get("m"))
    assert found.step == STEPS[str(last)] + 1  # odd ones are rounded up
    assert found.before is None
    for module, kind in ((recipe.system.model, "model"), (recipe.system.critics, "critics")):
        settled = {part: checkpoint.load_weights(_newest(runs / name), kind) for part, name in parts.items()}
        for key, value in module.state_dict().items():
            assert torch.equal(value, settled[restoring.part_of(f"{kind}.{key}")][key]), key
    states = {part: checkpoint.load(_newest(runs / name)) for part, name in parts.items()}
    for name, player in recipe.loop.players.items():
        moments = player.state_dict()["optimiser"]["state"]
        assert moments
        for key, own in moments.items():
            saved = _player(states[restoring.part_of(key)], name)["optimiser"]["state"][key]
            assert "anchor" in saved  # the source stands on a look-ahead
            assert own.keys() == saved.keys() - {"anchor"}
            assert all(torch.equal(own[k], saved[k]) for k in own)
        assert player.optimiser.next_half == "extrapolation"


def test_what_is_put_together_trains_on_and_says_so(data: Path, runs: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "both"
    values = [f"{key}={runs / key}" for key in ("m", "p")]
    run.main([*flags(data, output, steps=4), "--resume", *values])
    error = capsys.readouterr().err
    assert f"taken by name from {_newest(runs / 'm')} and {_newest(runs / 'p')}, to go on at step 2" in error
    assert checkpoint.step_of(_newest(output)) == 4
    run.main([*flags(data, output, steps=5), "--resume", *values, "--resume", "auto"])
    assert checkpoint.step_of(_newest(output)) == 5


def test_load_paths_of_the_recipe(data: Path, runs: Path, tmp_path: Path, capsys) -> None:
    paths = {"m": str(runs / "m"), "p": str(runs / "p"), "pm": None}
    command = flags(data, tmp_path / "run", steps=2, more=(f"run.Recipe.load_paths = {paths}",))
    run.main([*command, "--resume"])
    assert "already at step 2 of 2" in capsys.readouterr().out
    assert checkpoint.step_of(_newest(tmp_path / "run")) == 2  # --resume auto would go on from here
    with pytest.raises(InputError, match=r"^--resume: expected m and p, or pm, .* got m\."):
        run.main([*command, "--resume", f"m={runs / 'm'}"])


@pytest.mark.parametrize("name", ["pm", "averaged"])
def test_a_single_checkpoint_is_taken_whole(data: Path, runs: Path, name: str) -> None:
    recipe = _recipe(data, MORE[name])
    found = restoring.read(_sources(runs, pm=name), recipe.loop)
    state = checkpoint.load(_newest(runs / name))
    assert (found.step, found.before, found.notes) == (3, state["before"], [])
    recipe.loop.load_state_dict(found.loop)
    again = recipe.loop.state_dict()
    for player in ("generator", "critic"):
        saved, loaded = _player(state, player), again["players"][player]
        assert all(torch.equal(v, loaded["objective"][k]) for k, v in saved["objective"].items())
        for key, moments in saved["optimiser"]["state"].items():
            own = loaded["optimiser"]["state"][key]
            assert all(torch.equal(v, own[k]) for k, v in moments.items())
    assert recipe.system.generator.optimiser.next_half == "update"


def test_a_run_with_averages_resumes_bit_by_bit(data: Path, runs: Path, tmp_path: Path) -> None:
    more = (*MORE["averaged"], "data.Data.truth = {}")
    output = tmp_path / "run"
    for steps in (1, 3):
        run.main([*flags(data, output, steps=steps, more=more), "--seed", "3", "--resume", "auto"])
    for name in ("model", "averaged", "critics"):
        whole, resumed = (checkpoint.load_weights(_newest(f), name) for f in (runs / "averaged", output))
        assert whole.keys() == resumed.keys()
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_averages_are_kept_beside_the_trained_weights(runs: Path) -> None:
    path = _newest(runs / "averaged")
    assert checkpoint.weights_in(path) == ["averaged", "critics", "model"]
    assert checkpoint.weights_in(_newest(runs / "pm")) == ["critics", "model"]
    model, averaged = (checkpoint.load_weights(path, name) for name in ("model", "averaged"))
    assert model.keys() == averaged.keys()
    saved = _player(checkpoint.load(path), "generator")["average"]
    assert saved["updates"] == 1  # of three steps, the second ended a pair
    for key, value in saved["averages"].items():
        assert torch.equal(averaged[key], value)
    assert any(not torch.equal(model[key], averaged[key]) for key in saved["averages"])


@pytest.mark.parametrize(("name", "more"), [("averaged", ()), ("pm", AVERAGED)])
def test_averages_may_begin_and_end(data: Path, runs: Path, name: str, more: tuple[str, ...]) -> None:
    recipe = _recipe(data, more)
    found = restoring.read(_sources(runs, pm=name), recipe.loop)
    assert len(found.notes) == 1
    assert ("they start here" if more else "its averages of weights end here") in found.notes[0]
    recipe.loop.load_state_dict(found.loop)
    weights = checkpoint.load_weights(_newest(runs / name))
    with recipe.system.generator.settled():  # averages begin at settled weights
        for key, value in recipe.system.model.named_parameters():
            assert torch.equal(value, weights[key])


def test_averages_are_put_together_too(data: Path, runs: Path) -> None:
    recipe = _recipe(data, AVERAGED)
    found = restoring.read(_sources(runs, m="averaged", p="averaged"), recipe.loop)
    recipe.loop.load_state_dict(found.loop)
    averaged = checkpoint.load_weights(_newest(runs / "averaged"), "averaged")
    with recipe.system.generator.settled():
        for key, value in recipe.system.model.state_dict().items():
            assert torch.equal(value, averaged[key])
    found = restoring.read(_sources(runs, m="averaged", p="pm"), recipe.loop)
    assert "these start afresh: averages of weights" in found.notes[-1]
    assert found.loop["players"]["generator"]["average"] is None


def _converted(runs: Path, folder: Path, *, critics: bool) -> Path:
    source = _newest(runs / "pm")
    sets = {name: checkpoint.load_weights(source, name) for name in ("model", "critics")}
    return checkpoint.save(
        folder, 7, {"step": 7, "loop": None}, sets if critics else {"model": sets["model"]}, 1
    )


@pytest.mark.parametrize("kind", ["with critics", "without critics", "a bare file"])
def test_weights_alone_start_the_optimisers_afresh(data: Path, runs: Path, tmp_path: Path, kind: str) -> None:
    recipe = _recipe(data)
    weights = checkpoint.load_weights(_newest(runs / "pm"))
    if kind == "a bare file":
        path = tmp_path / "weights.safetensors"
        save_file(weights, path)
    else:
        path = _converted(runs, tmp_path, critics=kind == "with critics")
    found = restoring.read({"pm": path}, recipe.loop)
    afresh = "the generator's optimiser, "
    if kind != "with critics":
        afresh += "the segmentation critic, the mask critic, the painter critic, "
    note = f"{path}: not in there, so these start afresh: {afresh}the critic's optimiser"
    assert found.notes == [f"taken by name from {path}, weights alone, to start at step 0", note]
    assert (found.step, found.afresh) == (0, True)
    recipe.loop.load_state_dict(found.loop)
    assert all(torch.equal(v, weights[k]) for k, v in recipe.system.model.state_dict().items())
    assert not any(player.state_dict()["optimiser"]["state"] for player in recipe.loop.players.values())


def test_another_optimiser_starts_afresh(data: Path, runs: Path) -> None:
    recipe = _recipe(data, ("climategan.System.critic_optimiser = @optim.novograd",))
    found = restoring.read(_sources(runs, pm="pm"), recipe.loop)
    assert found.notes[-1].endswith("start afresh: the critic's optimiser")
    assert found.loop["players"]["generator"]["optimiser"]["state"]
    assert not found.loop["players"]["critic"]["optimiser"]["state"]


def test_other_groups_are_filled_by_name(data: Path, runs: Path) -> None:
    recipe = _recipe(data, ("climategan.System.generator_rates = {'painter': 1e-5}",))
    found = restoring.read(_sources(runs, pm="pm"), recipe.loop)
    recipe.loop.load_state_dict(found.loop)
    optimiser = recipe.system.generator.state_dict()["optimiser"]
    assert [group["lr"] for group in optimiser["param_groups"]] == [1e-5, 2e-3]
    saved = _player(checkpoint.load(_newest(runs / "pm")), "generator")["optimiser"]["state"]
    assert optimiser["state"].keys() == saved.keys()


@pytest.mark.parametrize(
    ("more", "names", "message"),
    [
        ((), {"pm": "m"}, "a painter in it, got none.*were m and p swapped"),
        ((), {"m": "p", "p": "m"}, "a masker in it, got none.*were m and p swapped"),
        (
            ("generators.SPADEPainter.width = 16",),
            {"m": "m", "p": "p"},
            r"recipe's networks, model\.painter\.",
        ),
        (
            ("discriminators.EntropyDiscriminator.width = 8",),
            {"m": "m", "p": "p"},
            r"recipe's networks, critics\.segmentation\.",
        ),
        (
            (*MASKER, "decoders.MaskDecoder.proj_channels = 16"),
            {"pm": "pm"},
            r"recipe's networks, model\.masker\.mask\.",
        ),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_written(
    data: Path, runs: Path, tmp_path: Path, more: tuple[str, ...], names: dict[str, str], message: str
) -> None:
    output = tmp_path / "run"
    values = [f"{key}={runs / name}" for key, name in names.items()]
    with pytest.raises(InputError, match=message):
        run.main([*flags(data, output, steps=9, more=more), "--resume", *values])
    assert not output.exists()


@pytest.mark.parametrize(("more", "wrong"), [(MASKER, "p"), (PAINTER, "m")], ids=["masker", "painter"])
def test_the_other_parts_path_is_refused(
    data: Path, runs: Path, tmp_path: Path, more: tuple[str, ...], wrong: str
) -> None:
    with pytest.raises(InputError, match=rf"or pm, for a model of a .* alone, got {wrong}"):
        run.main([*flags(data, tmp_path / "run", more=more), "--resume", f"{wrong}={runs / 'pm'}"])
    with pytest.raises(InputError, match=r"or pm, for a model of a .* alone, got m and p"):
        run.main(
            [*flags(data, tmp_path / "run", more=more), "--resume", f"m={runs / 'm'}", f"p={runs / 'p'}"]
        )
    assert not (tmp_path / "run").exists()


def test_a_part_does_not_take_the_folder_of_the_whole(data: Path, runs: Path, tmp_path: Path) -> None:
    output = tmp_path / "copy"
    shutil.copytree(runs / "pm", output)
    before = sorted(path.relative_to(output) for path in output.rglob("*"))
    with pytest.raises(InputError, match=r"--output .*only a part of the run's"):
        run.main([*flags(data, output, steps=9, more=MASKER), "--resume", "auto"])
    assert sorted(path.relative_to(output) for path in output.rglob("*")) == before


def test_a_damaged_bare_file(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"a whole \.safetensors file"):
        restoring.read({"pm": path}, _recipe(data).loop)


def test_entries_that_nothing_takes_are_named_in_one_line(data: Path, runs: Path) -> None:
    found = restoring.read(_sources(runs, pm="pm"), _recipe(data, MASKER).loop)
    weights = {kind: checkpoint.load_weights(_newest(runs / "pm"), kind) for kind in ("model", "critics")}
    count = sum(key.startswith("painter.") for kind in weights.values() for key in kind)
    (note,) = (note for note in found.notes if "not used" in note)
    assert f"{count} entries are not used, the first model.painter." in note
    assert found.partial
    found = restoring.read(_sources(runs, m="pm"), _recipe(data, MASKER).loop)
    assert not any("not used" in note for note in found.notes)


def test_some_checkpoints_stay_for_good(data: Path, tmp_path: Path) -> None:
    more = ("run.Recipe.save_every = 1", "run.Recipe.keep = 1", "data.Data.truth = {}")
    more += ("run.Recipe.keep_every = 2", "run.Recipe.keep_from = 3")
    output = tmp_path / "run"
    run.main(flags(data, output, steps=7, more=(*PAINTER, *more)))
    assert sorted(int(p.name[5:]) for p in output.glob("checkpoints/step_*")) == [4, 6, 7]


@pytest.mark.parametrize(
    ("unit", "count", "first", "kept"),
    [
        ("step", None, 0, []),
        ("step", 4, 0, [4, 8, 12]),
        ("step", 4, 5, [8, 12]),
        ("epoch", 2, 0, [6, 12]),
        ("epoch", 2, 3, [12]),
        ("epoch", 1, 0, [3, 6, 9, 12]),
    ],
)
def test_what_stays_goes_by_steps_or_epochs(
    unit: str, count: int | None, first: int, kept: list[int]
) -> None:
    stays = Stays(Phases(None, unit=unit).timeline(steps_per_epoch=3), count, first)
    assert [step for step in range(1, 14) if stays(step)] == kept


@pytest.mark.parametrize(
    "loop",
    [
        3,
        {},
        {"players": 3},
        {"players": {"generator": 3, "critic": []}},
        "no rng",
        "no kind",
        "odd",
    ],
)
def test_a_state_of_anything_is_a_mistake_of_its_own(
    data: Path, runs: Path, tmp_path: Path, loop: object
) -> None:
    source = _newest(runs / "p")
    state = checkpoint.load(source)
    if loop == "no rng":
        del state["loop"]["rng"]
    elif loop == "no kind":
        del state["loop"]["players"]["critic"]["optimiser"]["kind"]
    elif loop == "odd":
        state["loop"]["players"]["generator"]["objective"] = dict.fromkeys(
            state["loop"]["players"]["generator"]["objective"], 1
        )
    else:
        state["loop"] = loop
    weights = {name: checkpoint.load_weights(source, name) for name in checkpoint.weights_in(source)}
    made = checkpoint.save(tmp_path / "made", 1, state, weights, keep=1)
    more = (*PAINTER, "data.Data.truth = {}")
    with pytest.raises(InputError) as told:
        run.main([*flags(data, tmp_path / "run", steps=3, more=more), "--resume", str(made)])
    assert str(made) in str(told.value)
    assert not (tmp_path / "run").exists()
