"""The flags of `recipes.apply`: what each one changes in the files or in what is printed."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from gancomponents.errors import InputError
from recipes import apply, photos
from recipes.timing import Stopwatch
from tests.recipes.trained import write_run

STAGES = {"read", "convert", "predict", "paint", "wildfire", "smog", "write"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), sets=("model", "averaged"))


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos of one size, and a larger one."""
    folder = tmp_path_factory.mktemp("streets")
    rng = np.random.default_rng(0)
    for name, size in {"a": (70, 96), "b": (70, 96), "c": (70, 96), "wide": (90, 200)}.items():
        cv2.imwrite(str(folder / f"{name}.png"), rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    return folder


def _apply(run: Path, images: Path, output: Path, *more: str) -> dict[str, np.ndarray]:
    flags = ["--run", str(run), "--images", str(images), "--output", str(output)]
    apply.main([*flags, "--device", "cpu", *(() if "--half" in more else ("--precision", "fp32")), *more])
    return {path.name: cv2.imread(str(path)) for path in output.iterdir()}


def test_a_batch_gives_the_pictures_of_one_at_a_time(run: Path, streets: Path, tmp_path: Path) -> None:
    single = _apply(run, streets, tmp_path / "single", "--cloudy", "--threshold", "-1")
    batched = _apply(run, streets, tmp_path / "batched", "--cloudy", "--threshold", "-1", "--batch", "2")
    assert single.keys() == batched.keys()
    assert len(single) == 16
    for name, picture in single.items():
        assert np.abs(picture.astype(int) - batched[name]).max() <= 1, name


def test_events_masks_and_input_are_chosen(run: Path, streets: Path, tmp_path: Path) -> None:
    more = ("--events", "smog,flood", "--no-save-masks", "--save-input", "--max-images", "1")
    made = _apply(run, streets, tmp_path / "out", *more)
    assert made.keys() == {"a_flood.png", "a_smog.png", "a_input.png"}
    assert np.array_equal(made["a_input.png"], cv2.imread(str(streets / "a.png")))


def test_a_soft_mask_has_grey_levels(run: Path, streets: Path, tmp_path: Path) -> None:
    hard = _apply(run, streets / "a.png", tmp_path / "hard")
    soft = _apply(run, streets / "a.png", tmp_path / "soft", "--threshold", "-1")
    assert set(np.unique(hard["a_mask.png"])) <= {0, 255}
    assert not set(np.unique(soft["a_mask.png"])) <= {0, 255}


@pytest.mark.parametrize(
    ("more", "size"),
    [
        (["--resolution", "exact"], (90, 200)),
        (["--resolution", "upsample"], (90, 200)),
        (["--resolution", "basic"], (64, 64)),
        (["--resolution", "approx", "--size", "96"], (96, 224)),  # as the networks see it
        (["--keep-ratio"], (88, 200)),  # multiples of 2^3
        (["--keep-ratio", "--max-width", "100"], (40, 96)),
    ],
)
def test_sizes(run: Path, streets: Path, tmp_path: Path, more: list[str], size: tuple[int, int]) -> None:
    made = _apply(run, streets / "wide.png", tmp_path / "out", "--events", "flood", *more)
    assert made["wide_flood.png"].shape[:2] == size


def test_the_same_clouds_for_the_same_seed(run: Path, streets: Path, tmp_path: Path) -> None:
    def flood(name: str, *more: str) -> np.ndarray:
        more = ("--events", "flood", "--threshold", "-1", *more)
        return _apply(run, streets / "a.png", tmp_path / name, *more)["a_flood.png"]

    # The tiny network sees no sky of its own accord: clouds are tested in tests/recipes/climategan.
    assert np.array_equal(flood("one", "--cloudy", "--seed", "3"), flood("two", "--cloudy", "--seed", "3"))


def test_fused_and_half_come_close(run: Path, streets: Path, tmp_path: Path) -> None:
    expected = _apply(run, streets / "a.png", tmp_path / "plain", "--threshold", "-1")
    for name, limit in {"--fuse": 1, "--half": 24}.items():
        found = _apply(run, streets / "a.png", tmp_path / name, "--threshold", "-1", name)
        for file in ("a_flood.png", "a_mask.png"):
            difference = np.abs(expected[file].astype(int) - found[file])
            assert difference.max() <= limit, (name, file)


@pytest.mark.parametrize(("kept", "reads"), [(2**28, 4), (3 * 70 * 96 * 2, 6), (0, 8)])
def test_photos_are_decoded_once_as_far_as_memory_allows(
    run: Path, streets: Path, tmp_path: Path, monkeypatch, kept: int, reads: int
) -> None:
    decoded = []
    read = photos.read_image
    monkeypatch.setattr(photos, "read_image", lambda path: decoded.append(path) or read(path))
    monkeypatch.setattr(photos, "_KEPT", kept)
    made = _apply(run, streets, tmp_path / "out", "--events", "smog", "--save-input", "--no-save-masks")
    assert len(decoded) == reads
    for name in ("a", "wide"):
        assert np.array_equal(made[f"{name}_input.png"], cv2.imread(str(streets / f"{name}.png")))


@pytest.mark.known_bug(54)
def test_timings_are_shown_unless_they_are_not_wanted(
    run: Path, streets: Path, tmp_path: Path, capsys
) -> None:
    _apply(run, streets, tmp_path / "timed")
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows.keys() >= STAGES | {"stage", "all"}
    assert all(float(rows[stage][0]) > 0 for stage in STAGES)
    assert float(rows["all"][0]) == pytest.approx(sum(float(rows[s][0]) for s in STAGES), abs=0.01)
    _apply(run, streets, tmp_path / "untimed", "--no-time")
    assert not {line.split()[0] for line in capsys.readouterr().out.splitlines()} & (STAGES | {"stage"})


@pytest.mark.parametrize(("flag", "used"), [("auto", "averaged"), ("averaged", "averaged"), ("raw", "raw")])
def test_it_says_which_weights_it_uses(
    run: Path, streets: Path, tmp_path: Path, flag: str, used: str, capsys
) -> None:
    _apply(run, streets / "a.png", tmp_path / "out", "--weights", flag)
    assert f"{used} weights of step 7, trained at 64 pixels" in capsys.readouterr().out


def test_json_is_all_that_is_printed(run: Path, streets: Path, tmp_path: Path, capsys) -> None:
    _apply(run, streets, tmp_path / "out", "--json", "--events", "flood")
    told = json.loads(capsys.readouterr().out)
    assert (told["weights"], told["step"], told["images"]) == ("averaged", 7, 4)
    assert sorted(told["pictures"]) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert told["seconds"].keys() == STAGES - {"wildfire", "smog"}
    assert told["images_per_second"] > 0


def test_results_are_replaced_only_when_asked(run: Path, streets: Path, tmp_path: Path) -> None:
    _apply(run, streets / "a.png", tmp_path / "out", "--events", "smog")
    with pytest.raises(InputError, match="--overwrite"):
        _apply(run, streets / "a.png", tmp_path / "out", "--events", "smog")
    _apply(run, streets / "a.png", tmp_path / "out", "--events", "smog", "--overwrite")


def test_a_photo_is_never_replaced(run: Path, tmp_path: Path) -> None:
    for name in ("street.png", "street_flood.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((70, 70, 3), np.uint8))
    with pytest.raises(InputError, match="whose photos no result replaces"):
        _apply(run, tmp_path, tmp_path, "--overwrite")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_model_without_painter_still_burns(streets: Path, tmp_path: Path, capsys) -> None:
    run = write_run(tmp_path / "run", more=("climategan.ClimateGAN.painter = None",))
    made = _apply(run, streets / "a.png", tmp_path / "out")
    assert made.keys() == {"a_wildfire.png", "a_smog.png", "a_mask.png"}
    assert "lacks the networks: flood" in capsys.readouterr().err
    with pytest.raises(InputError, match="--events: expected wildfire, smog"):
        _apply(run, streets / "a.png", tmp_path / "other", "--events", "flood")


@pytest.mark.parametrize(
    "more",
    [
        ["--events", "flood,hail"],
        ["--threshold", "-0.5"],
        ["--batch", "0"],
        ["--max-images", "0"],
        ["--max-width", "0", "--keep-ratio"],
        ["--max-width", "100"],
        ["--size", "64", "--keep-ratio"],
        ["--seed", "-1"],
        ["--resolution", "high"],
        ["--weights", "look-ahead"],
    ],
)
def test_mistakes_leave_nothing_behind(run: Path, streets: Path, tmp_path: Path, more: list[str]) -> None:
    with pytest.raises(InputError, match="weights|" + more[0]):
        _apply(run, streets, tmp_path / "out", *more)
    assert not (tmp_path / "out").exists()


def test_a_photo_too_small_for_its_multiples(run: Path, streets: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="8 pixels or more"):
        _apply(run, streets, tmp_path / "out", "--keep-ratio", "--max-width", "9")


def test_photos_of_one_size_share_a_batch() -> None:
    sizes = [(2, 3), (4, 4), (2, 3), (2, 3)]
    found = [photos.Photo(i, Path(f"{i}.png"), size) for i, size in enumerate(sizes)]
    indices = [[photo.index for photo in batch] for batch in photos.batches(found, 2)]
    assert indices == [[0, 2], [3], [1]]


def test_a_stage_adds_up_and_is_timed_also_when_it_fails() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with pytest.raises(KeyError), watch.stage("read"):
            raise KeyError
    first = watch.seconds["read"]
    with watch.stage("read"):
        pass
    assert watch.seconds["read"] >= first > 0
