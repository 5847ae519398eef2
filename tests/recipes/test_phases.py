"""Phases: a function of the step, from the spans of a recipe."""

import json
from pathlib import Path

import pytest
import torch

from gancomponents.training import checkpoint
from recipes import cli, run
from recipes.data import Data, Town
from recipes.phases import Phases
from tests.recipes.tiny import flags, write_data, write_kitti


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_data(tmp_path_factory.mktemp("data"))
    write_kitti(folder)
    return folder


def test_without_phases_every_step_is_an_epoch_and_nothing_is_on() -> None:
    timeline = Phases().timeline(steps_per_epoch=7)
    moments = [timeline.moment(step) for step in range(3)]
    assert [(m.epoch, m.time, set(m.on)) for m in moments] == [(0, 0, set()), (1, 1, set()), (2, 2, set())]
    assert list(timeline.stages(1, 5)) == [(False, 1, 5)]


def test_epochs_of_pretraining_have_their_own_length_and_schedules_wait() -> None:
    phases = Phases({"pretrain": (0, 3), "late": (4, None)}, unit="epoch")
    timeline = phases.timeline(steps_per_epoch=5, pretrain_steps_per_epoch=3)
    assert timeline.pretrain_steps == 10  # of 9: extragradient steps come in pairs
    assert [timeline.moment(step).epoch for step in (0, 2, 3, 8, 9, 10, 14, 15)] == [0, 0, 1, 2, 2, 3, 3, 4]
    assert [timeline.moment(step).time for step in (0, 9, 10, 14, 15)] == [0, 0, 0, 0, 1]
    assert timeline.moment(9).on == {"pretrain"}
    assert timeline.moment(10).on == set()
    assert timeline.moment(15).on == {"late"}
    assert timeline.steps(5) == 20
    assert [timeline.due(step, 1) for step in (3, 4, 10, 15)] == [True, False, True, True]
    assert [timeline.due(step, 2) for step in (3, 6, 10, 15)] == [False, True, False, True]


def test_stages_meet_at_the_boundary() -> None:
    timeline = Phases({"pretrain": (0, 4)}).timeline(steps_per_epoch=9)
    assert list(timeline.stages(0, 9)) == [(True, 0, 4), (False, 0, 5)]
    assert list(timeline.stages(2, 3)) == [(True, 2, 3)]
    assert list(timeline.stages(4, 6)) == [(False, 0, 2)]


