"""How the masker joins its decoders."""

from functools import partial

import pytest
import torch

from gancomponents.decoders import DADADepthDecoder, DeepLabV3PlusDecoder, DepthDecoder, MaskDecoder
from gancomponents.encoders import DeepLabV3ResNet
from recipes.climategan.model import Masker

DADA = partial(DADADepthDecoder, hidden_channels=4, bottleneck_channels=4, head_channels=4)
SEGMENTATION = partial(DeepLabV3PlusDecoder, aspp_channels=4, low_channels=4, channels=4)
MASK = partial(MaskDecoder, proj_channels=8, residual_blocks=1)


def _masker(**options: object) -> Masker:
    encoder = DeepLabV3ResNet(width=2, blocks=(1, 1, 1, 1), multi_grid=(1,))
    return Masker(encoder, segmentation=SEGMENTATION, mask=MASK, **options)  # type: ignore[arg-type]


@pytest.mark.known_bug(13)
@pytest.mark.parametrize("fused", ["fuse_segmentation", "fuse_mask"])
@pytest.mark.parametrize("depth", [partial(DepthDecoder, proj_channels=4), partial(DADA, fusion=False)])
def test_fusing_without_a_fusion_map_is_refused(depth: partial, fused: str) -> None:
    options = {"fuse_segmentation": False, "fuse_mask": False}
    with pytest.raises(ValueError, match="depth must make a fusion map"):
        _masker(depth=depth, **{**options, fused: True})
    found = _masker(depth=depth, **options)(torch.randn(1, 3, 33, 40))
    assert found.mask.shape == (1, 1, 33, 40)


@pytest.mark.known_bug(17)
def test_depth_is_decoded_once_and_its_fusion_handed_on() -> None:
    masker = _masker(depth=DADA, fuse_mask=True)
    made, given = [], []
    masker.depth.register_forward_hook(lambda module, args, out: made.append(out[1]))
    for decoder in (masker.segmentation, masker.mask):
        decoder.register_forward_pre_hook(
            lambda module, args, options: given.append(options["fusion"]), with_kwargs=True
        )
    masker(torch.randn(1, 3, 33, 40))
    assert len(made) == 1
    assert [fusion is made[0] for fusion in given] == [True, True]
