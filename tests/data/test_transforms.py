import pytest
import torch
import torch.nn.functional as functional

from gancomponents.data import (
    ByMode,
    CentreCrop,
    ColourJitter,
    Compose,
    JointTransform,
    RandomCrop,
    RandomHorizontalFlip,
    Resize,
)
from tests.data.samples import positions, seeded


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 64), (64, 40), (16, 20), (33, 47)])
def test_shapes_and_types(train, height, width):
    out = JointTransform(32, train=train, colour_jitter=0.5)(positions(height, width), seeded(0))
    assert {name: (tuple(field.shape), field.dtype) for name, field in out.items()} == {
        "x": ((3, 32, 32), torch.uint8),
        "d": ((1, 8, 8), torch.float32),
        "s": ((1, 8, 8), torch.int64),
        "m": ((1, 32, 32), torch.float32),
    }
    assert all(type(field) is torch.Tensor for field in out.values())


def test_published_proportions():
    transform = JointTransform(640)
    assert (transform.crop, transform.target_sizes) == (600, {"d": 160, "s": 160})
    assert JointTransform(128).crop == 120
    assert JointTransform(2).target_sizes["d"] == 1
    out = JointTransform(16, target_sizes={"d": 4, "x": 8})(positions(16, 16), seeded(0))
    assert {name: field.shape[-1] for name, field in out.items()} == {"x": 8, "d": 4, "s": 16, "m": 16}


def test_nothing_to_do_is_the_identity():
    fields = positions(16, 16)
    out = JointTransform(16, crop=16, flip=0, target_sizes={})(fields, seeded(0))
    assert all(torch.equal(out[name], fields[name]) for name in fields)


def test_fields_stay_together():
    fields = positions(24, 30)
    transform = JointTransform(24, crop=16, target_sizes={"x": 16, "d": 16, "s": 16, "m": 16})
    corners, flips = set(), set()
    for seed in range(300):
        out = transform(fields, seeded(seed))
        assert torch.equal(out["d"], out["m"])
        assert torch.equal(out["d"].long(), out["s"])
        rows, columns = out["x"][0].long(), out["x"][1].long()
        assert torch.equal(rows * 30 + columns, out["s"][0])
        flipped = bool(columns[0, 0] > columns[0, -1])
        flips.add(flipped)
        corners.add((int(rows[0, 0]), int(columns.min())))
    assert flips == {True, False}
    assert {row for row, _ in corners} == set(range(9))  # the last offset included
    assert {column for _, column in corners} == set(range(15))


def test_validation_is_the_centre():
    fields = positions(24, 31)
    out = JointTransform(24, crop=16, train=False, target_sizes=dict.fromkeys(fields, 16), flip=1)(fields)
    assert torch.equal(out["s"], fields["s"][:, 4:20, 7:23])
    again = JointTransform(24, crop=16, train=False, colour_jitter=0.5)(fields)
    assert torch.equal(again["s"], JointTransform(24, crop=16, train=False)(fields)["s"])


def test_keep_ratio_rounds_down_as_specified():
    for height, width, size in ((90, 121, 60), (121, 90, 60), (100, 133, 64)):
        field = torch.arange(height * width).view(1, height, width).float()
        out = JointTransform(size, crop=size, train=False, target_sizes={})({"d": field})["d"]
        short, long = min(height, width), max(height, width)
        other = int(size * long / short)
        scaled = (size, other) if height <= width else (other, size)
        full = functional.interpolate(field[None], scaled, mode="nearest")[0]
        top, left = (scaled[0] - size) // 2, (scaled[1] - size) // 2
        assert torch.equal(out, full[:, top : top + size, left : left + size])


def test_flip_probability():
    fields = {"d": torch.arange(16.0).view(1, 4, 4)}
    for flip, expected in ((0.0, fields["d"]), (1.0, fields["d"].flip(-1))):
        for seed in range(20):
            out = JointTransform(4, crop=4, flip=flip, target_sizes={})(fields, seeded(seed))
            assert torch.equal(out["d"], expected)


def test_image_is_smooth_and_labels_are_not():
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    labels = torch.randint(0, 11, (1, 64, 64))
    transform = JointTransform(16, crop=16, train=False, target_sizes={})
    out = transform({"x": image, "s": labels})
    expected = functional.interpolate(image[None].float(), (16, 16), mode="bilinear", antialias=True)[0]
    assert (out["x"].float() - expected).abs().max() <= 1
    assert set(out["s"].unique().tolist()) <= set(labels.unique().tolist())
    floating = transform({"x": image / 255})["x"]
    assert (floating * 255 - expected).abs().max() < 0.01


