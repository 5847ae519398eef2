"""The benchmark of parts: each variant trains what it says, runs resume, tables say which way is better."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import town_parts
from benchmarks.town_report import draw, markdown, scores_of
from benchmarks.town_variants import VARIANTS, Variant, bindings_of, digest, named
from gancomponents.errors import InputError
from recipes import config
from recipes.recipe import Recipe
from tests.recipes.tiny import tiny_bindings, write_data

ROOT = Path(__file__).parents[2]

SUPERVISED = {"masker/d/depth/s", "masker/s/cross_entropy/s", "masker/m/bce/s", "masker/m/tv/s"}
ENTROPY = {"masker/s/min_entropy/r", "masker/m/min_entropy/r"}
ADVENT = {"masker/s/advent/r", "masker/m/advent/r", "critic/s/advent/s+r", "critic/m/advent/s+r"}
GAN, VGG, MATCHING = (
    {"painter/p/gan/rf", "critic/p/gan/rf"},
    {"painter/p/vgg/rf"},
    {"painter/p/feature_matching/rf"},
)
REAL = {*SUPERVISED, "masker/m/tv/r"}
WHOLE = {*REAL, *ENTROPY, *ADVENT, "masker/m/ground_intersection/r"}

#: Every term that a variant trains on.
TERMS = {
    "source only": SUPERVISED,
    "+ real frames": REAL,
    "+ min-entropy": REAL | ENTROPY,
    "+ AdvEnt": REAL | ENTROPY | ADVENT,
    "+ DADA": REAL | ENTROPY | ADVENT,
    "+ ground intersection": WHOLE,
    "SPADE mask": WHOLE,
    "painter": GAN | VGG | MATCHING,
    "- VGG": GAN | MATCHING,
    "- feature matching": GAN | VGG,
    "+ DiffAugment": GAN | VGG | MATCHING,
}

#: What a fake run scores, by group.
SCORES = {
    "masker": {"r/mask_iou": 0.8, "r/seg_miou": 0.3, "r/depth_abs_rel": 0.2},
    "painter": {"rf/l1_in_mask": 0.1, "rf/ssim_in_mask": 0.6},
}
STEPS = {"masker": 4, "painter": 2}


def _tiny(variant: Variant, steps: int) -> list[str]:
    text = (ROOT / variant.recipe).read_text() + "".join(variant.bindings)
    return [*bindings_of(variant, steps), *tiny_bindings(text)]


@functools.cache
def _built(variant: Variant) -> Recipe:
    config.parse(variant.recipe, [*_tiny(variant, 2), "run.Recipe.precision = 'fp32'"])
    torch.manual_seed(0)
    return config.build(Recipe)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_trains_on_the_terms_that_it_says(variant: Variant) -> None:
    recipe = _built(variant)
    recipe.rehearse()
    batch = recipe.system.example_batch(recipe.data, torch.Generator().manual_seed(0), recipe.domains)
    with torch.no_grad():
        assert set(recipe.loop.rehearse(batch)) == TERMS[variant.name]


def test_what_no_term_shows() -> None:
    fused = {v.name: _built(v).system.model.masker.fuse_segmentation for v in VARIANTS if v.group == "masker"}
    assert [name for name, on in fused.items() if on] == ["+ DADA", "+ ground intersection", "SPADE mask"]
    assert _built(named("SPADE mask")).system.model.masker.conditioned
    for name in ("painter", "+ DiffAugment"):
        recipe = _built(named(name))
        for player in recipe.loop.players.values():
            augment = getattr(player.objective, "painter", player.objective).augment
            assert (augment is not None) == (name == "+ DiffAugment")


def test_every_base_comes_before_what_is_compared_with_it() -> None:
    names = [variant.name for variant in VARIANTS]
    assert len(set(names)) == len(names)
    for variant in VARIANTS:
        if variant.base is not None:
            assert names.index(variant.base) < names.index(variant.name)
            assert named(variant.base).group == variant.group


@pytest.mark.parametrize("group", ["masker", "painter"])
def test_same_seed_same_initial_weights(group: str) -> None:
    """Otherwise the differences of a seed would not be paired."""
    encoders = []
    for variant in (v for v in VARIANTS if v.group == group):
        model = _built(variant).system.model
        part = model.masker.encoder if group == "masker" else model.painter
        encoders.append(torch.cat([p.detach().flatten() for p in part.parameters()]))
    assert all(torch.equal(encoders[0], other) for other in encoders[1:])


def test_a_digest_is_of_all_that_is_configured() -> None:
    digests = [digest(variant, 10) for variant in VARIANTS]
    assert len(set(digests)) == len(VARIANTS)
    assert digest(VARIANTS[0], 10) == digests[0]
    assert digest(VARIANTS[0], 11) != digests[0]


def test_trains_one_and_scores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_data(tmp_path / "data")
    source = ["data.Data.source = @data.Folder()", f"data.Folder.path = {str(data)!r}"]
    monkeypatch.setattr(town_parts, "bindings_of", lambda variant, steps: [*_tiny(variant, steps), *source])
    threads = torch.get_num_threads()
    runs = []
    try:
        for seed in (1, 1, 2):
            town_parts.main(["--one=source only", "--steps-masker=2", f"--seeds={seed}"])
            runs.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
    finally:
        torch.set_num_threads(threads)
    assert runs[0]["steps"] == 2
    assert {"r/mask_iou", "r/seg_miou", "r/depth_abs_rel"} <= set(runs[0]["scores"])
    assert runs[0]["scores"] == runs[1]["scores"]
    assert runs[0]["scores"] != runs[2]["scores"]


def test_one_takes_one_seed() -> None:
    with pytest.raises(InputError, match="one seed"):
        town_parts.main(["--one=painter"])


def test_a_run_is_a_process_with_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\necho rendering\necho "{\\"threads\\": $OMP_NUM_THREADS, \\"flags\\": \\"$*\\"}"\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(town_parts.sys, "executable", str(python))
    assert town_parts._in_process(named("- VGG"), STEPS, 3) == {
        "threads": 1,
        "flags": "-m benchmarks.town_parts --one=- VGG --seeds=3 --steps-masker=4 --steps-painter=2",
    }
    python.write_text("#!/bin/sh\nexit 2\n")
    assert town_parts._in_process(named("- VGG"), STEPS, 3) is None


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Runs that were really made; making one takes no time here."""
    made: list[tuple[str, int]] = []

    def run(variant: Variant, steps: Mapping[str, int], seed: int) -> dict[str, Any] | None:
        made.append((variant.name, seed))
        if seed == 13:
            return None
        scores = {name: value + 0.01 * seed for name, value in SCORES[variant.group].items()}
        return {"steps": steps[variant.group], "seconds": 1.0, "precision": "fp32", "scores": scores}

    monkeypatch.setattr(town_parts, "_in_process", run)
    monkeypatch.setattr(town_parts, "_prepare", lambda variant, steps: SCORES[variant.group])
    return made


