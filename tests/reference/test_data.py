"""Data and augmentation against the reference cases."""

import numpy as np
import pytest
import torch

from gancomponents.data import (
    COLOURS,
    FLOOD_COLOURS,
    KITTI_COLOURS,
    KITTI_TO_COMMON,
    CentreCrop,
    Compose,
    DepthTarget,
    Normalise,
    RandomHorizontalFlip,
    Resize,
    decode_labels,
    encode_colours,
    log_to_inverse_depth,
    min_max,
    to_uint8,
)
from gancomponents.data.augment import cut_out, recolour, translate
from tests.reference.cases import Case, cases

#: Upstream's depth is inverted wherever it is not zero.
_NEAREST = 1e-6


@pytest.mark.parametrize("case", cases("Resize"))
def test_sizes_in_proportion(case: Case) -> None:
    for row in case.meta["table"]:
        field = torch.zeros(1, *row["in"], dtype=torch.uint8)
        out = Resize(row["target"], keep_aspect_ratio=True)({"d": field})["d"]
        assert list(out.shape[1:]) == row["out"], row


@pytest.mark.parametrize("case", cases("Resize/RandomCrop/Normalize"))
def test_joint_transforms(case: Case) -> None:
    config = case.config
    fields = {name: value[0] for name, value in case.inputs(torch.float32).items()}
    last = {
        name.split(".")[1]: entry["shape"][-1] for name, entry in case.meta["outputs"].items() if "2." in name
    }
    steps = {
        "resize": Resize(config["target"], keep_aspect_ratio=True, align_corners=True),
        "crop": CentreCrop(config["crop"]),
        "resize2": Resize(last, align_corners=True),
        "norm": Normalise(),
    }
    seen = set()
    for name, step in steps.items():
        fields = step(fields)
        results = {f"{name}.{field}": value for field, value in fields.items()}
        if name == "crop":
            results["flip.x"] = RandomHorizontalFlip(1.0)(fields)["x"]
        for key, value in results.items():
            # Upstream keeps a batch axis until it normalises.
            case.compare(f"output/{key}", value if name == "norm" else value[None], 1e-6)
        seen |= set(results)
    assert seen == set(case.meta["outputs"])


@pytest.mark.parametrize("case", cases("PrepareInference"))
def test_preparation_of_a_photo(case: Case) -> None:
    inputs = case.inputs(torch.float32)
    prepare = Compose(
        [
            Resize(case.config["target"], keep_aspect_ratio=True, align_corners=True),
            CentreCrop(case.config["target"]),
        ]
    )
    stretched = torch.from_numpy(2 * min_max(inputs["arr"].numpy()) - 1).permute(2, 0, 1)
    case.compare("output/x", prepare({"x": stretched})["x"][None], 1e-6)
    case.compare("output/lab", prepare({"s": inputs["lab"][None]})["s"][None], 0.0)


@pytest.mark.parametrize("case", cases("DiffTransforms"))
def test_augmentation(case: Case) -> None:
    inputs = case.inputs(torch.float32)
    x, u = inputs["x"], inputs["u"].flatten()
    half = torch.full_like(u, 0.5)
    case.compare("output/brightness", recolour(x, u, half, half), 1e-6)
    case.compare("output/contrast", recolour(x, half, u, half), 1e-6)
    case.compare("output/saturation", recolour(x, half, half, u), 1e-6)
    shift = [inputs[name].flatten() for name in ("shift_row", "shift_col")]
    case.compare("output/translation", translate(x, *shift), 0.0)
    height, width = case.config["cutout_size"]
    top, left = inputs["cutout_row"].flatten() - height // 2, inputs["cutout_col"].flatten() - width // 2
    case.compare("output/cutout", cut_out(x, top, left, height, width), 0.0)


@pytest.mark.parametrize("case", cases("encode/decode_segmap"))
def test_colour_codes(case: Case) -> None:
    inputs = {name: value.numpy() for name, value in case.inputs().items()}
    for name, key in (("rgba", "enc_s"), ("rgba_noisy", "enc_s_noisy")):
        ids = encode_colours(np.ascontiguousarray(inputs[name][..., :3]), COLOURS["s"])
        case.compare(f"output/{key}", torch.from_numpy(ids)[None], 0.0)
    # Upstream decodes to float (1, 3, H, W).
    for key, ids, domain in (
        ("dec_target_r", inputs["labels"], "r"),
        ("dec_pred_s", inputs["logits"].argmax(1)[0], "s"),
    ):
        rgb = torch.from_numpy(decode_labels(ids, domain)).permute(2, 0, 1)[None]
        case.compare(f"output/{key}", rgb, 0.0)


@pytest.mark.parametrize("case", cases("kitti/flood labels"))
def test_labels_of_other_sets(case: Case) -> None:
    inputs = {name: value.numpy() for name, value in case.inputs().items()}
    ids = encode_colours(inputs["kitti_rgb"], KITTI_COLOURS, nearest=False, unknown=14)
    case.compare("output/kitti_labels", torch.from_numpy(ids), 0.0)
    case.compare("output/merged", torch.from_numpy(KITTI_TO_COMMON[ids]), 0.0)
    case.compare(
        "output/flood", torch.from_numpy(encode_colours(inputs["flood_rgb"], FLOOD_COLOURS))[None], 0.0
    )


@pytest.mark.parametrize("case", cases("decode_unity_depth_t"))
def test_simulator_depth(case: Case) -> None:
    rgb = case.inputs(torch.float32)["rgb"].to(torch.uint8).numpy()
    for key in case.meta["outputs"]:
        target = DepthTarget("s", log=key.startswith("log"), stretch=key.endswith("norm"), nearest=_NEAREST)
        case.compare(f"output/{key}", torch.from_numpy(target(rgb))[None], 2e-6)


@pytest.mark.parametrize("case", cases("get_normalized_depth_t"))
def test_depth_of_domains(case: Case) -> None:
    inputs = {name: value.numpy() for name, value in case.inputs(torch.float32).items()}
    case.compare("output/r", torch.from_numpy(DepthTarget("r")(inputs["r"]))[None], 1e-6)
    for key, options in (
        ("kitti_log", {"log": True}),
        ("kitti_inv", {}),
        ("kitti_inv_norm", {"stretch": True}),
    ):
        target = DepthTarget("kitti", nearest=_NEAREST, **options)(inputs["kitti"])
        case.compare(f"output/{key}", torch.from_numpy(target)[None], 1e-6)


@pytest.mark.parametrize("case", cases("to_inv_depth"))
def test_inverse_of_logarithms(case: Case) -> None:
    logs = case.inputs()["d"].numpy()
    case.compare("output64/inv", torch.from_numpy(log_to_inverse_depth(logs)), 1e-9)


@pytest.mark.parametrize("case", cases("tensor_ims_to_np_uint8s"))
def test_levels(case: Case) -> None:
    images = to_uint8(case.inputs(torch.float32)["im"], truncate=True)
    for index, image in enumerate(images):
        case.compare(f"output/im{index}", torch.from_numpy(image), 0.0)
    assert len(images) == len(case.meta["outputs"])
