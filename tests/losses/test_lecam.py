import pytest
import torch

from gancomponents.losses import LeCamLoss, lecam_loss


def test_closed_form() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, 0.0])
    value = lecam_loss(real, fake, torch.tensor(2.0), torch.tensor(-0.5))
    assert value.item() == pytest.approx((1.5**2 + 3.5**2) / 2 + (3**2 + 2**2) / 2)


def test_one_sided_counts_what_is_on_the_wrong_side_of_nothing() -> None:
    # Reals below the fake anchor and fakes above the real anchor cost nothing.
    real, fake = torch.tensor([-2.0, 1.0]), torch.tensor([4.0, 1.0])
    anchors = torch.tensor(2.0), torch.tensor(0.0)
    value = lecam_loss(real, fake, *anchors, one_sided=True)
    assert value.item() == pytest.approx((0 + 1) / 2 + (0 + 1) / 2)
    loss = LeCamLoss(one_sided=True, decay=0.0)
    loss.update(torch.tensor([2.0]), torch.tensor([0.0]))
    assert loss(real, fake) == value


def test_averages_are_unbiased_from_the_first_update() -> None:
    loss = LeCamLoss(decay=0.9)
    levels = [1.0, 5.0, 2.0]
    for level in levels:
        loss.update(torch.full((4, 1), level), torch.full((4, 1), -level))
    weights = [0.9**2, 0.9, 1.0]
    mean = sum(w * x for w, x in zip(weights, levels, strict=True)) / sum(weights)
    assert (loss.real_mean / loss.mass).item() == pytest.approx(mean)
    scores = torch.zeros(2, 1)
    assert loss(scores, scores).item() == pytest.approx(2 * mean**2)


def test_only_update_moves_the_averages() -> None:
    loss = LeCamLoss()
    real, fake = torch.randn(3, 1, requires_grad=True), torch.randn(3, 1)
    assert loss(real, fake) == 0  # no anchor yet
    loss.update(real, fake)
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    assert set(before) == {"real_mean", "fake_mean", "mass"}
    loss(real, fake).backward()
    assert all(torch.equal(value, before[name]) for name, value in loss.state_dict().items())
    assert not loss.real_mean.requires_grad
    restored = LeCamLoss()
    restored.load_state_dict(before)
    assert restored(real, fake) == loss(real, fake)


def test_each_scale_has_its_own_anchor() -> None:
    loss = LeCamLoss(scales=2)
    real = [[torch.full((1, 1), 1.0)], [torch.full((1, 1), 100.0)]]
    fake = [[torch.full((1, 1), 1.0)], [torch.full((1, 1), 100.0)]]
    loss.update(real, fake)
    assert loss(real, fake) == 0


def test_bad_arguments() -> None:
    for decay in (-0.1, 1.0):
        with pytest.raises(ValueError, match="decay must be in"):
            LeCamLoss(decay=decay)
    with pytest.raises(ValueError, match="scales must be at least 1"):
        LeCamLoss(scales=0)
    two = [[torch.zeros(1)], [torch.zeros(1)]]
    for call in (LeCamLoss(), LeCamLoss().update):
        with pytest.raises(ValueError, match="make the loss with scales=2"):
            call(two, two)
    with pytest.raises(ValueError, match="one anchor or one per scale"):
        lecam_loss(two, two, torch.zeros(3), torch.zeros(()))
