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
