import pytest
import torch
from torch import Tensor

from gancomponents.data import DiffAugment
from gancomponents.data.augment import choice, cut_out, recolour, share_of, translate


def test_nothing_switched_on_is_the_identity() -> None:
    x, mask = torch.randn(3, 3, 9, 7), torch.rand(3, 1, 9, 7)
    found = DiffAugment(colour=False, translation=0, cutout=0)(x, masks=[mask])
    assert torch.equal(found[0], x)
    assert torch.equal(found[1], mask)
    neutral = DiffAugment(cutout=0)(x, draws=torch.full((3, 7), 0.5))[0]
    torch.testing.assert_close(neutral, x)


def test_evaluation_changes_nothing_unless_draws_are_given() -> None:
    x, augment = torch.randn(2, 3, 8, 8), DiffAugment().eval()
    assert augment(x)[0] is x
    draws = augment.draw(x)
    assert torch.equal(augment(x, draws=draws)[0], augment.train()(x, draws=draws)[0])
    assert not torch.equal(augment(x)[0], augment(x)[0])


@pytest.mark.known_bug(33)
def test_real_fake_and_mask_are_treated_alike() -> None:
    real = torch.rand(16, 3, 12, 10) + 1  # never zero, so that zeros show what moved in or was cut
    real_seen, fake_seen, mask_seen = DiffAugment()(real, real, masks=[real[:, :1]])
    assert torch.equal(real_seen, fake_seen)
    moved = DiffAugment(colour=False)
    draws = moved.draw(real)
    image, mask = moved(real, masks=[real[:, :1]], draws=draws)
    assert torch.equal(image[:, :1], mask)  # a mask keeps its values
    image = DiffAugment()(real, draws=draws)[0]
    assert torch.equal(image.abs().sum(1, keepdim=True) == 0, mask == 0)
    assert (mask_seen == 0).any()


def test_samples_are_drawn_apart() -> None:
    x = torch.rand(1, 3, 16, 16).expand(8, 3, 16, 16)
    seen = DiffAugment()(x)[0]
    assert all(not torch.equal(seen[0], other) for other in seen[1:])
    draws = DiffAugment.draw(x)
    alone = torch.cat([DiffAugment()(x[i : i + 1], draws=draws[i : i + 1])[0] for i in range(8)])
    torch.testing.assert_close(alone, DiffAugment()(x, draws=draws)[0])


def test_each_colour_operation_is_its_formula() -> None:
    x, u, half = torch.randn(2, 3, 5, 4), torch.rand(2), torch.full((2,), 0.5)
    torch.testing.assert_close(recolour(x, u, half, half), x + (u - 0.5)[:, None, None, None])
    none = recolour(x, half, half, torch.zeros(2))
    torch.testing.assert_close(none, x.mean(1, keepdim=True).expand_as(x))
    flat = recolour(x, half, torch.zeros(2) - 0.5, half)
    torch.testing.assert_close(flat, x.mean((1, 2, 3), keepdim=True).expand_as(x))


def test_translation_is_padding_and_cropping() -> None:
    x = torch.randn(1, 2, 6, 5)
    padded = torch.nn.functional.pad(x, [9, 9, 9, 9])
    for row in range(-7, 8):
        for column in (-6, -2, 0, 1, 5):
            expected = padded[..., 9 + row : 15 + row, 9 + column : 14 + column]
            assert torch.equal(translate(x, torch.tensor([row]), torch.tensor([column])), expected)


def test_shifts_reach_both_limits() -> None:
    x = torch.arange(1.0, 17).reshape(1, 1, 1, 16).expand(400, 1, 1, 16)
    seen = DiffAugment(colour=False, cutout=0)(x)[0][:, 0, 0]
    shifts = (seen - x[:, 0, 0])[:, 8]
    assert set(shifts.tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}  # 0.125 of 16


@pytest.mark.parametrize(("side", "size"), [(9, 5), (12, 6), (7, 4), (3, 2), (1, 1)])
def test_holes_are_whole_or_cut_by_the_border(side: int, size: int) -> None:
    x = torch.ones(500, 1, side, side)
    hole = (DiffAugment(colour=False, translation=0)(x)[0] == 0)[:, 0]
    rows, columns = hole.any(2), hole.any(1)
    assert torch.equal(hole, rows[:, :, None] & columns[:, None, :])
    areas = rows.sum(1)
    assert areas.max() == size
    assert areas.min() == (size + 1) // 2  # half of it, where its centre is on the border
    centres = {tuple(row.nonzero().flatten().tolist()) for row in rows}
    assert len(centres) == side + 1 - size % 2


def test_a_hole_may_fill_the_image_and_be_empty() -> None:
    x, zero = torch.ones(1, 1, 3, 3), torch.zeros(1, dtype=torch.long)
    assert cut_out(x, zero, zero, 3, 3).sum() == 0
    assert torch.equal(cut_out(x, zero, zero, 0, 3), x)
    assert cut_out(x, zero + 1, zero + 1, 1, 1).sum() == 8


def test_shares_round_halves_up() -> None:
    assert [share_of(9, 0.5), share_of(12, 0.5), share_of(9, 0.25), share_of(12, 0.25)] == [5, 6, 2, 3]


def test_the_largest_draw_stays_inside() -> None:
    top = torch.tensor([1 - 2.0**-24])
    for count in (1, 2, 601, 1025, 4099):
        assert choice(top, count).item() == count - 1


def test_what_comes_in_is_zero_whatever_was_there() -> None:
    x = torch.full((1, 1, 1, 3), float("inf"))
    assert translate(x, torch.tensor([0]), torch.tensor([2]))[0, 0, 0, 1:].tolist() == [0, 0]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layout_is_kept(layout: torch.memory_format) -> None:
    x = torch.rand(2, 3, 8, 6).contiguous(memory_format=layout)
    assert DiffAugment()(x)[0].is_contiguous(memory_format=layout)


def test_gradient() -> None:
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(2, 1, 5, 4, dtype=torch.float64, requires_grad=True)
    draws = torch.rand(2, 7)

    def augmented(x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        return DiffAugment(translation=0.3)(x, masks=[mask], draws=draws)

    assert torch.autograd.gradcheck(augmented, (x, mask))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"translation must be in 0\.\.1, got 2"):
        DiffAugment(translation=2)
    with pytest.raises(ValueError, match=r"cutout must be in 0\.\.1, got -1"):
        DiffAugment(cutout=-1)
    augment, x = DiffAugment(), torch.zeros(2, 3, 4, 4)
    for images, masks in (((), [x]), ((x,), [x[:1]]), ((x, x[..., :3]), []), ((x[0],), [])):
        with pytest.raises(ValueError, match="images and masks must be"):
            augment(*images, masks=masks)
    with pytest.raises(ValueError, match=r"draws must be \(2, 7\), got \(2, 6\)"):
        augment(x, draws=torch.zeros(2, 6))
