"""What a painter's forward pass keeps for the backward pass, counted on the meta device: any scale, no memory."""

import torch
from torch import Tensor

from gancomponents.generators import SPADEPainter

#: Width, up-samplings, hidden width, side of the images and images in a batch.
SCALES = {"laptop": (64, 5, 32, 128, 4), "published": (640, 7, 128, 640, 1)}


def kept_mebibytes(scale: str, *, checkpointing: bool) -> float:
    """MiB of activations in fp32.

    >>> plain, checkpointed = (kept_mebibytes("laptop", checkpointing=each) for each in (False, True))
    >>> checkpointed < plain / 10
    True
    """
    width, upsamplings, hidden, side, batch = SCALES[scale]
    kept: dict[int, torch.UntypedStorage] = {}
    with torch.device("meta"):
        painter = SPADEPainter(
            width, upsamplings=upsamplings, hidden_channels=hidden, checkpointing=checkpointing
        )
        image = torch.empty(batch, 3, side, side)
    weights = {p.untyped_storage()._cdata for p in painter.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        painter(image)
    return sum(storage.nbytes() for storage in kept.values()) / 2**20