def test_jitter_changes_the_image_alone():
    fields = {"x": torch.randint(50, 200, (3, 16, 16), dtype=torch.uint8), "m": torch.rand(1, 16, 16)}
    plain = JointTransform(16)(fields, seeded(3))
    jittered = JointTransform(16, colour_jitter=0.5)(fields, seeded(3))
    assert not torch.equal(plain["x"], jittered["x"])
    assert torch.equal(plain["m"], jittered["m"])
    means = [JointTransform(16, colour_jitter=0.5)(fields, seeded(i))["x"].float().mean() for i in range(40)]
    base = fields["x"].float().mean()
    assert 0.4 * base < min(means) < 0.8 * base
    assert 1.2 * base < max(means) < 1.6 * base


def test_draws_come_from_the_generator():
    fields = positions(24, 30)
    transform = JointTransform(16)
    state = torch.get_rng_state()
    first, second = transform(fields, seeded(1)), transform(fields, seeded(1))
    assert all(torch.equal(first[name], second[name]) for name in fields)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    first = transform(fields)
    torch.manual_seed(5)
    assert torch.equal(transform(fields)["d"], first["d"])


def test_inputs_are_left_untouched():
    fields = positions(16, 20)
    copies = {name: field.clone() for name, field in fields.items()}
    JointTransform(16, flip=1, colour_jitter=1.0)(fields, seeded(0))
    assert all(torch.equal(fields[name], copies[name]) for name in fields)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must be >= 1"),
        ({"size": 8, "crop": 9}, r"crop must be in 1..8"),
        ({"size": 8, "crop": 0}, "crop must be"),
        ({"size": 8, "flip": 1.5}, "flip must be in 0..1"),
        ({"size": 8, "colour_jitter": -1}, "colour_jitter must be in 0..1"),
        ({"size": 8, "target_sizes": {"d": 0}}, r"target_sizes\['d'\] must be >= 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        JointTransform(**arguments)


def test_unequal_fields():
    with pytest.raises(ValueError, match="fields must share one height and width"):
        JointTransform(8)({"x": torch.zeros(3, 8, 8), "m": torch.zeros(1, 8, 9)})


def test_the_pipeline_is_its_steps():
    fields = positions(24, 31)
    steps = [
        RandomHorizontalFlip(),
        Resize(16, keep_aspect_ratio=True),
        RandomCrop(12),
        Resize({"default": 16, "d": 4, "s": 4}),
        ColourJitter(),
    ]
    for seed in range(10):
        ours = JointTransform(16, crop=12, colour_jitter=0.5)(fields, seeded(seed))
        theirs = Compose(steps)(fields, seeded(seed))
        assert all(torch.equal(ours[name], theirs[name]) for name in fields)


def test_steps_by_mode():
    flip, crop, middle = RandomHorizontalFlip(1.0), RandomCrop(2), CentreCrop(2)
    steps = [ByMode(train=flip), ByMode(train=crop, evaluation=middle), ByMode(evaluation=Resize(1)), middle]
    assert Compose(steps).steps == [flip, crop, middle]
    assert Compose(steps, train=False).steps[0] is middle
    assert len(Compose(steps, train=False).steps) == 3
    assert Compose([])(positions(3, 4)).keys() == positions(3, 4).keys()


def test_options_of_resizing_run_through_the_pipeline():
    fields = {"x": torch.rand(3, 24, 24), "d": torch.rand(1, 24, 24)}
    plain = JointTransform(8, crop=8, train=False)(fields)
    corners = JointTransform(8, crop=8, train=False, align_corners=True)(fields)
    expected = functional.interpolate(fields["x"][None], (8, 8), mode="bilinear", align_corners=True)[0]
    torch.testing.assert_close(corners["x"], expected)
    assert not torch.allclose(plain["x"], corners["x"])
    exact = JointTransform(8, crop=8, train=False, nearest_exact=True, target_sizes={})(fields)
    assert torch.equal(exact["x"], plain["x"])
    assert torch.equal(exact["d"], fields["d"][:, 1::3, 1::3])
