"""The domain classifier's loss, and the generator's for fooling it."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision

ClassifierKind = Literal["cross_entropy", "l1", "l2"]


def _check_kind(kind: str) -> None:
    if kind not in get_args(ClassifierKind):
        raise ValueError(
            f"kind must be one of {get_args(ClassifierKind)}, got {kind!r}: choose 'cross_entropy', 'l1' or 'l2'"
        )


def classifier_loss(
    logits: Tensor, target: Tensor | int | None = None, *, kind: ClassifierKind = "cross_entropy"
) -> Tensor:
    """Distance of a classifier's prediction from the domain that the samples come from, or shall seem to.

    Without a target, from total ignorance: what a generator wants of a domain classifier, the domain
    confusion of Tzeng et al. 2015, Eq. (4).

    Args:
        logits: before the softmax, one for each domain.
        target: number of the domain, for the batch or for each sample; or probabilities of all domains; or
            None, the same probability for each.
        kind: "cross_entropy", or mean "l1" or "l2" (squared) distance of the softmax from the 1-hot target.

    Shape:
        logits: (B, K); target: an int, (B,) of integers, or (B, K); returns a scalar.

    Raises:
        ValueError: shapes that do not fit, a domain beyond K, or an unknown kind.

    >>> import torch
    >>> round(float(classifier_loss(torch.zeros(2, 4), 3)), 4), float(classifier_loss(torch.zeros(2, 4), kind="l1"))
    (1.3863, 0.0)
    """
    _check_kind(kind)
    if logits.dim() != 2:
        raise ValueError(f"logits must be (B, K), got {tuple(logits.shape)}: pool and flatten them")
    logits = full_precision(logits)
    wanted = _probabilities(logits, target)
    if kind == "cross_entropy":
        return -(wanted * logits.log_softmax(1)).sum(1).mean()
    difference = logits.softmax(1) - wanted
    return difference.abs().mean() if kind == "l1" else difference.square().mean()


def _probabilities(logits: Tensor, target: Tensor | int | None) -> Tensor:
    """The target in its longest form, (B, K)."""
    batch, domains = logits.shape
    if target is None:
        return torch.full_like(logits, 1 / domains)
    if isinstance(target, int):
        if not 0 <= target < domains:
            raise ValueError(
                f"target must be a domain from 0 to {domains - 1}, got {target}: the classifier has {domains}"
            )
        return (torch.arange(domains, device=logits.device) == target).to(logits.dtype).expand_as(logits)
    if target.shape == logits.shape:
        return full_precision(target).to(logits.dtype)
    if target.shape != (batch,) or target.is_floating_point():
        raise ValueError(
            f"target must be an int, {batch} whole numbers or {tuple(logits.shape)} probabilities, got shape "
            f"{tuple(target.shape)} of {target.dtype}: give one domain for each sample"
        )
    return (torch.arange(domains, device=logits.device) == target[:, None]).to(logits.dtype)


class ClassifierLoss(nn.Module):
    """A domain classifier against a generator that hides the domain, Tzeng et al. 2015, Eqs. (3) and (4).

    Args:
        kind: "cross_entropy", or "l1" or "l2" between the softmax and the 1-hot domain.

    Shape:
        logits: (B, K); domains: an int, (B,) of integers, or (B, K); both methods return a scalar.

    Raises:
        ValueError: an unknown kind.

    >>> import torch
    >>> loss, sure = ClassifierLoss("l2"), torch.tensor([[50.0, 0.0]])
    >>> [round(float(value), 4) for value in (loss.classifier(sure, 0), loss.generator(sure))]
    [0.0, 0.25]
    """

    def __init__(self, kind: ClassifierKind = "cross_entropy") -> None:
        super().__init__()
        _check_kind(kind)
        self.kind: ClassifierKind = kind

    def classifier(self, logits: Tensor, domains: Tensor | int) -> Tensor:
        """How far the classifier is from telling the samples' domains."""
        return classifier_loss(logits, domains, kind=self.kind)

    def generator(self, logits: Tensor, domains: Tensor | int | None = None) -> Tensor:
        """How far the samples are from passing for these domains, or, with None, for any as well as another."""
        return classifier_loss(logits, domains, kind=self.kind)

    def extra_repr(self) -> str:
        return f"kind={self.kind!r}"