def _measure(path: Path, *, seeds: tuple[int, ...] = (0, 1), steps: Mapping[str, int] = STEPS) -> None:
    town_parts.measure(VARIANTS[:2], steps, seeds, path, jobs=1)


def test_resumes_with_what_is_missing(tmp_path: Path, trained: list[tuple[str, int]]) -> None:
    path = tmp_path / "results" / "parts.json"
    _measure(path, seeds=(0,))
    assert sorted(trained) == [("+ real frames", 0), ("source only", 0)]
    _measure(path)
    assert sorted(trained[2:]) == [("+ real frames", 1), ("source only", 1)]
    _measure(path)
    assert len(trained) == 4
    assert len(json.loads(path.read_text())["runs"]) == 4


def test_another_configuration_does_not_count(tmp_path: Path, trained: list[tuple[str, int]]) -> None:
    path = tmp_path / "parts.json"
    _measure(path)
    _measure(path, steps={**STEPS, "masker": 6})
    assert len(trained) == 8
    runs = json.loads(path.read_text())["runs"]
    assert [run["steps"] for run in runs] == [6] * 4


def test_a_failed_run_neither_stops_the_others_nor_passes(
    tmp_path: Path, trained: list[tuple[str, int]]
) -> None:
    path = tmp_path / "parts.json"
    with pytest.raises(InputError, match=r"2 that failed: .*seed 13"):
        _measure(path, seeds=(13, 0))
    assert {run["seed"] for run in json.loads(path.read_text())["runs"]} == {0}
    with pytest.raises(InputError):
        _measure(path, seeds=(13, 0))
    assert trained[4:] == [("source only", 13), ("+ real frames", 13)]


def test_refuses_another_file(tmp_path: Path) -> None:
    path = tmp_path / "parts.json"
    path.write_text("[1, 2]")
    with pytest.raises(InputError, match="results of this benchmark"):
        town_parts.main(["--table", "--json", str(path)])


def _result(gain: Mapping[str, float], *, seeds: int = 3) -> dict[str, Any]:
    """Results in which + real frames differs from source only by ``gain``, give or take a little."""
    runs = []
    for seed in range(seeds):
        for name, sign in (("source only", 0), ("+ real frames", 1)):
            scores = {m: v + 0.1 * seed + sign * (gain[m] + 1e-4 * seed) for m, v in SCORES["masker"].items()}
            run = {"variant": name, "seed": seed, "digest": name, "steps": 4, "seconds": 60.0}
            runs.append({**run, "precision": "fp32", "scores": scores})
    return {
        "machine": {"processor": "abacus", "gpu": None},
        "baselines": {"masker": SCORES["masker"]},
        "runs": runs,
    }


def test_the_table_says_what_is_better() -> None:
    text = markdown(_result({"r/mask_iou": 0.05, "r/seg_miou": -0.05, "r/depth_abs_rel": -0.05}))
    row = next(line for line in text.splitlines() if line.startswith("| + real frames | source only"))
    cells = [cell.strip() for cell in row.split("|")[3:-1]]
    assert cells == [
        "3",
        "**+0.050 ± 0.000 better**",
        "**-0.050 ± 0.000 worse**",
        "**-0.050 ± 0.000 better**",
    ]
    assert "processor abacus" in text
    assert "| trivial answer | training averages | – | 0.800 | 0.300 | 0.200 |" in text


def test_what_one_seed_says_is_never_marked() -> None:
    text = markdown(_result({"r/mask_iou": 0.05, "r/seg_miou": -0.05, "r/depth_abs_rel": -0.05}, seeds=1))
    assert "+0.050" in text
    assert "**" not in text


def test_compares_equal_steps_alone() -> None:
    result = _result(dict.fromkeys(SCORES["masker"], 0.0))
    result["runs"].append({**result["runs"][-1], "steps": 400, "digest": "another", "seed": 9})
    with pytest.raises(InputError, match="equal steps"):
        scores_of(result, "masker")


def test_the_page_holds_the_committed_table() -> None:
    table = markdown(town_parts.read(ROOT / town_parts.RESULTS))
    page = (ROOT / "docs" / "town-benchmark.md").read_text()
    missing = [line for line in table.splitlines() if line not in page.splitlines()]
    assert not missing, "paste the output of python -m benchmarks.town_parts --table"


def test_draws(tmp_path: Path) -> None:
    draw(_result({"r/mask_iou": 0.05, "r/seg_miou": -0.05, "r/depth_abs_rel": 0.0}), tmp_path / "parts.png")
    assert (tmp_path / "parts.png").stat().st_size > 10_000
