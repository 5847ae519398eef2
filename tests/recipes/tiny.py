"""A data set of a few random frames, and the flagship recipe made as small as it goes."""

import json
from pathlib import Path

import numpy as np

from gancomponents.data import KITTI_COLOURS, write_image

SIDE = 64

TINY = (
    f"SIZE = {SIDE}",
    "data.Data.target_stride = 2",
    "data.Data.batch_size = 2",
    "climategan.Masker.target_stride = 2",
    "encoders.DeepLabV3ResNet.width = 4",
    "encoders.DeepLabV3ResNet.blocks = (1, 1, 1, 1)",
    "encoders.DeepLabV3ResNet.multi_grid = (1,)",
    "decoders.DADADepthDecoder.hidden_channels = 8",
    "decoders.DADADepthDecoder.bottleneck_channels = 8",
    "decoders.DeepLabV3PlusDecoder.aspp_channels = 8",
    "decoders.DeepLabV3PlusDecoder.low_channels = 8",
    "decoders.DeepLabV3PlusDecoder.channels = 8",
    "decoders.MaskDecoder.proj_channels = 8",
    "decoders.MaskDecoder.residual_blocks = 1",
    "generators.SPADEPainter.width = 8",
    "generators.SPADEPainter.upsamplings = 3",
    "generators.SPADEPainter.hidden_channels = 8",
    "discriminators.EntropyDiscriminator.width = 4",
    "discriminators.MultiScalePatchDiscriminator.scales = 2",
    "discriminators.MultiScalePatchDiscriminator.width = 4",
    "discriminators.MultiScalePatchDiscriminator.layers = 2",
    "losses.VGGLoss.width = 4",
)

#: What else makes the configurations under recipes/climategan/ small, by the module that a configuration binds.
TINY_PARTS = {
    "decoders.DeepLabV2Decoder": ("aspp_channels = 8", "channels = 8"),
    "decoders.SeparableDecoder": ("channels = 8",),
    "decoders.DepthDecoder": ("proj_channels = 8",),
    "decoders.SPADEMaskDecoder": ("channels = 8", "proj_channels = 8", "hidden_channels = 8"),
    "encoders.DeepLabV2ResNet": ("width = 4", "blocks = (1, 1, 1, 1)"),
    "encoders.MobileNetV2": ("width_multiplier = 0.1",),
}


def tiny_bindings(text: str) -> list[str]:
    """The bindings that make a configuration small, for what its text binds; the flagship's own among them."""
    parts = [
        f"{part}.{b}"
        for part, bindings in TINY_PARTS.items()
        if part + ":" in text or part + "." in text
        for b in bindings
    ]
    return [*TINY, *parts]


def write_data(folder: Path, *, count: int = 4) -> Path:
    """Lists and files of every domain, in the layout that `recipes/base/town.gin` reads."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    lists: dict[str, list[dict[str, str]]] = {}
    for domain in ("s", "r", "rf"):
        for split in ("train", "val"):
            rows = [_frame(folder, f"{split}_{domain}_{i}", rng) for i in range(count)]
            lists[f"{split}_{domain}"] = rows
    lists["truth_val_r"] = lists["val_r"]
    lists["truth_val_rf"] = lists["val_rf"]
    for name, rows in lists.items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
    return folder


def write_kitti(folder: Path, *, count: int = 4) -> None:
    """A list ``train_kitti.json`` of frames as Virtual KITTI 2 stores them."""
    rng = np.random.default_rng(1)
    rows = []
    for index in range(count):
        stem = f"kitti_{index}"
        write_image(folder / f"{stem}.png", rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
        colours = KITTI_COLOURS[rng.integers(0, len(KITTI_COLOURS), (SIDE, SIDE))]
        write_image(folder / f"{stem}_s.png", colours.astype(np.uint8))
        np.save(folder / f"{stem}_d.npy", rng.integers(100, 60000, (SIDE, SIDE)).astype(np.uint16))
        rows.append({"x": f"{stem}.png", "s": f"{stem}_s.png", "d": f"{stem}_d.npy"})
    (folder / "train_kitti.json").write_text(json.dumps(rows))


def _frame(folder: Path, stem: str, rng: np.random.Generator) -> dict[str, str]:
    image = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    image[SIDE // 2 :] //= 2
    mask = np.zeros((SIDE, SIDE, 3), np.uint8)
    mask[SIDE // 2 :] = 255
    write_image(folder / f"{stem}.png", image)
    write_image(folder / f"{stem}_m.png", mask)
    np.save(folder / f"{stem}_s.npy", rng.integers(0, 11, (SIDE, SIDE)).astype(np.uint8))
    np.save(folder / f"{stem}_d.npy", rng.uniform(1, 50, (SIDE, SIDE)).astype(np.float32))
    return {"x": f"{stem}.png", "m": f"{stem}_m.png", "s": f"{stem}_s.npy", "d": f"{stem}_d.npy"}


def flags(data: Path, output: Path | None = None, *, steps: int = 2, more: tuple[str, ...] = ()) -> list[str]:
    """The command line that trains the tiny recipe on `write_data`'s folder."""
    bindings = (*TINY, "data.Data.source = @data.Folder()", f"data.Folder.path = {str(data)!r}", *more)
    result = ["--gin", "recipes/climategan.gin", "--steps", str(steps), "--device", "cpu"]
    result += ["--precision", "fp32"] + ([] if output is None else ["--output", str(output)])
    return result + [flag for binding in bindings for flag in ("-p", binding)]
