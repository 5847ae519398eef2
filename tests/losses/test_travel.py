import pytest
import torch
from torch.nn import functional

from gancomponents.losses import SiameseMarginLoss, TravelLoss, siamese_margin, travel_loss, travel_similarity


@pytest.mark.known_bug(27)
@pytest.mark.parametrize(("batch", "size"), [(2, 7), (4, 3), (6, 5)])
def test_sums_the_cosines_of_all_pairs_whatever_their_number(batch: int, size: int) -> None:
    real, fake = torch.randn(2, batch, size, dtype=torch.float64)
    expected = sum(
        functional.cosine_similarity(real[i] - real[j], fake[i] - fake[j], dim=0)
        for i in range(batch)
        for j in range(i)
    )
    torch.testing.assert_close(travel_similarity(real, fake), expected)
    assert travel_similarity(real, -real).item() == pytest.approx(-batch * (batch - 1) / 2)  # no clamp at 0


def test_translation_that_keeps_all_vectors_costs_nothing() -> None:
    real = torch.randn(5, 3, dtype=torch.float64)
    assert travel_loss(real, 4 * real + 1).item() == pytest.approx(0, abs=1e-12)
    assert travel_loss(real, -real).item() == pytest.approx(2)


def test_loss_wants_what_the_similarity_says() -> None:
    real, fake = torch.randn(4, 3), torch.randn(4, 3, requires_grad=True)
    down = torch.autograd.grad(TravelLoss()(real, fake), fake)[0]
    up = torch.autograd.grad(travel_similarity(real, fake), fake)[0]
    torch.testing.assert_close(down, -up / 6)


def test_equal_samples_and_lone_ones_stay_finite() -> None:
    fake = torch.ones(3, 2, requires_grad=True)
    (travel_loss(torch.randn(3, 2), fake) + siamese_margin(fake)).backward()
    assert torch.isfinite(fake.grad).all()
    assert travel_loss(torch.ones(1, 2), torch.ones(1, 2)) == 0
    assert siamese_margin(torch.ones(1, 2)) == 0


def test_margin() -> None:
    embeddings = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 20.0]])
    assert SiameseMarginLoss(10.0)(embeddings).item() == pytest.approx((5 + 0 + 0) / 3)
    assert SiameseMarginLoss(5.0)(embeddings) == 0


def test_bad_arguments() -> None:
    x = torch.zeros(4, 3)
    with pytest.raises(ValueError, match="embed the same samples"):
        travel_loss(x, x[:3])
    with pytest.raises(ValueError, match="got 3 entries and 6 pairs"):
        travel_similarity(x, x, transposed=True)
    with pytest.raises(ValueError, match="flatten each sample's embedding"):
        siamese_margin(x[None])
