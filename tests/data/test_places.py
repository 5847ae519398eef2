import numpy as np
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as joint

from gancomponents.data import CentreCrop, RandomCrop, RandomHorizontalFlip, Resize
from gancomponents.data._places import Places, nearest


@pytest.mark.parametrize("old", [1, 2, 7, 375, 853, 900, 1137, 1920])
@pytest.mark.parametrize("new", [1, 3, 160, 600, 640, 853, 1279])
def test_nearest_is_torchs(old, new):
    values = torch.arange(old, dtype=torch.int32).view(1, 1, old)
    expected = joint.resize(tv_tensors.Mask(values), [1, new])
    assert nearest(old, new).tolist() == expected.flatten().tolist()


STEPS = {
    "flip": RandomHorizontalFlip(1.0),
    "resize": Resize((9, 4)),
    "keep": Resize(11, keep_aspect_ratio=True),
    "exact": Resize((5, 30), nearest_exact=True),
    "centre": CentreCrop((3, 8)),
    "random": RandomCrop((4, 5)),
    "same": Resize((7, 13)),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("then", STEPS)
def test_places_move_as_the_map_does(name, then):
    stored = np.arange(7 * 13).reshape(7, 13)
    fields, places = {"s": torch.from_numpy(stored)[None]}, {"s": Places.of(7, 13)}
    steps = [STEPS[name], Resize((12, 10)), STEPS[then]]
    for step in steps:
        fields = step(fields, torch.Generator().manual_seed(3))
        places = step(places, torch.Generator().manual_seed(3))
    assert places["s"].shape == tuple(fields["s"].shape)
    assert places["s"].take(stored).tolist() == fields["s"][0].tolist()
    coded = np.stack([stored, -stored], axis=-1)
    assert np.array_equal(places["s"].take(coded)[..., 1], -fields["s"][0].numpy())


def test_there_is_one_way_to_mirror():
    with pytest.raises(ValueError, match="axis must be -1, got 1"):
        Places.of(2, 2).flip(1)
