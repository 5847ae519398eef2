"""The command: upstream's checkpoints in, run folders of ours out, with the same weights and the same outputs."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gancomponents.errors import InputError
from gancomponents.training import checkpoint
from recipes import cli, config, convert
from tests.recipes.upstream import tiny


def _converted(*arguments: object) -> None:
    convert.main([str(argument) for argument in arguments])


def _refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that the command complains in, having written nothing."""
    with pytest.raises(SystemExit) as stopped:
        cli.run(convert.main, [str(argument) for argument in arguments])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with everything in it."""
    model, critics = tiny.shuffled(tiny.usual()), tiny.shuffled(tiny.CRITICS["usual"]())
    path = tmp_path_factory.mktemp("upstream") / "checkpoints" / "latest_ckpt.pth"
    return tiny.save(path, tiny.upstream_state(model), tiny.upstream_critics(critics))


@pytest.mark.parametrize("name", tiny.MODELS)
def test_model_is_the_same(name: str, tmp_path: Path) -> None:
    model = tiny.shuffled(tiny.MODELS[name]())
    path = tiny.save(tmp_path / "latest_ckpt.pth", tiny.upstream_state(model))
    _converted(path, "--output", tmp_path / "run")
    other = tiny.load(tmp_path / "run")
    assert other.state_dict().keys() == model.state_dict().keys()
    for key, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[key], value), key
    x, mask = torch.rand(1, 3, 64, 48) * 2 - 1, torch.ones(1, 1, 64, 48)
    with torch.no_grad():
        for found, expected in zip(other(x), model(x), strict=True):
            assert (found is None) == (expected is None)
            assert found is None or torch.equal(found, expected)
        assert (other.painter is None) == (model.painter is None)
        if model.painter is not None:
            assert torch.equal(other.paint(x, mask), model.paint(x, mask))


@pytest.mark.parametrize("name", tiny.CRITICS)
def test_critics_are_the_same(name: str, tmp_path: Path) -> None:
    critics = tiny.shuffled(tiny.CRITICS[name]())
    generator = tiny.upstream_state(tiny.alone())
    path = tiny.save(tmp_path / "latest_ckpt.pth", generator, tiny.upstream_critics(critics))
    _converted(path, "--output", tmp_path / "run")
    other = tiny.load_critics(tmp_path / "run")
    for key, value in critics.state_dict().items():
        assert torch.equal(other.state_dict()[key], value), key
    entropy = torch.rand(1, 11, 64, 64)
    assert torch.equal(other.segmentation(entropy), critics.segmentation(entropy))


def test_file_without_critics_gives_none(tmp_path: Path) -> None:
    path = tiny.save(tmp_path / "latest_ckpt.pth", tiny.upstream_state(tiny.alone()))
    _converted(path, "--output", tmp_path / "run")
    newest = checkpoint.newest(tmp_path / "run" / "checkpoints")
    assert newest is not None
    assert checkpoint.weights_in(newest) == ["model"]


def test_some_critics(tmp_path: Path) -> None:
    every = tiny.upstream_critics(tiny.CRITICS["usual"]())
    some = {key: value for key, value in every.items() if key.startswith("p.")}
    path = tiny.save(tmp_path / "latest_ckpt.pth", tiny.upstream_state(tiny.alone()), some)
    _converted(path, "--output", tmp_path / "run")
    newest = checkpoint.newest(tmp_path / "run" / "checkpoints")
    assert newest is not None
    weights = checkpoint.load_weights(newest, "critics")
    assert {key.split(".")[0] for key in weights} == {"painter"}


def test_folder_says_what_it_is(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    _converted(whole.parents[1], "--output", run, "--keys")  # a folder stands for the newest file in it
    assert {path.name for path in run.iterdir()} == {"config.gin", "checkpoints", "conversion.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    newest = checkpoint.newest(run / "checkpoints")
    assert newest is not None
    assert newest.name == "step_00001234"
    assert checkpoint.load(newest) == {"step": 1234, "epoch": 3, "loop": None, "before": {}}
    record = json.loads((run / "conversion.json").read_text())
    content = torch.load(whole, weights_only=True)
    assert record["keys"]["G"].keys() == content["G"].keys()
    assert record["keys"]["D"].keys() == content["D"].keys()
    assert record["assumed"]["output_stride"] == 8
    assert record["not_converted"] == ["g_opt", "d_opt"]
    printed = capsys.readouterr().out
    for text in (
        "epoch 3, step 1234",
        "output_stride        8           (default: the file cannot tell)",
        "decoders.MaskDecoder(upsamplings=3",
        "not converted: g_opt, d_opt",
    ):
        assert text in printed
    for key, ours in record["keys"]["G"].items():
        assert f"{key} -> {ours}" in printed


def test_settings_take_effect(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["output_stride=16", "target_stride=2", "fuse_segmentation=False", "mask_padding=zeros"]
    settings += [
        "size=320",
        "stretch=False",
        "paste_original=false",
        "depth_resize=bilinear",
        "mask_activation=relu",
        "mask_norm=instance",
    ]
    flags = [flag for setting in settings for flag in ("--set", setting)]
    _converted(whole, "--output", tmp_path / "run", *flags)
    model = tiny.load(tmp_path / "run")
    masker = model.masker
    assert masker is not None
    assert masker.encoder.strides == [4, 16]
    assert masker.target_stride == 2
    assert (masker.fuse_segmentation, masker.fuse_mask) == (False, True)
    assert not model.paste_original
    for name, value in (("size", 320), ("stretch", False), ("target_stride", 2)):
        assert config.bound(f"data.Data.{name}", None) == value
    assert masker.depth.resize == "bilinear"
    block = masker.mask.project
    assert isinstance(block.activation, torch.nn.ReLU)
    assert type(block.norm).__name__ == "InstanceNorm"
    assert masker.mask.low.conv.padding_mode == "zeros"
    assert "output_stride        16          (asked for)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("output_stride", "no equals sign"),
        ("output_strid=16", "write output_stride"),
        ("output_stride=12", "one of 8, 16"),
        ("size=8", "a whole number 32 to 4096"),
        ("size=wide", "a whole number 32 to 4096"),
        ("paste_original=1", "one of True, False"),
        ("mask_activation=rellu", "write relu"),
        ("detach_condition=True", "this file leaves open: output_stride"),
        ("fuse_mask=False", None),
    ],
)
def test_wrong_settings(
    setting: str, complaint: str | None, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [whole, "--output", tmp_path / "run", "--set", setting]
    if complaint is None:
        arguments, complaint = [*arguments, "--set", "fuse_segmentation=False"], "someone to take it"
    assert complaint in _refused(capsys, *arguments)
    assert not list(tmp_path.iterdir())


def test_masker_and_painter_from_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny.shuffled(tiny.usual())
    every = tiny.upstream_state(model)
    painter = {key: value for key, value in every.items() if key.startswith("painter.")}
    # The first file has a painter of its own, of another depth, which the second replaces as a whole.
    shallow = tiny.upstream_state(
        tiny.ClimateGAN(painter=tiny.SPADEPainter(8, upsamplings=2, hidden_channels=4))
    )
    deep = tiny.upstream_state(
        tiny.ClimateGAN(painter=tiny.SPADEPainter(8, upsamplings=4, hidden_channels=4))
    )
    for other in (shallow, deep):
        first = tiny.save(tmp_path / "m.pth", {**every, **other})
        second = tiny.save(tmp_path / "p" / "checkpoints" / "latest_ckpt.pth", painter)
        run = tmp_path / f"run{len(other)}"
        _converted(first, second.parents[1], "--output", run)
        found = tiny.load(run).state_dict()
        for key, value in model.state_dict().items():
            assert torch.equal(found[key], value), key
        replaced = json.loads((run / "conversion.json").read_text())["replaced"]
        assert set(replaced) == {key for key in {**every, **other} if key.startswith("painter.")}
        assert f"{len(replaced)} entries of the first file" in capsys.readouterr().out


class _Attack:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_nothing_in_a_file_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = {"G": tiny.upstream_state(tiny.alone()), "epoch": 0, "step": _Attack(tmp_path / "owned")}
    for legacy in (True, False):
        torch.save(content, tmp_path / "bad.pth", _use_new_zipfile_serialization=not legacy)
        assert "mkdir" in _refused(capsys, tmp_path / "bad.pth", "--output", tmp_path / "run")
        assert [path.name for path in tmp_path.iterdir()] == ["bad.pth"]


def _damaged(state: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    state = dict(state)
    if how == "unknown":
        state["decoders.m.attention.weight"] = torch.ones(2)
    elif how == "elsewhere":
        state["classifier.weight"] = torch.ones(2)
    elif how == "missing":
        del state["decoders.m.model.2.conv.module.weight_u"]
    elif how == "shape":
        state["decoders.m.model.2.conv.module.weight_bar"] = torch.ones(4, 9, 3, 3)
    elif how == "flat":
        state["encoder.conv1.weight"] = torch.ones(2, 3)
    elif how == "narrow":
        state["decoders.m.proj_conv.conv.module.weight_bar"] = torch.ones(7, 64, 1, 1)
    elif how == "headless":
        del state["encoder.conv1.weight"]
    return state


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("unknown", "decoders.m.attention.weight"),
        ("elsewhere", "classifier.weight"),
        ("missing", "decoders.m.model.2.conv.module.weight_u: not in the file"),
        ("shape", "decoders.m.model.2.conv.module.weight_bar: [4, 9, 3, 3] in place of [4, 8, 3, 3]"),
        ("flat", "encoder.conv1.weight: expected four dimensions, got [2, 3]"),
        ("headless", "encoder.conv1.weight"),
        ("narrow", "proj_channels"),
    ],
)
def test_strict(how: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny.save(tmp_path / "bad.pth", _damaged(tiny.upstream_state(tiny.alone()), how))
    assert complaint in _refused(capsys, path, "--output", tmp_path / "run")
    assert [found.name for found in tmp_path.iterdir()] == ["bad.pth"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"step": 1}, "expected a dict with G"),
        ([1, 2], "got a list"),
        ({"G": 3}, "expected a dict of tensors"),
        ({"G": {"encoder.conv1.weight": 3}}, "a int at 'encoder.conv1.weight'"),
        ({"G": {}}, "keys of encoder., decoders. or painter."),
        ({"G": {}, "step": "many"}, "a whole number"),
    ],
)
def test_other_files(
    content: object, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "bad.pth")
    assert complaint in _refused(capsys, tmp_path / "bad.pth", "--output", tmp_path / "run")
    assert [found.name for found in tmp_path.iterdir()] == ["bad.pth"]


def test_every_fault_is_listed_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tiny.upstream_state(tiny.alone())
    extra = {f"encoder.fc{i}.weight": torch.ones(1) for i in range(9)}
    path = tiny.save(tmp_path / "bad.pth", {**state, **extra})
    with pytest.raises(InputError, match="9 faults"):
        _converted(path, "--output", tmp_path / "run", "--keys")
    printed = capsys.readouterr().out.splitlines()
    assert {f"{key}: nothing of this architecture" for key in extra} <= set(printed)


def test_unknown_critics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny.save(
        tmp_path / "bad.pth", tiny.upstream_state(tiny.alone()), {"d.Advent.0.bias": torch.ones(1)}
    )
    assert "d.Advent.0.bias" in _refused(capsys, path, "--output", tmp_path / "run")


def test_broken_files(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = whole.read_bytes()
    for content in (b"", b"not a checkpoint", data[: len(data) // 2], data[:100]):
        (tmp_path / "bad.pth").write_bytes(content)
        assert "a broken or foreign file" in _refused(
            capsys, tmp_path / "bad.pth", "--output", tmp_path / "run"
        )
    assert "no such file" in _refused(capsys, tmp_path / "none.pth", "--output", tmp_path / "run")
    assert "latest_ckpt.pth" in _refused(capsys, tmp_path, "--output", tmp_path / "run")
    assert "3 files" in _refused(capsys, whole, whole, whole, "--output", tmp_path / "run")
    assert [found.name for found in tmp_path.iterdir()] == ["bad.pth"]


def test_output_must_be_free(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    _converted(whole, "--output", tmp_path / "run")  # empty: welcome
    capsys.readouterr()
    before = sorted(tmp_path.rglob("*"))
    assert "one that holds a run" in _refused(capsys, whole, "--output", tmp_path / "run")
    assert sorted(tmp_path.rglob("*")) == before
