"""Files from strangers through the commands that read them: nothing runs, grows, or is written elsewhere."""

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gancomponents.data import write_image
from gancomponents.encoders import load_weights
from gancomponents.errors import InputError
from gancomponents.losses import VGGLoss
from gancomponents.training import checkpoint
from recipes import apply, cli, convert, evaluate, lists, run
from recipes.climategan import ClimateGAN
from tests.recipes.evaluation.scenes import LABEL, WATER, write_scene
from tests.recipes.tiny import flags, write_data
from tests.recipes.trained import write_run
from tests.recipes.upstream import tiny as upstream
from tests.test_tensors import DAMAGED, Trap

ROOT = Path(__file__).parents[1]
#: Clears a terminal, ends a line, turns the direction of what follows, is mathematics to matplotlib.
ODD = "a\x1b[2J\n\u202e$\\frac$"

Command = Callable[[list[str]], None]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "trained")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "street.png", np.zeros((64, 64, 3), np.uint8))
    return tmp_path / "photos"


def refused(capsys: pytest.CaptureFixture[str], command: Command, *arguments: object) -> str:
    """The one line of a command that refuses its input."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        cli.run(command, [str(argument) for argument in arguments])
    told = capsys.readouterr().err.removeprefix("WARNING:")
    assert left.value.code == cli.MISTAKE, told
    assert told.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in told
    assert told.replace("\n", "").replace("\r", "").isprintable()
    return told


# Images


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(height: int, width: int, pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _whole_png() -> bytes:
    """A real PNG of 30000 x 30000 pixels in a hundred kilobytes."""
    packer = zlib.compressobj()
    rows = [packer.compress(bytes(1 + 30000 // 8)) for _ in range(30000)]
    return _png(30000, 30000, b"".join([*rows, packer.flush()]))


def _jpeg(height: int, width: int, *, again: tuple[int, int] | None = None) -> bytes:
    """A JPEG whose frame states this size, and another after its scan."""
    data = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    place = data.index(b"\xff\xc0")
    end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")

    def frame(height: int, width: int) -> bytes:
        return data[place : place + 5] + struct.pack(">HH", height, width) + data[place + 9 : end]

    last = b"" if again is None else frame(*again)
    return data[:place] + frame(height, width) + data[end:-2] + last + data[-2:]


def _webp(side: int) -> bytes:
    data = cv2.imencode(".webp", np.zeros((16, 16, 3), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 101])[
        1
    ].tobytes()
    rest = int.from_bytes(data[21:25], "little") & ~0xFFFFFFF
    return data[:21] + struct.pack("<I", rest | side - 1 | side - 1 << 14) + data[25:]


LIMIT = r"expected an image of 1 to 134217728 pixels, got {} x {}"
OTHER = "expected a whole PNG, JPEG or WebP image, got {}"
KIND, TWICE = (
    OTHER.format("a file of another kind"),
    OTHER.format("a damaged JPEG file .it states its size twice"),
)
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "header.png": (lambda: _png(60000, 60000, zlib.compress(bytes(9))), LIMIT.format(60000, 60000)),
    "whole.png": (_whole_png, LIMIT.format(30000, 30000)),
    "nothing.png": (lambda: _png(0, 5, b""), LIMIT.format(0, 5)),
    "header.jpg": (lambda: _jpeg(65500, 65500), LIMIT.format(65500, 65500)),
    "twice.jpg": (
        lambda: _jpeg(30000, 30000, again=(16, 16)),
        TWICE,
    ),
    "header.webp": (lambda: _webp(16383), LIMIT.format(16383, 16383)),
    "tiff.png": (lambda: b"II*\0" + bytes(99), KIND),
    "bmp.jpg": (
        lambda: b"BM" + bytes(16) + struct.pack("<ii", 60000, 60000),
        KIND,
    ),
    "gif.webp": (
        lambda: b"GIF89a" + struct.pack("<HH", 60000, 60000),
        KIND,
    ),
    "exr.png": (lambda: b"v/1\x01" + bytes(99), KIND),
    "cut.png": (lambda: _whole_png()[:-9], OTHER.format("a truncated PNG file")),
}


@pytest.mark.parametrize("name", BOMBS)
def test_images_are_refused_by_every_command_before_they_are_decoded(
    name: str, trained: Path, photos: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    make, message = BOMBS[name]
    (photos / name).write_bytes(make())
    decode = cv2.imdecode

    def watched(data: np.ndarray, flags: int) -> np.ndarray:
        assert data.size < 1000, "decoded"  # the good photo's
        return decode(data, flags)

    monkeypatch.setattr(cv2, "imdecode", watched)
    (tmp_path / "list.json").write_text(json.dumps([{"x": f"photos/{name}"}]))
    with pytest.raises(InputError, match=message) as found:
        apply.main(["--run", str(trained), "--images", str(photos), "--output", str(tmp_path / "flooded")])
    assert name in str(found.value)
    assert not (tmp_path / "flooded").exists()
    refused(capsys, lists.main, "check", tmp_path / "list.json")
    labels = tmp_path / "labels"
    shutil.copytree(photos, labels)
    told = refused(
        capsys,
        evaluate.main,
        "--run",
        trained,
        "--images",
        photos,
        "--labels",
        labels,
        "--output",
        tmp_path / "e",
    )
    assert name in told


# Names


def test_names_are_shown_as_they_are_and_lead_nowhere(trained: Path, tmp_path: Path, capsys) -> None:
    home = tmp_path / "home"
    photos, labels, output = home / "photos", home / "labels", home / "flooded"
    for stem in (ODD, "..", "...."):
        write_scene(photos, labels, stem, WATER, LABEL)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(home)}
    apply.main(["--run", str(trained), "--images", str(photos), "--output", str(output), "--events", "smog"])
    assert {path.name for path in output.iterdir()} == {
        f"{stem}_{kind}.png" for stem in (ODD, "..", "....") for kind in ("smog", "mask")
    }
    command = ["--run", str(trained), "--images", str(photos), "--labels", str(labels)]
    evaluate.main([*command, "--output", str(home / "evaluation")])
    assert (home / "evaluation" / "errors" / f"{ODD}.png").is_file()
    next(labels.glob("a*")).rename(labels / f"{ODD}alone.png")
    lists.main(["make", f"x={photos}", f"m={labels}", "--output", str(home / "list.json")])
    told = "".join(capsys.readouterr())
    assert r"a\x1b[2J\n\u202e$\frac$alone.png" in told
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(home)} == before
    assert {path.name for path in home.iterdir()} == {
        "photos",
        "labels",
        "flooded",
        "evaluation",
        "list.json",
    }
    for character in ODD[1:2] + ODD[6]:
        assert character not in told


@pytest.mark.parametrize("command", ["apply", "evaluate", "lists"])
def test_messages_show_the_characters_of_names(command: str, trained: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    (folder / f"{ODD}.png").write_bytes(b"nothing")
    (folder / f"{ODD}.json").write_text(json.dumps([{"x": f"{ODD}.png"}, {"x": f"{ODD}absent.png"}]))
    calls: dict[str, tuple[Command, list[object]]] = {
        "apply": (apply.main, ["--run", trained, "--images", folder, "--output", folder / "o"]),
        "evaluate": (
            evaluate.main,
            ["--run", folder, "--images", folder, "--labels", folder, "--output", "o"],
        ),
        "lists": (lists.main, ["check", folder / f"{ODD}.json"]),
    }
    main, arguments = calls[command]
    assert r"a\x1b[2J\n\u202e" in refused(capsys, main, *arguments)


def test_a_result_replaces_a_link_and_not_what_it_leads_to(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    target, output = tmp_path / "precious.txt", tmp_path / "flooded"
    target.write_text("precious")
    output.mkdir()
    (output / "street_smog.png").symlink_to(target)
    (output / "street_mask.png").symlink_to(tmp_path / "new.txt")
    command = ["--run", str(trained), "--images", str(photos), "--output", str(output)]
    apply.main([*command, "--events", "smog", "--overwrite"])
    assert target.read_text() == "precious"
    assert not (tmp_path / "new.txt").exists()
    assert not any(path.is_symlink() for path in output.iterdir())


def test_a_list_may_name_files_anywhere_and_writes_none(data: Path, tmp_path: Path, capsys) -> None:
    """Reading what a list names is what a list is for; the words of one are never a place to write."""
    rows = [{"x": str(next(data.glob("train_s_0.png")))}, {"x": "../../../../../../../../etc/hostname"}]
    (tmp_path / "list.json").write_text(json.dumps(rows))
    before = sorted(tmp_path.parent.rglob("*"))
    refused(capsys, lists.main, "check", tmp_path / "list.json")
    assert sorted(tmp_path.parent.rglob("*")) == before


# Checkpoints


def _crafted(trained: Path, folder: Path, content: bytes | None, state: object = None) -> Path:
    """A copy of a run whose checkpoint holds that, with digests to match."""
    shutil.copytree(trained, folder)
    (path,) = (folder / "checkpoints").iterdir()
    record = json.loads((path / "state.json").read_text())
    if content is not None:
        (path / "model.safetensors").write_bytes(content)
    record["digests"] = {name: checkpoint._digest(path / name) for name in record["digests"]}
    record["state"] = record["state"] if state is None else state
    (path / "state.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_weights_are_one_line(
    name: str, trained: Path, photos: Path, data: Path, tmp_path: Path, capsys
) -> None:
    crafted = _crafted(trained, tmp_path / "run", DAMAGED[name])
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes(DAMAGED[name])
    told = refused(capsys, apply.main, "--run", crafted, "--images", photos, "--output", tmp_path / "o")
    assert "damaged" in told
    for source in (crafted, bare) if name in ("huge header", "overlap") else ():  # one reader behind all
        command = flags(data, tmp_path / "resumed")
        assert "a damaged" in refused(capsys, run.main, *command, "--resume", source)
    with pytest.raises(InputError, match="damaged"):
        ClimateGAN.from_run(crafted)
    with pytest.raises(ValueError, match="damaged"):
        load_weights(torch.nn.Linear(1, 1), bare)
    with pytest.raises(InputError, match="damaged"):
        VGGLoss(weights=str(bare))
    assert not (tmp_path / "resumed").exists()


@pytest.mark.parametrize(
    "state",
    [
        {"__items__": [["loop", [1, 2]]]},
        {
            "__items__": [
                ["loop", {"__items__": [["players", {"__items__": [["generator", 1], ["critic", 2]]}]]}]
            ]
        },
    ],
)
def test_a_state_of_another_form_is_one_line(
    state: object, trained: Path, data: Path, tmp_path: Path, capsys
) -> None:
    crafted = _crafted(trained, tmp_path / "run", None, state)
    told = refused(capsys, run.main, *flags(data, tmp_path / "resumed"), "--resume", crafted)
    assert f"{crafted}" in told
    assert "checkpoint" in told
    assert not (tmp_path / "resumed").exists()


def test_no_link_in_a_run_folder_leads_a_resumed_run_elsewhere(data: Path, tmp_path: Path, capsys) -> None:
    output, target = tmp_path / "run", tmp_path / "precious.txt"
    run.main(flags(data, output, steps=1))
    target.write_text("precious")
    (output / "metrics.jsonl").unlink()
    (output / "metrics.jsonl").symlink_to(target)
    told = refused(capsys, run.main, *flags(data, output, steps=2), "--resume", "auto")
    assert (
        f"{output / 'metrics.jsonl'}: expected a file or folder of the run itself, got a link to {target}"
        in told
    )
    assert target.read_text() == "precious"
    (output / "metrics.jsonl").unlink()
    (output / "faults").mkdir()
    (output / "faults" / "step_00000002").symlink_to(tmp_path)
    told = refused(capsys, run.main, *flags(data, output, steps=2), "--resume", "auto")
    assert f"{output / 'faults' / 'step_00000002'}: expected a file or folder of the run itself" in told
    (output / "faults" / "step_00000002").unlink()
    output.rename(tmp_path / "elsewhere")
    output.symlink_to(tmp_path / "elsewhere")
    run.main([*flags(data, output, steps=2), "--resume", "auto"])  # of one's own


# Conversion


def _upstream(path: Path, **more: object) -> Path:
    state = upstream.upstream_state(upstream.shuffled(upstream.alone()))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"G": state, "step": 3, "epoch": 1, **more}, path)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".ckpt"])
def test_a_pickled_file_runs_nothing(suffix: str, data: Path, tmp_path: Path, capsys) -> None:
    trap = _upstream(tmp_path / f"trap{suffix}", note=Trap(tmp_path / "sprung"))
    assert "could run code" in refused(capsys, convert.main, trap, "--output", tmp_path / "o")
    command = flags(data, tmp_path / "o")
    assert "a pickled file" in refused(capsys, run.main, *command, "--resume", trap)
    pretrained = f"climategan.System.pretrained = {{'masker.encoder': {str(trap)!r}}}"
    assert "could run code" in refused(capsys, run.main, *command, "-p", pretrained)
    with pytest.raises(InputError, match="could run code"):
        VGGLoss(weights=str(trap))
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("step", [float("inf"), float("nan"), -1, 1e300, "3", [3]])
def test_steps_that_are_none(step: object, tmp_path: Path, capsys) -> None:
    path = _upstream(tmp_path / "a.pth", step=step)
    assert "a.pth: step: expected a whole number" in refused(
        capsys, convert.main, path, "--output", tmp_path / "o"
    )


def test_the_name_of_a_converted_file_is_no_line_of_its_recipe(tmp_path: Path, capsys) -> None:
    module = tmp_path / "sprung_by_name.py"
    module.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    path = _upstream(tmp_path / "a\nimport sprung_by_name\n\x1b.pth", **{"\x1b[2J": 1})
    convert.main([str(path), "--output", str(tmp_path / "run")])
    assert "\x1b" not in "".join(capsys.readouterr())
    text = (tmp_path / "run" / "config.gin").read_text()
    assert text.startswith(r"# Converted from a\nimport sprung_by_name\n\x1b.pth, epoch 1, step 3.")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        ClimateGAN.from_run(tmp_path / "run")
    assert not (tmp_path / "sprung").exists()


def test_gin_is_code_as_every_help_says(trained: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    """What README warns of is so: whoever applies a run runs its config.gin."""
    theirs = tmp_path / "theirs"
    shutil.copytree(trained, theirs)
    (tmp_path / "sprung_by_gin.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    text = (theirs / "config.gin").read_text()
    (theirs / "config.gin").write_text(f"{text}\nimport sprung_by_gin\n")
    monkeypatch.syspath_prepend(tmp_path)
    ClimateGAN.from_run(theirs)
    assert (tmp_path / "sprung").exists()
    for main in (run.main, apply.main, evaluate.main):
        with pytest.raises(SystemExit):
            main(["--help"])
        assert " code" in capsys.readouterr().out
    assert " code" in str(ClimateGAN.from_run.__doc__)
