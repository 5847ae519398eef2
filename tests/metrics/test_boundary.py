import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from gancomponents.metrics import edge_coherence, mean_over_images, trimap_accuracy


def blobs(batch: int, height: int, width: int) -> Tensor:
    noise = torch.nn.functional.avg_pool2d(torch.rand(batch, 1, height, width), 5, 1, 2)
    return (noise > 0.5).float()


def half(height: int, width: int, column: int) -> Tensor:
    mask = torch.zeros(1, 1, height, width)
    mask[..., column:] = 1
    return mask


@pytest.mark.parametrize(("height", "width"), [(20, 33), (41, 17), (1, 9), (9, 1)])
def test_edge_coherence_as_scipy_computes_it(height: int, width: int) -> None:
    prediction, target = blobs(1, height, width), blobs(1, height, width)
    prediction[..., : height // 2 + 1, : width // 2 + 1] = 1
    prediction[..., -1, -1] = 0
    target[..., 0, 0], target[..., -1, -1] = 0, 1

    def edges(mask: Tensor) -> np.ndarray:
        image = np.pad(mask[0, 0].double().numpy(), 1, mode="edge")
        return np.hypot(ndimage.sobel(image, 0), ndimage.sobel(image, 1))[1:-1, 1:-1] > 0

    away = ndimage.distance_transform_edt(~edges(target))[edges(prediction)]
    for scale, length in ((None, np.hypot(height, width)), (float(height), height)):
        found = edge_coherence(prediction.double(), target, scale=scale).item()
        assert found == pytest.approx(away.std() / length, rel=1e-9, abs=1e-12)


def test_a_shifted_straight_edge_is_coherent() -> None:
    # The pixels of a straight edge are two columns: both lie `shift - 1` and `shift` from the true one.
    coherence = edge_coherence(half(12, 30, 20), half(12, 30, 10), scale=1.0)
    assert coherence.item() == pytest.approx(0.5, rel=1e-6)
    assert edge_coherence(half(12, 30, 10), half(12, 30, 10)) == 0


def test_the_rows_taken_at_once_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    prediction, target = blobs(2, 20, 33), blobs(2, 20, 33)
    whole = edge_coherence(prediction, target)
    for numbers in (1, 7 * 2 * 33**2):
        monkeypatch.setattr("gancomponents.metrics.boundary._NUMBERS_AT_ONCE", numbers)
        assert torch.equal(edge_coherence(prediction, target), whole)


@pytest.mark.known_bug(50)
def test_masks_without_an_edge_are_no_error() -> None:
    edge, none = half(8, 10, 5), torch.zeros(1, 1, 8, 10)
    prediction, target = torch.cat([edge, none, edge, none]), torch.cat([edge, edge, none, none])
    coherence = edge_coherence(prediction, target)
    assert coherence[:2].tolist() == [0.0, 1.0]
    assert coherence[2:].isnan().all()
    assert mean_over_images(coherence) == 0.5
    assert trimap_accuracy(prediction, target)[2:].isnan().all()


@pytest.mark.known_bug(50)
def test_edge_coherence_treats_both_directions_alike() -> None:
    prediction, target = blobs(2, 20, 33), blobs(2, 20, 33)
    torch.testing.assert_close(edge_coherence(prediction, target), edge_coherence(prediction.mT, target.mT))


def test_trimap_sees_the_boundary_only() -> None:
    target = half(20, 40, 20)
    far, near = target.clone(), target.clone()
    far[..., :5], far[..., 35:] = 1, 0
    near[..., 18:22] = 1 - near[..., 18:22]
    assert trimap_accuracy(target, target, thickness=3).item() == 1
    assert trimap_accuracy(1 - target, target, thickness=3).item() == 0
    assert trimap_accuracy(far[..., 1:-1, 6:34], target[..., 1:-1, 6:34], thickness=3) == 1
    assert trimap_accuracy(near, target, thickness=3) < trimap_accuracy(near, target, thickness=8) < 1


def test_trimap_draws_along_holes() -> None:
    target = torch.ones(1, 1, 40, 40)
    target[..., 15:25, 15:25] = 0
    wrong = target.clone()
    wrong[..., 18:22, 13:15] = 0  # beside the hole, far from the outer contour
    assert trimap_accuracy(wrong, target, thickness=3) < 1


@pytest.mark.known_bug(50)
def test_trimap_can_be_kept_to_a_region() -> None:
    target = half(20, 40, 20)
    wrong = target.clone()
    wrong[..., :10, 18:22] = 1 - wrong[..., :10, 18:22]
    valid = torch.zeros_like(target)
    valid[..., 10:, :] = 1
    assert trimap_accuracy(wrong, target) < 1
    assert trimap_accuracy(wrong, target, valid=valid) == 1
    assert trimap_accuracy(wrong, target, valid=0 * valid).isnan()


def test_thresholds() -> None:
    target = half(10, 12, 6)
    for metric, best in ((edge_coherence, 0.0), (trimap_accuracy, 1.0)):
        assert metric(0.3 * target, 0.3 * target, threshold=0.2).item() == best


def test_each_image_on_its_own() -> None:
    prediction, target = blobs(3, 20, 33), blobs(3, 20, 33)
    for metric in (edge_coherence, trimap_accuracy):
        singles = [metric(prediction[i : i + 1], target[i : i + 1]) for i in range(3)]
        torch.testing.assert_close(metric(prediction, target), torch.cat(singles))


def test_bad_arguments() -> None:
    x = torch.zeros(1, 1, 4, 4)
    for metric in (edge_coherence, trimap_accuracy):
        with pytest.raises(ValueError, match="prediction and target must be the same"):
            metric(x, x[..., :3])
        with pytest.raises(ValueError, match="add a dimension"):
            metric(x[0], x[0])
    with pytest.raises(ValueError, match="scale must be positive"):
        edge_coherence(x, x, scale=0.0)
    with pytest.raises(ValueError, match="thickness must be at least 1"):
        trimap_accuracy(x, x, thickness=0)
