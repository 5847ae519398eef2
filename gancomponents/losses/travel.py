"""The travel loss: translation shall keep the vectors between samples."""

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision


def _check_embeddings(real: Tensor, fake: Tensor) -> None:
    if real.dim() != 2 or real.shape != fake.shape:
        raise ValueError(
            f"real and fake must be the same (B, D), got {tuple(real.shape)} and {tuple(fake.shape)}: embed the "
            "same samples before and after translation, one vector each"
        )


def _differences(embeddings_BD: Tensor) -> Tensor:
    """S_i - S_j for all i > j, in the order of i, then j."""
    i, j = torch.tril_indices(len(embeddings_BD), len(embeddings_BD), -1).to(embeddings_BD.device)
    return embeddings_BD[i] - embeddings_BD[j]


def _unit(vectors_PD: Tensor) -> Tensor:
    """Each row over its norm; a row of zeros has no direction, stays zero and gets no gradient."""
    norms_P1 = torch.linalg.vector_norm(vectors_PD, dim=1, keepdim=True)
    some = norms_P1 > 0
    return torch.where(some, vectors_PD / torch.where(some, norms_P1, torch.ones_like(norms_P1)), 0)


def travel_similarity(real: Tensor, fake: Tensor, *, transposed: bool = False) -> Tensor:
    """Sum over all pairs of samples of the cosine similarity of their difference before and after translation.

    Amodio & Krishnaswamy 2019 (TraVeLGAN), section 3; each pair counts once. To be maximised, see
    ``travel_loss``.

    Args:
        real: embeddings of the samples by a siamese network.
        fake: embeddings of their translations, in the same order.
        transposed: as upstream: negative entries of the unit vectors become 1e-12, and the transposed
            product is summed, trace(F R), which exists only where there are as many pairs as entries.

    Shape:
        real, fake: the same (B, D); returns a scalar in [-P, P] for P = B (B - 1) / 2 pairs.

    Raises:
        ValueError: the shapes differ, or ``transposed`` with P other than D.

    >>> import torch
    >>> real = torch.eye(3)
    >>> round(float(travel_similarity(real, 5 * real + 1)), 4)
    3.0
    """
    _check_embeddings(real, fake)
    real_PD, fake_PD = (_unit(_differences(full_precision(x))) for x in (real, fake))
    if not transposed:
        return (real_PD * fake_PD).sum()
    pairs, size = real_PD.shape
    if pairs != size:
        raise ValueError(
            f"real must have as many entries as there are pairs where transposed is set, got {size} entries and "
            f"{pairs} pairs: leave transposed out, it only serves to reproduce upstream's numbers"
        )
    return (fake_PD.clamp_min(1e-12) * real_PD.clamp_min(1e-12).T).sum()


def travel_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean over all pairs of samples of 1 - cosine similarity of their difference before and after translation.

    Amodio & Krishnaswamy 2019 (TraVeLGAN), section 3, with the cosine distance, averaged over pairs rather
    than summed so that it does not grow with the batch. A batch of one has no pair and gives 0. The siamese
    network also needs ``siamese_margin``, or it maps everything to one point.

    Args:
        real: embeddings of the samples by a siamese network.
        fake: embeddings of their translations, in the same order.

    Shape:
        real, fake: the same (B, D); returns a scalar in [0, 2].

    Raises:
        ValueError: the shapes differ.

    >>> import torch
    >>> real = torch.eye(3)
    >>> round(float(travel_loss(real, -real)), 4)
    2.0
    """
    _check_embeddings(real, fake)
    pairs = len(real) * (len(real) - 1) // 2
    return (pairs - travel_similarity(real, fake)) / max(pairs, 1)


class TravelLoss(nn.Module):
    """``travel_loss`` as a Module, Amodio & Krishnaswamy 2019 (TraVeLGAN), section 3.

    Shape:
        real, fake: embeddings, the same (B, D); returns a scalar in [0, 2].

    >>> import torch
    >>> bool(TravelLoss()(torch.eye(3), torch.eye(3)).abs() < 1e-6)
    True
    """

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        return travel_loss(real, fake)


def siamese_margin(embeddings: Tensor, margin: float = 10.0) -> Tensor:
    """Mean over all pairs of ``max(0, margin - |S_i - S_j|)``: embeddings shall stay apart.

    Amodio & Krishnaswamy 2019 (TraVeLGAN), section 3, averaged over pairs rather than summed. A batch of one
    gives 0.

    Args:
        embeddings: of the samples, by the siamese network.
        margin: the wanted distance.

    Shape:
        embeddings: (B, D); returns a scalar.

    Raises:
        ValueError: another shape.

    >>> import torch
    >>> float(siamese_margin(torch.tensor([[0.0], [4.0]])))
    6.0
    """
    if embeddings.dim() != 2:
        raise ValueError(
            f"embeddings must be (B, D), got {tuple(embeddings.shape)}: flatten each sample's embedding"
        )
    distances_P = torch.linalg.vector_norm(_differences(full_precision(embeddings)), dim=1)
    return (margin - distances_P).clamp_min(0).sum() / max(len(distances_P), 1)


class SiameseMarginLoss(nn.Module):
    """``siamese_margin`` as a Module, Amodio & Krishnaswamy 2019 (TraVeLGAN), section 3.

    Args:
        margin: the wanted distance.

    Shape:
        embeddings: (B, D); returns a scalar.

    >>> import torch
    >>> float(SiameseMarginLoss(5.0)(torch.tensor([[0.0], [4.0]])))
    1.0
    """

    def __init__(self, margin: float = 10.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor) -> Tensor:
        return siamese_margin(embeddings, self.margin)

    def extra_repr(self) -> str:
        return f"margin={self.margin}"
