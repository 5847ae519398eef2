"""The command: a whole tiny run, exact resume, and every mistake told in one line with nothing written."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import cv2
import pytest
import torch
from safetensors.torch import load_file

from gancomponents.errors import InputError
from gancomponents.training import AdversarialLoop, checkpoint
from recipes import apply, cli, run
from recipes.climategan import ClimateGAN, System
from recipes.folder import RunFolder
from tests.recipes.tiny import flags, write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, an odd number: the optimisers stand between the halves of a pair."""
    output = tmp_path_factory.mktemp("runs") / "whole"
    run.main(flags(data, output, steps=3))
    return output


def _metrics(folder: Path) -> list[dict]:
    """The lines of metrics.jsonl but those of its health."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [record for record in records if not any(key.startswith("health") for key in record)]


def _weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / f"step_{step:08d}" / "training.safetensors")


@pytest.mark.known_bug(41)
def test_the_run_folder_is_complete(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        ".lock",
        "config.gin",
        "operative_config.gin",
        "architecture.txt",
        "metrics.jsonl",
        "samples",
        "curves.png",
        "checkpoints",
        "events",
        "report.md",
        "final.json",
    }
    for picture in [*finished.glob("samples/*.png"), finished / "curves.png", *finished.glob("events/*.png")]:
        assert cv2.imread(str(picture)) is not None
    assert (finished / "samples" / "step_000003.png").exists()
    assert {p.name.split("_")[-1] for p in finished.glob("events/*.png")} == {
        "input.png",
        "flood.png",
        "wildfire.png",
        "smog.png",
        "mask.png",
    }
    for link in ("samples/step_000003.png", "curves.png", "events/r_00_flood.png"):
        assert f"({link})" in (finished / "report.md").read_text()


def test_metrics_name_every_term_and_hold_the_last_step(finished: Path) -> None:
    records = _metrics(finished)
    assert [record["step"] for record in records] == [1, 3]
    expected = {"step", "time", "images_per_second", "lr/generator", "lr/critic"}
    expected |= {"masker", "painter", "critic"}  # totals
    expected |= {"grad_norm/generator", "grad_norm/critic"}
    expected |= {f"masker/{t}/s" for t in ("d/depth", "s/cross_entropy", "m/bce", "m/tv")}
    unsupervised = ("s/min_entropy", "s/advent", "m/tv", "m/ground_intersection", "m/min_entropy", "m/advent")
    expected |= {f"masker/{t}/r" for t in unsupervised}
    expected |= {f"painter/p/{t}/rf" for t in ("gan", "vgg", "feature_matching")}
    expected |= {"critic/s/advent/s+r", "critic/m/advent/s+r", "critic/p/gan/rf"}
    assert set(records[-1]) == expected


def test_the_table_has_every_metric_in_every_column(finished: Path) -> None:
    table = json.loads((finished / "final.json").read_text())
    assert list(table) == ["before", "after", "baseline"]
    masker = [f"{d}/{m}" for d in ("s", "r") for m in ("mask_iou", "seg_miou", "depth_abs_rel")]
    for column in table.values():
        assert list(column) == [*masker, "rf/l1_in_mask", "rf/ssim_in_mask"]
        assert all(isinstance(value, float) for value in column.values())


@pytest.mark.parametrize("stop", [1, 2])
@pytest.mark.known_bug(36)
def test_stopping_and_resuming_gives_the_same_weights(
    data: Path, finished: Path, tmp_path: Path, stop: int
) -> None:
    output = tmp_path / "run"
    run.main(flags(data, output, steps=stop))
    run.main([*flags(data, output, steps=3), "--resume", "auto"])
    whole, resumed = _weights(finished, 3), _weights(output, 3)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert [record["step"] for record in _metrics(output)] == sorted({1, stop, 3})
    tables = [json.loads((folder / "final.json").read_text()) for folder in (finished, output)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_after_the_step_and_the_run_can_go_on(
    data: Path, finished: Path, tmp_path: Path, number: signal.Signals, capsys, monkeypatch
) -> None:
    output = tmp_path / "run"
    step = AdversarialLoop.step

    def interrupted(self, batch, index, *clock):
        os.kill(os.getpid(), number)  # while the step runs
        return step(self, batch, index, *clock)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as left:
        patch.setattr(AdversarialLoop, "step", interrupted)
        cli.run(run.main, flags(data, output, steps=3))
    assert left.value.code == 130
    assert f"--output {output} --resume auto" in capsys.readouterr().err
    run.main([*flags(data, output, steps=3), "--resume", "auto"])
    whole, resumed = _weights(finished, 3), _weights(output, 3)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_the_model_file_holds_settled_weights(data: Path, finished: Path, tmp_path: Path) -> None:
    path = finished / "checkpoints" / "step_00000003"
    model = checkpoint.load_weights(path)
    training = checkpoint.load(path)["loop"]["players"]["generator"]["objective"]
    moving = [key for key in model if not torch.equal(model[key], training[f"model.{key}"])]
    assert any("weight" in key for key in moving)
    even = tmp_path / "even"
    run.main(flags(data, even, steps=2))
    settled = checkpoint.load_weights(even / "checkpoints" / "step_00000002")
    parameters = [key for key in moving if "running" not in key and "_u" not in key and "_v" not in key]
    assert parameters
    for key in parameters:
        assert torch.equal(model[key], settled[key])


def test_a_finished_run_says_so_when_resumed(data: Path, finished: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "copy"
    shutil.copytree(finished, output)
    before = _weights(output, 3)
    run.main([*flags(data, output, steps=3), "--resume", "auto"])
    assert "already at step 3" in capsys.readouterr().out
    assert all(torch.equal(value, before[key]) for key, value in _weights(output, 3).items())


def test_resume_by_path_into_a_new_folder(data: Path, finished: Path, tmp_path: Path) -> None:
    run.main([*flags(data, tmp_path / "fork", steps=4), "--resume", str(finished)])
    assert [record["step"] for record in _metrics(tmp_path / "fork")] == [4]
    assert (tmp_path / "fork" / "config.gin").exists()


@pytest.mark.known_bug(39)
def test_auto_resume_starts_afresh_over_a_killed_run(data: Path, finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "killed"
    (output / "checkpoints" / ".step_00000002.99.partial").mkdir(parents=True)
    (output / "metrics.jsonl").write_text('{"step": 1, "time"')
    shutil.copy(finished / "config.gin", output)
    run.main([*flags(data, output, steps=1), "--resume", "auto"])
    assert [record["step"] for record in _metrics(output)] == [1]


def test_every_part_may_have_a_rate_of_its_own(data: Path, tmp_path: Path) -> None:
    rates = "climategan.System.generator_rates = {'masker.encoder': 3e-4, 'masker.depth': 0.0}"
    more = (rates, "climategan.System.critic_rates = {'painter': 5e-4}")
    run.main(flags(data, tmp_path / "run", steps=1, more=more))
    (record,) = _metrics(tmp_path / "run")
    rates = {name: value for name, value in record.items() if name.startswith("lr/")}
    assert rates == {
        "lr/generator/model.masker.encoder": 3e-4,
        "lr/generator/model.masker.depth": 0.0,
        "lr/generator/default": 2e-3,
        "lr/critic/critics.painter": 5e-4,
        "lr/critic/default": 1e-4,
    }


def test_lists_of_ones_own_need_no_truth(data: Path, tmp_path: Path) -> None:
    run.main(flags(data, tmp_path / "run", steps=1, more=("data.Data.truth = {}",)))
    table = json.loads((tmp_path / "run" / "final.json").read_text())
    assert {"s/mask_iou", "r/mask_iou"} <= set(table["after"])
    assert not any(name.startswith("rf/") for name in table["after"])  # without true floods to compare with


def test_a_seed_may_be_a_macro(data: Path, tmp_path: Path) -> None:
    more = ("SEED = 3", "run.Recipe.seed = %SEED")
    run.main(flags(data, tmp_path / "macro", steps=1, more=more))
    run.main(flags(data, tmp_path / "number", steps=1, more=("run.Recipe.seed = 3",)))
    macro, number = (_weights(tmp_path / name, 1) for name in ("macro", "number"))
    assert all(torch.equal(macro[key], number[key]) for key in macro)


def test_other_seeds_give_other_weights(data: Path, finished: Path, tmp_path: Path) -> None:
    run.main([*flags(data, tmp_path / "seed", steps=1), "--seed", "1"])
    run.main(flags(data, tmp_path / "none", steps=1))
    one, other = (_weights(tmp_path / name, 1) for name in ("seed", "none"))
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_dry_run_names_the_checkpoint_and_the_folder_of_the_run_that_would_go_on(
    data: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.main([*flags(data, finished, steps=5), "--resume", "auto", "--dry-run"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["starts", "from", str(finished / "checkpoints" / "step_00000003")] in lines
    assert ["results", str(finished)] in lines
    assert ["data", str(data)] in lines


def test_wandb_records_offline_without_an_account(data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    more = ("run.Recipe.tracker = [@trackers.WandB()]",)
    output = tmp_path / "run"
    run.main(flags(data, output, steps=1, more=more))
    assert list(output.glob("wandb/offline-run-*/*.wandb"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--steps", "0"], "--steps: expected a whole number >= 1"),
        (["--steps", "-3"], "--steps"),
        (["--steps", "many"], "--steps"),
        (["--seed", "-1"], "--seed"),
        (["--device", "tpu9"], "device: expected auto, cpu"),
        (["--device", "cuda:7"], "device"),
        (["--precision", "fp8"], "precision: expected auto, fp32, bf16"),
        (["--precision", "half"], "expected auto, fp32, bf16, fp16"),
        (["--resume", "nowhere"], "--resume nowhere: expected an existing path"),
        (["--stepz", "3"], "--stepz"),
        (["-p", "run.Recipe.stepz = 3"], "write steps"),
        (["-p", "run.Recipe.log_every = 0"], "log_every"),
        (["-p", "climategan.MaskerLosses.weights = {'m/tvv': 1.0}"], "did you mean 'm/tv'"),
        (["-p", "generators.SPADEPainter.width = 7"], "width"),
        (["-p", "SIZE = 20"], "20"),
        (["-p", "decoders.DeepLabV3PlusDecoder.num_classes = 5"], "data.Data.size = 64"),
        (["-p", "climategan.Masker.encoder = 3"], "error: the recipe"),
        (["-p", "encoders.DeepLabV3ResNet.blocks = 3"], "error: the recipe"),
        (["-p", "losses.BCEGANLoss.flip_probability = 2.0"], "flip_probability"),
        (["-p", "generator/optim.ExtraAdam.lr = -1.0"], "lr"),
        (["-p", "data.Data.batch_size = 0"], "batch_size"),
        (["-p", "data.Data.flip = 3"], "flip"),
        (["-p", "data.Data.crop = 999"], "crop"),
        (["-p", "data.Data.workers = -1"], "workers"),
        (["-p", "data.Data.train = {'q': 'train_s.json'}"], "domains"),
        (["-p", "data.Data.batch_size = {'s': 1}"], "batch_size"),
        (["-p", "data.Data.tasks = {'s': ('q',)}"], "tasks"),
        (["-p", "data.Folder.path = '/nowhere/at/all'"], "data.Folder.path: expected a folder"),
        (["-p", "data.Data.train = {'s': 'nowhere.json', 'rf': 'train_rf.json'}"], "nowhere.json"),
        (["-p", "data.Data.train = {'s': 'train_s.json'}"], "train must list domain rf"),
        (["-p", "run.Recipe.phases = {'pretrain': (0, 2)}"], "train must list domain kitti"),
        (["-p", "run.Recipe.phases = {'pretrian': (0, 2)}"], "did you mean 'pretrain'"),
        (["-p", "run.Recipe.phases = {'pseudo/s': 3}"], "must be a pair"),
        (["-p", "run.Recipe.phases = {'pretrain': (1, None)}"], "must start at 0 and end"),
        (["-p", "run.Recipe.phases = 'pretrain'"], "write a dictionary"),
        (["-p", "run.Recipe.phases = {'pseudo/s': (0, 2)}"], "reads no s from r"),
        (["-p", "climategan.MaskerLosses.weights = {'m/tv': 'x'}"], "weights must be numbers"),
        (["-p", "run.Recipe.load_paths = {'pm': 'runs/other'}"], "--resume beside it"),
        (["-p", "run.Recipe.load_paths = 'runs/other'"], "paths or None by 'm', 'p' and 'pm'"),
        (["-p", "data.Data.incomplete = 'drop'"], "incomplete must be one of"),
        (["-p", "climategan.System.pretrained = {'maskr': 'x.pth'}"], "did you mean 'masker'"),
        (["-p", "run.Recipe.unit = 'hour'"], "unit must be one of"),
        (["-p", "run.Recipe.order = 'random'"], "order must be one of"),
        (["-p", "climategan.CriticObjective.clip = -1.0"], "clip must be above 0"),
        (["-p", "data.Data.batch_size = 99"], "at least one batch of 99 rows"),
        (["-p", "optim.ExtraAdam.lr = 1.0"], "nothing uses"),
        (["-p", "climategan.System.generator_rates = {'maskr': 1e-4}"], "did you mean 'model.masker'"),
        (["-p", "run.Recipe.seed = -1"], "seed: expected a whole number >= 0"),
        (["-p", "run.Recipe.seed = 'abc'"], "seed"),
        (["-p", "run.Recipe.seed = 1.5"], "seed"),
        (["-p", "run.Recipe.log_every = True"], "log_every"),
        (["-p", "data.Data.target_stride = 3.5"], "target_stride"),
        (["-p", "data.Data.workers = 1.5"], "workers"),
        (["-p", "data.Data.val = {'s': 3}"], "val must be a list's name"),
        (["-p", "data.Data.source = None"], "source must be"),
        (["-p", "data.Data.source = 7"], "source must be"),
        (["-p", "data.Folder.path = 7"], "quote it"),
        (["-p", "data.Data.source = @data.Town()", "-p", "data.Town.size = '64'"], "size"),
        (["-p", "data.Data.source = @data.Town()", "-p", "data.Town.size = 100000000"], "size"),
        (["-p", "data.Data.source = @data.Town()", "-p", "data.Town.count = None"], "count"),
        (["-p", "data.Data.source = @data.Town()", "-p", "data.Town.count = 2.5"], "count"),
        (["-p", "data.Data.source = @data.Town()", "-p", "data.Town.count = 1"], "1 training frames of s"),
        (["-p", "data.Data.source = @data.Town()", "-p", "data.Town.val_count = 0"], "val_count"),
    ],
)
def test_mistakes_are_found_before_anything_is_written(
    data: Path, tmp_path: Path, more: list[str], message: str, capsys
) -> None:
    output = tmp_path / "run"
    with pytest.raises(SystemExit) as left:
        cli.run(run.main, [*flags(data, output), *more])
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert message in error
    assert "Traceback" not in error
    assert error.count("error:") == 1
    assert not output.exists()


def _break_list(folder: Path) -> None:
    (folder / "train_s.json").write_text('[{"x": "train_s_0.png"')


def _drop_file(folder: Path) -> None:
    (folder / "train_r_1.png").unlink()


def _truncate_image(folder: Path) -> None:
    path = folder / "train_s_2.png"
    path.write_bytes(path.read_bytes()[:-40])


def _spoil_image(folder: Path) -> None:
    (folder / "train_rf_0.png").write_bytes(b"this is no image")


def _spoil_labels(folder: Path) -> None:
    import numpy as np

    np.save(folder / "train_s_0_s.npy", np.full((64, 64), 11, np.uint8))


def _shrink_mask(folder: Path) -> None:
    import numpy as np

    cv2.imwrite(str(folder / "train_s_1_m.png"), np.zeros((32, 64), np.uint8))


def _spoil_validation(folder: Path) -> None:
    (folder / "val_r_0_m.png").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (_break_list, "train_s.json"),
        (_drop_file, "train_r_1.png"),
        (_truncate_image, "train_s_2.png"),
        (_spoil_image, "train_rf_0.png"),
        (_spoil_labels, "train_s_0_s.npy"),
        (_shrink_mask, "train_s_1_m.png"),
        (_spoil_validation, "val_r_0_m.png"),
    ],
)
def test_bad_data_is_found_before_training(data: Path, tmp_path: Path, spoil, name: str, capsys) -> None:
    broken, output = tmp_path / "data", tmp_path / "run"
    shutil.copytree(data, broken)
    spoil(broken)
    with pytest.raises(SystemExit) as left:
        cli.run(run.main, flags(broken, output))
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert name in error
    assert "Traceback" not in error
    assert not output.exists()


@pytest.mark.parametrize("resume", [[], ["--resume", "auto"]])
def test_a_folder_with_other_files_is_left_alone(data: Path, tmp_path: Path, resume: list[str]) -> None:
    output = tmp_path / "photos"
    output.mkdir()
    (output / "holiday.jpg").write_text("mine")
    with pytest.raises(InputError, match="--output"):
        run.main([*flags(data, output), *resume])
    assert [path.name for path in output.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("more", [["--device", "bogus"], ["--dry-run"], []])
def test_what_only_looks_like_a_run_is_never_lost(data: Path, tmp_path: Path, more: list[str]) -> None:
    output = tmp_path / "mine"
    for name in ("checkpoints/best.pt", "samples/mine.png", "report.md"):
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).write_text("mine")
    with pytest.raises(InputError, match="one that holds"):
        run.main([*flags(data, output, steps=1), "--resume", "auto", *more])
    assert len([path for path in output.rglob("*") if path.is_file()]) == 3


@pytest.mark.parametrize("more", [["--device", "bogus"], ["--dry-run"]])
def test_a_refused_command_leaves_a_damaged_run_as_it_is(
    data: Path, finished: Path, tmp_path: Path, more: list[str]
) -> None:
    output = tmp_path / "copy"
    shutil.copytree(finished, output)
    for state in output.glob("checkpoints/*/state.json"):
        state.write_text("{}")
    before = sorted(path.relative_to(output) for path in output.rglob("*"))
    command = [*flags(data, output, steps=3), "--resume", "auto", *more]
    if more == ["--dry-run"]:
        run.main(command)
    else:
        with pytest.raises(InputError, match="device"):
            run.main(command)
    assert sorted(path.relative_to(output) for path in output.rglob("*")) == before


def test_sigterm_while_networks_are_evaluated_says_how_to_go_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output, evaluate = tmp_path / "run", System.evaluate
    begun: list[int] = []

    def stopped(self, *arguments):
        begun.append(1)
        if len(begun) in (1, 3):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        return evaluate(self, *arguments)

    monkeypatch.setattr(System, "evaluate", stopped)
    told = []
    for more in ([], ["--resume", "auto"], ["--resume", "auto"]):
        with pytest.raises(SystemExit) as left:
            cli.run(run.main, [*flags(data, output, steps=1), *more])
        told.append((left.value.code, capsys.readouterr().err))
    way = f"go on with the same command and --output {output} --resume auto"
    whole = output / "checkpoints" / "step_00000001"
    assert [code for code, _ in told] == [cli.INTERRUPTED, cli.INTERRUPTED, 0]
    assert told[0][1].endswith(f"interrupted; {way}\n")
    assert told[1][1].endswith(f"interrupted; {whole} is whole; {way}\n")


def test_a_folder_in_which_a_run_has_begun_says_how_to_begin_again(data: Path, tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").create(afresh=True)
    with pytest.raises(InputError, match=r"one in which a run has begun.* --resume auto"):
        run.main(flags(data, tmp_path / "run", steps=1))


def test_starting_afresh_sets_a_damaged_run_aside(data: Path, finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "copy"
    shutil.copytree(finished, output)
    for state in output.glob("checkpoints/*/state.json"):
        state.write_text("{}")
    for rubbish in (
        "checkpoints/.step_00000003.1.partial",
        "samples/.step.png.part",
        ".config.gin.1.partial",
    ):
        (output / rubbish).mkdir() if rubbish.startswith("checkpoints") else (output / rubbish).touch()
    run.main([*flags(data, output, steps=1), "--resume", "auto"])
    assert not [path for path in output.rglob(".*") if path.name != ".lock"]
    assert [record["step"] for record in _metrics(output)] == [1]
    kept = output / "set_aside_1"
    assert (kept / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()
    assert list(kept.glob("checkpoints/step_00000003"))


def test_resuming_an_earlier_checkpoint_leaves_no_later_one_in_the_way(
    data: Path, finished: Path, tmp_path: Path, capsys
) -> None:
    output = tmp_path / "branches"
    run.main(flags(data, output, steps=2, more=("run.Recipe.save_every = 1",)))
    first = output / "checkpoints" / "step_00000001"
    later = ("run.Recipe.save_every = 1", "generator/optim.StepDecay.gamma = 0.9")
    run.main([*flags(data, output, steps=2, more=later), "--resume", str(first)])
    assert "another configuration: generator/optim.StepDecay.gamma = 0.9" in capsys.readouterr().err
    assert (output / "set_aside_1" / "checkpoints" / "step_00000002").is_dir()
    assert "StepDecay.gamma = 0.9" in (output / "config.gin").read_text()
    times = [record["time"] for record in _metrics(output)]
    assert times == sorted(times)
    assert [record["step"] for record in _metrics(output)] == [1, 2]


def test_a_folder_with_a_run_needs_resume(data: Path, finished: Path) -> None:
    with pytest.raises(InputError, match=r"one that holds a run.*--resume auto"):
        run.main(flags(data, finished))


def test_a_file_as_output(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="got a file"):
        run.main(flags(data, tmp_path / "file"))


def test_auto_resume_needs_an_output(data: Path) -> None:
    with pytest.raises(InputError, match="--output"):
        run.main([*flags(data), "--resume", "auto"])


def test_resume_from_something_else(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="checkpoint"):
        run.main([*flags(data, tmp_path / "run"), "--resume", str(tmp_path / "empty")])


def test_fewer_steps_than_the_checkpoint(data: Path, finished: Path) -> None:
    with pytest.raises(InputError, match="at most 2 steps"):
        run.main([*flags(data, finished, steps=2), "--resume", "auto"])


def test_a_checkpoint_of_another_architecture(data: Path, finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "copy"
    shutil.copytree(finished, output)
    more = ("generators.SPADEPainter.width = 16",)
    with pytest.raises(InputError, match="a checkpoint of this recipe's networks"):
        run.main([*flags(data, output, steps=4, more=more), "--resume", "auto"])
    assert (output / "metrics.jsonl").read_text() == (finished / "metrics.jsonl").read_text()


@pytest.mark.known_bug(56)
def test_water_is_there_or_not_also_at_the_size_of_a_photo(finished: Path) -> None:
    model = ClimateGAN.from_run(finished, device="cpu")
    photo = torch.rand(1, 3, 150, 190) * 2 - 1
    water = model.infer_all(photo, size=64, threshold=None, events=()).mask
    seen = model.infer_all(photo, size=64, threshold=water.median().item())
    assert seen.mask.unique().tolist() == [0, 1]
    dry = (seen.mask == 0).expand_as(photo)
    assert torch.equal(seen.flood[dry], photo[dry])


@pytest.mark.known_bug(40)
def test_apply_floods_any_photo(finished: Path, tmp_path: Path, capsys) -> None:
    import numpy as np

    photos, output = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    rng = np.random.default_rng(0)
    sizes = {"wide.png": (70, 150), "tall.jpg": (203, 97), "small.webp": (40, 40), "strip.png": (3, 900)}
    for name, (height, width) in sizes.items():
        cv2.imwrite(str(photos / name), rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    apply.main(["--run", str(finished), "--images", str(photos), "--output", str(output), "--device", "cpu"])
    for name, size in sizes.items():
        for event in ("flood", "wildfire", "smog", "mask"):
            picture = cv2.imread(str(output / f"{Path(name).stem}_{event}.png"))
            assert picture.shape == (*size, 3)
    mask, flood, photo = (
        cv2.imread(str(path))
        for path in (output / "wide_mask.png", output / "wide_flood.png", photos / "wide.png")
    )
    dry = mask.max(axis=2) == 0
    assert abs(flood[dry].astype(int) - photo[dry]).max(initial=0) <= 1


@pytest.mark.parametrize(
    "case",
    [
        "no run",
        "no images",
        "empty folder",
        "not an image",
        "one is broken",
        "taken",
        "mask taken",
        "no checkpoint",
    ],
)
def test_mistakes_of_apply(finished: Path, tmp_path: Path, case: str, capsys) -> None:
    import numpy as np

    run_folder, images, output = finished, tmp_path / "photo.png", tmp_path / "out"
    cv2.imwrite(str(images), np.zeros((64, 64, 3), np.uint8))
    if case == "no run":
        run_folder = tmp_path
    elif case == "no images":
        images = tmp_path / "nowhere"
    elif case == "empty folder":
        images = tmp_path / "empty"
        images.mkdir()
    elif case == "not an image":
        images.write_text("hello")
    elif case == "one is broken":
        images = tmp_path / "photos"
        images.mkdir()
        shutil.copy(tmp_path / "photo.png", images / "a.png")
        (images / "b.png").write_bytes((tmp_path / "photo.png").read_bytes()[:-40])
    elif "taken" in case:
        output.mkdir()
        name = "photo_mask.png" if case == "mask taken" else "photo_flood.png"
        (output / name).write_text("mine")
    elif case == "no checkpoint":
        run_folder = tmp_path / "young"
        run_folder.mkdir()
        shutil.copy(finished / "config.gin", run_folder)
    arguments = [
        "--run",
        str(run_folder),
        "--images",
        str(images),
        "--output",
        str(output),
        "--device",
        "cpu",
    ]
    with pytest.raises(SystemExit) as left:
        cli.run(apply.main, arguments)
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert error.count("error:") == 1
    assert "Traceback" not in error
    if "taken" in case:
        assert [path.read_text() for path in output.iterdir()] == ["mine"]
    else:
        assert not output.exists()


@pytest.mark.parametrize(
    "flag", [["--size", "8"], ["--size", "99999"], ["--threshold", "1.5"], ["--threshold", "nan"]]
)
def test_numbers_of_apply_out_of_range(finished: Path, tmp_path: Path, flag: list[str]) -> None:
    with pytest.raises(InputError, match=flag[0]):
        apply.main(
            ["--run", str(finished), "--images", str(tmp_path), "--output", str(tmp_path / "out"), *flag]
        )


@pytest.mark.parametrize(
    ("configuration", "val", "pictures"),
    [
        ("painter", {"s": "val_s.json"}, set()),
        ("painter", {"rf": "val_rf.json"}, {"step_000002.png"}),
        ("msd", {}, set()),
        ("mask_only", {"r": "val_r.json"}, {"step_000002.png"}),
    ],
)
def test_a_part_alone_and_what_is_not_held_out_is_not_shown(
    data: Path, tmp_path: Path, configuration: str, val: dict[str, str], pictures: set[str]
) -> None:
    output = tmp_path / "run"
    arguments = flags(data, output, more=(f"data.Data.val = {val}", "data.Data.truth = {}"))
    arguments[1] = f"recipes/climategan/{configuration}.gin"
    run.main(arguments)
    assert {path.name for path in (output / "samples").iterdir()} == pictures
    assert (output / "report.md").is_file()
    table = json.loads((output / "final.json").read_text())
    assert {name.split("/")[0] for name in table["after"]} == {d for d in val if pictures and d != "rf"}


def test_anothers_painter_shows_the_floods_of_a_masker(
    data: Path, finished: Path, tmp_path: Path, capsys
) -> None:
    shown = f"climategan.System.shown_painter = {str(finished)!r}"
    output = tmp_path / "run"
    arguments = flags(data, output, more=(shown, "run.Recipe.validate_every = 2"))
    arguments[1] = "recipes/climategan/msd.gin"
    run.main(arguments)
    assert (output / "samples" / "r_flood_000002.png").is_file()
    assert (output / "events" / "r_00_flood.png").is_file()
    weights = checkpoint.load_weights(output / "checkpoints" / "step_00000002")
    assert not any(key.startswith("painter") for key in weights)
    arguments = flags(data, tmp_path / "other", more=("climategan.System.shown_painter = 'nowhere'",))
    arguments[1] = "recipes/climategan/msd.gin"
    with pytest.raises(SystemExit) as left:
        cli.run(run.main, arguments)
    assert left.value.code == 2
    assert "shown_painter nowhere: expected a run" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_validation_takes_lists_of_any_length_and_no_penalty(data: Path, tmp_path: Path) -> None:
    rows = json.loads((data / "val_s.json").read_text())
    whole = [{task: str(data / name) for task, name in row.items()} for row in rows]
    (tmp_path / "val_s.json").write_text(json.dumps(whole[:3]))
    (tmp_path / "val_r.json").write_text(json.dumps(whole[:1]))
    lists = {"s": str(tmp_path / "val_s.json"), "r": str(tmp_path / "val_r.json")}
    own = tmp_path / "own.gin"
    own.write_text(
        "from __gin__ import dynamic_registration\n"
        "from gancomponents import losses\nfrom recipes import climategan\n"
        "include 'recipes/climategan/msd.gin'\nclimategan.CriticObjective.penalty = @losses.GradientPenalty()\n"
    )
    more = (f"data.Data.val = {lists}", "data.Data.truth = {}", "run.Recipe.validate_every = 2")
    arguments = flags(data, tmp_path / "run", more=more)
    arguments[1] = str(own)
    run.main(arguments)
    trained, validated = _metrics(tmp_path / "run")[-2:]
    assert "critic/m/penalty/s+r" in trained
    terms = {key.removeprefix("val/") for key in validated if "/m/" in key}
    assert terms == {key for key in trained if "/m/" in key} - {"critic/m/penalty/s+r"}
    parts = [value for key, value in validated.items() if key.startswith("val/masker/")]
    assert validated["val/masker"] == pytest.approx(sum(parts))


def test_floods_without_their_dry_street_are_found_before_training(
    data: Path, tmp_path: Path, capsys
) -> None:
    rows = json.loads((data / "val_rf.json").read_text())
    short = [{task: str(data / name) for task, name in row.items()} for row in rows[:3]]
    (tmp_path / "short.json").write_text(json.dumps(short))
    lists = {"rf": str(tmp_path / "short.json")}
    with pytest.raises(SystemExit) as left:
        cli.run(run.main, flags(data, tmp_path / "run", more=(f"data.Data.val = {lists}",)))
    assert left.value.code == 2
    assert "the same streets, dry, in the same order, got 4" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
