import numpy as np
import pytest
import torch

from gancomponents.data import (
    BucketiseDepth,
    ColourJitter,
    Compose,
    DepthTarget,
    DomainDataset,
    JointTransform,
    Normalise,
    Resize,
    write_image,
)
from tests.data.samples import positions, seeded


@pytest.mark.known_bug(43)
def test_every_field_and_both_statistics_can_be_normalised():
    fields = {name: field.clone() for name, field in positions(4, 4).items()}
    fields["x"] = torch.randint(0, 256, (3, 4, 4), dtype=torch.uint8)
    out = Normalise()(fields)
    torch.testing.assert_close(out["x"], fields["x"].float() / 127.5 - 1)
    assert all(torch.equal(out[name], fields[name]) for name in "dsm")
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (fields["x"].double() / 255 - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(Normalise.imagenet()(fields)["x"], expected.float())
    double = Normalise.imagenet()({"x": fields["x"].double() / 255})["x"]
    torch.testing.assert_close(double, expected)
    assert Normalise()({"d": fields["d"]}).keys() == {"d"}


@pytest.mark.known_bug(44)
def test_colours_are_not_stretched_nor_anchored():
    grey = {"x": torch.full((3, 6, 6), 90, dtype=torch.uint8)}
    for seed in range(10):
        out = ColourJitter()(grey, seeded(seed))["x"]
        assert (out == out[:, :1, :1]).all()
        assert 40 <= int(out.min()) <= 140
    assert (JointTransform(6, colour_jitter=0.5)(grey, seeded(1))["x"].unique()).numel() == 1


@pytest.mark.known_bug(44)
def test_a_data_set_stretches_no_image_and_keeps_what_transforms_made(tmp_path):
    image = np.full((8, 8, 3), 100, np.uint8)
    image[0] = 150
    write_image(tmp_path / "x.png", image)
    np.save(tmp_path / "d.npy", np.linspace(0, 800, 64, dtype=np.float32).reshape(8, 8))
    (tmp_path / "list.json").write_text('[{"x": "x.png", "d": "d.npy"}]')

    def sample(transform, **options):
        data = DomainDataset(
            tmp_path / "list.json", "s", tasks=("x", "d"), transform=transform, min_size=1, **options
        )
        return data.sample(0)

    plain = sample(Resize(8))
    expected = torch.tensor([100, 150]) / 127.5 - 1
    torch.testing.assert_close(plain["x"].unique(), expected)
    classes = Compose([Normalise.imagenet(), BucketiseDepth(buckets=16)])
    out = sample(classes, depth=DepthTarget("s", log=True))
    assert out["d"].dtype == torch.int64
    assert out["d"].shape == (8, 8)  # as cross-entropy takes it
    assert (out["d"].min(), out["d"].max()) == (0, 14)
    torch.testing.assert_close(
        out["x"], Normalise.imagenet()({"x": torch.from_numpy(image).permute(2, 0, 1)})["x"]
    )


def test_jitter_strengths_are_apart():
    image = {"x": torch.rand(3, 8, 8)}
    for name in ("brightness", "saturation", "contrast"):
        strengths = {"brightness": 0.0, "saturation": 0.0, "contrast": 0.0, name: 1.0}
        out = ColourJitter(**strengths)(image, seeded(2))["x"]
        assert not torch.equal(out, image["x"])
        grey = (out * torch.tensor([0.2989, 0.587, 0.114])[:, None, None]).sum(0)
        before = (image["x"] * torch.tensor([0.2989, 0.587, 0.114])[:, None, None]).sum(0)
        if name == "saturation":  # a mix with grey keeps grey, up to clamping
            assert (grey - before).abs().median() < 0.02
        with pytest.raises(ValueError, match=rf"{name} must be in 0\.\.1, got 2"):
            ColourJitter(**{name: 2})
    assert ColourJitter()({"d": image["x"]}).keys() == {"d"}


def test_buckets_are_counted_edges():
    depth = torch.rand(1, 40, 50, dtype=torch.float64) * 10 - 1
    out = BucketiseDepth(1.0, 6.0, buckets=7)({"d": depth, "x": depth})
    edges = torch.linspace(1, 6, 6, dtype=torch.float64)
    assert torch.equal(out["d"], (depth[..., None] >= edges).sum(-1))
    assert out["d"].unique().tolist() == list(range(7))
    assert torch.equal(out["x"], depth)
    assert BucketiseDepth()({"x": depth}).keys() == {"x"}
    other = BucketiseDepth(field="x")({"x": torch.tensor([[[-9.0, 99.0]]])})["x"]
    assert other.tolist() == [[[0, 255]]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normalise(std=0), "std must be positive"),
        (lambda: Normalise((0.1, 0.2))({"x": torch.zeros(3, 1, 1)}), "mean must have a number for each of 3"),
        (lambda: BucketiseDepth(2, 1), "low must be below high"),
        (lambda: BucketiseDepth(buckets=2), "buckets must be >= 3"),
    ],
)
def test_bad_values(make, message):
    with pytest.raises(ValueError, match=message):
        make()