@pytest.mark.known_bug(31)
def test_a_phase_is_on_wherever_a_run_begins() -> None:
    timeline = Phases({"painter_for_masker": (49, None)}, unit="epoch").timeline(steps_per_epoch=2)
    assert [bool(timeline.moment(2 * epoch).on) for epoch in (48, 49, 50, 200)] == [False, True, True, True]


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ({"pretrain": (1, 3)}, "must start at 0"),
        ({"pretrain": (0, None)}, "must start at 0 and end"),
        ({"late": 3}, "must be a pair"),
        ({"late": (3, 3)}, "whole number >= 4"),
        ({"late": (-1, 3)}, "whole number >= 0"),
    ],
)
def test_mistakes(spans, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Phases(spans)


def _flags(data: Path, output: Path, steps: int) -> list[str]:
    lists = {d: f"train_{d}.json" for d in ("s", "r", "rf", "kitti")}
    spans = {"pretrain": (0, 2), "pseudo/s": (2, 4), "pseudo/d": (2, 3), "painter_for_masker": (3, None)}
    tasks = {"s": ("s", "d", "m"), "r": ("s", "d", "m"), "rf": ("m",), "kitti": ("s", "d")}
    more = (f"data.Data.train = {lists}", f"data.Data.tasks = {tasks}", f"run.Recipe.phases = {spans}")
    return flags(data, output, steps=steps, more=(*more, "run.Recipe.log_every = 1"))


@pytest.mark.known_bug(38)
def test_phases_change_what_is_trained_are_logged_and_resume_exactly(
    data: Path,
    tmp_path: Path,
    capsys,
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run.main(_flags(data, whole, 5))
    said = capsys.readouterr().err
    assert "step 1: phases on: pretrain" in said
    assert "step 3: phases on: pseudo/d, pseudo/s" in said
    assert "step 5: phases on: painter_for_masker" in said
    for steps in (1, 3, 4, 5):
        run.main([*_flags(data, parts, steps), "--resume", "auto"])
    records = [
        [json.loads(x) for x in (f / "metrics.jsonl").read_text().splitlines()] for f in (whole, parts)
    ]
    terms = [
        [sorted(key for key in r if "/" in key) for r in record if "lr/generator" in r] for record in records
    ]
    assert terms[0] == terms[1]
    changes = [[(r["step"], r["phases"]) for r in record if "phases" in r] for record in records]
    assert changes[0] == changes[1]
    assert [step for step, _ in changes[0]] == [1, 3, 4, 5]
    losses = {r["step"]: set(r) for r in records[0] if "lr/generator" in r}
    assert not any(key.startswith(("critic", "painter")) for key in losses[1] | losses[2])
    assert "masker/d/depth/kitti" in losses[2]
    assert "masker/s/pseudo_cross_entropy/r" in losses[3] & losses[4]
    assert "masker/d/depth/r" in losses[3]
    assert "masker/d/depth/r" not in losses[4]
    assert "masker/m/painter/r" in losses[4] & losses[5]
    assert "masker/m/painter/r" not in losses[3]
    states = [checkpoint.load_weights(f / "checkpoints" / "step_00000005") for f in (whole, parts)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_the_pretraining_recipe_switches_from_kitti_to_the_town(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    macros = (f"KITTI = {str(data / 'train_kitti.json')!r}", "PRETRAIN = 2", "run.Recipe.log_every = 1")
    arguments = flags(data, output, steps=4, more=macros)
    arguments[1] = "recipes/climategan/kitti.gin"
    run.main(arguments)
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    domains = {
        r["step"]: {k.split("/")[-1] for k in r if k.startswith("masker/")} for r in records if "masker" in r
    }
    assert domains == {1: {"kitti"}, 2: {"kitti"}, 3: {"s", "r"}, 4: {"s", "r"}}


def test_a_list_beside_the_town_is_not_counted_among_its_frames() -> None:
    town = Town(size=64, count={"s": 4, "r": 4, "rf": 4})
    lists = {"s": "train_s.json", "kitti": "elsewhere.json"}
    Data(town, train=lists, val={}, size=64, batch_size=4)
    assert town.training_rows("kitti") is None


@pytest.mark.parametrize(
    ("weights", "message"), [("{'s': 1.0}", "data.Data.mixing"), ("{'s': 1.0, 'r': 1.0, 'rf': 1.0}", None)]
)
def test_a_mixing_may_give_domains_steps_of_their_own(
    data: Path, tmp_path: Path, capsys, weights: str, message: str | None
) -> None:
    text = (
        "include 'recipes/climategan.gin'\nfrom gancomponents.data import mixing\nfrom recipes import data\n"
    )
    own = tmp_path / "own.gin"
    own.write_text(
        "from __gin__ import dynamic_registration\n"
        + text
        + f"data.Data.mixing = @mixing.WeightedMixing()\nmixing.WeightedMixing.weights = {weights}\n"
    )
    output = tmp_path / "run"
    arguments = flags(data, output, steps=6, more=("run.Recipe.log_every = 1",))
    arguments[1] = str(own)
    with pytest.raises(SystemExit) as left:
        cli.run(run.main, arguments)
    if message is not None:
        assert left.value.code == 2
        assert message in capsys.readouterr().err
        return
    assert left.value.code == 0
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    for record in (r for r in records if "lr/generator" in r):
        domains = {k.split("/")[-1] for k in record if k.startswith(("masker/", "painter/", "critic/"))}
        assert len(domains) == 1
        assert any(key.startswith("critic/") for key in record)
