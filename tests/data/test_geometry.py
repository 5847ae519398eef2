import pytest
import torch
import torch.nn.functional as functional

from gancomponents.data import CentreCrop, RandomCrop, RandomHorizontalFlip, Resize
from tests.data.samples import positions, seeded


def test_flips_are_involutions():
    fields, flip = positions(5, 7), RandomHorizontalFlip(1.0)
    once = flip(fields)
    assert all(torch.equal(once[name], fields[name].flip(2)) for name in fields)
    twice = flip(once)
    assert all(torch.equal(twice[name], fields[name]) for name in fields)


@pytest.mark.known_bug(43)
def test_crops_reach_every_position_and_may_be_the_whole():
    fields = positions(5, 6)
    crop, corners = RandomCrop((3, 4)), set()
    for seed in range(300):
        out = crop(fields, seeded(seed))
        assert all(field.shape[1:] == (3, 4) for field in out.values())
        row, column = int(out["x"][0, 0, 0]), int(out["x"][1, 0, 0])
        corners.add((row, column))
        assert torch.equal(out["s"], fields["s"][:, row : row + 3, column : column + 4])
    assert corners == {(row, column) for row in range(3) for column in range(3)}
    for whole in (RandomCrop((5, 6)), CentreCrop((5, 6))):
        assert all(torch.equal(field, fields[name]) for name, field in whole(fields).items())


def test_sizes_by_field():
    fields = positions(6, 8)
    out = Resize({"x": 4, "d": (2, 3)})(fields)
    assert [tuple(out[name].shape[1:]) for name in "xdsm"] == [(4, 4), (2, 3), (6, 8), (6, 8)]
    out = Resize({"default": 3, "s": 5})(fields)
    assert [tuple(out[name].shape[1:]) for name in "xdsm"] == [(3, 3), (3, 3), (5, 5), (3, 3)]
    out = Resize(3, keep_aspect_ratio=True)({"d": fields["d"], "x": fields["x"][:, :4]})
    assert [tuple(field.shape[1:]) for field in out.values()] == [(3, 6), (3, 6)]  # in proportion to x


def test_interpolation_by_field():
    fields = {"x": torch.rand(3, 9, 9), "d": torch.rand(1, 9, 9)}
    out = Resize(5, smooth=("x", "d"))(fields)
    expected = functional.interpolate(fields["d"][None], (5, 5), mode="bilinear", antialias=True)[0]
    torch.testing.assert_close(out["d"], expected)
    corners = Resize(5, align_corners=True)(fields)
    assert torch.equal(corners["x"], fields["x"][:, ::2, ::2])  # every other pixel lies on a corner
    assert set(corners["d"].flatten().tolist()) <= set(fields["d"].flatten().tolist())
    bytes_ = (fields["x"] * 255).to(torch.uint8)
    coarse = Resize(6, align_corners=True)({"x": bytes_})["x"]
    assert coarse.dtype == torch.uint8
    exact = functional.interpolate(bytes_[None].float(), (6, 6), mode="bilinear", align_corners=True)[0]
    assert (coarse - exact).abs().max() <= 0.5


@pytest.mark.parametrize(("size", "out"), [((9, 8), (3, 2)), ((8, 12), (3, 5)), ((5, 4), (10, 12))])
def test_exact_nearest_values_lie_where_smooth_ones_do(size, out):
    field = torch.rand(1, *size)
    for dtype in (torch.float32, torch.int64):
        values = (100 * field).to(dtype)
        found = Resize(out, nearest_exact=True)({"d": values})["d"]
        assert found.dtype == dtype
        exact = functional.interpolate(values[None].float(), out, mode="nearest-exact")[0]
        assert torch.equal(found.float(), exact)
    # An odd factor has a pixel in the very middle, which is what a smooth ramp gives there.
    ramp = torch.arange(9.0).view(1, 1, 9)
    fields = {"x": ramp, "d": ramp}
    exact = Resize((1, 3), nearest_exact=True)(fields)["d"]
    assert exact.flatten().tolist() == [1, 4, 7]
    torch.testing.assert_close(functional.avg_pool1d(ramp, 3).flatten(), exact.flatten())
    assert Resize((1, 3))(fields)["d"].flatten().tolist() == [0, 3, 6]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Resize(0), "size must be one side or"),
        (lambda: Resize((1, 2, 3)), "size must be one side or"),
        (lambda: Resize({"d": 0}), r"size\['d'\] must be"),
        (lambda: Resize((2, 3), keep_aspect_ratio=True), "size must be one side with keep_aspect_ratio"),
        (lambda: RandomCrop(0), "size must be one side or"),
        (lambda: CentreCrop((4, 0)), "size must be one side or"),
        (
            lambda: CentreCrop(4)({"d": torch.zeros(1, 3, 9)}),
            r"at least \(4, 4\) to be cropped, got \(3, 9\)",
        ),
        (
            lambda: RandomCrop(1)({"d": torch.zeros(1, 3, 9), "m": torch.zeros(1, 2, 9)}),
            "one height and width",
        ),
        (lambda: RandomHorizontalFlip(2), r"p must be in 0\.\.1"),
    ],
)
def test_bad_geometry(make, message):
    with pytest.raises(ValueError, match=message):
        make()
