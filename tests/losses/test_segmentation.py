import pytest
import torch
from torch.nn import functional

from gancomponents.losses import MaskBCE, SegmentationCrossEntropy, mask_bce, segmentation_cross_entropy


def test_cross_entropy_is_torchs_and_ignores() -> None:
    logits, labels = torch.randn(2, 4, 3, 3), torch.randint(0, 4, (2, 3, 3))
    torch.testing.assert_close(
        segmentation_cross_entropy(logits, labels), functional.cross_entropy(logits, labels)
    )
    labels[0] = 3
    ignoring = SegmentationCrossEntropy(ignore_index=3)(logits, labels)
    torch.testing.assert_close(ignoring, functional.cross_entropy(logits, labels, ignore_index=3))


@pytest.mark.parametrize("ignore_index", [-100, 1, 255])
def test_weighted_cross_entropy_is_torchs(ignore_index: int) -> None:
    logits, labels = torch.randn(2, 4, 3, 3), torch.randint(0, 4, (2, 3, 3))
    labels[0, 0] = ignore_index
    weights = torch.tensor([1.0, 0.0, 3.0, 0.5])
    expected = functional.cross_entropy(logits, labels, weights, ignore_index=ignore_index)
    module = SegmentationCrossEntropy(ignore_index=ignore_index, class_weights=weights)
    torch.testing.assert_close(module(logits, labels), expected)
    assert module.state_dict() == {}
    equal = segmentation_cross_entropy(logits, labels, ignore_index=ignore_index, class_weights=torch.ones(4))
    assert equal == segmentation_cross_entropy(logits, labels, ignore_index=ignore_index)


def test_nothing_to_learn_from_is_zero() -> None:
    logits = torch.randn(1, 4, 3, 3, requires_grad=True)
    for weights in (None, torch.ones(4)):
        loss = segmentation_cross_entropy(logits, torch.full((1, 3, 3), -100), class_weights=weights)
        loss.backward()
        assert loss == 0  # torch's is NaN
        assert (logits.grad == 0).all()


def test_mask_bce_is_torchs_with_soft_and_integer_targets() -> None:
    logits, target = torch.randn(2, 1, 3, 3), torch.rand(2, 1, 3, 3)
    expected = functional.binary_cross_entropy_with_logits(logits, target)
    torch.testing.assert_close(MaskBCE()(logits, target), expected)
    assert mask_bce(logits, torch.ones_like(target).long()) == mask_bce(logits, torch.ones_like(target))


def test_bad_shapes() -> None:
    with pytest.raises(ValueError, match="channel axis"):
        segmentation_cross_entropy(torch.zeros(1, 2, 3, 3), torch.zeros(1, 1, 3, 3).long())
    with pytest.raises(ValueError, match="resize one"):
        mask_bce(torch.zeros(1, 1, 3, 3), torch.zeros(1, 3, 3))


def test_bad_weights() -> None:
    for weights in ([1.0, -1.0], [0.0, 0.0], []):
        with pytest.raises(ValueError, match="class_weights must be at least 0 and not all 0"):
            SegmentationCrossEntropy(class_weights=weights)
    with pytest.raises(ValueError, match="one number for each of the 2 classes"):
        SegmentationCrossEntropy(class_weights=[1.0])(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3))
