"""What discriminators return, and how losses read it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gancomponents.layers.precision import full_precision

#: One map of scores; or the features of one discriminator, its scores last; or one such list per scale.
Scores = Tensor | Sequence[Tensor] | Sequence[Sequence[Tensor]]


def feature_lists(scores: Scores, name: str = "scores") -> list[list[Tensor]]:
    """``scores`` in their longest form: for each scale the list of features, the scores last.

    >>> import torch
    >>> a, b = torch.zeros(1), torch.ones(1)
    >>> [len(features) for features in feature_lists([[a, b], [b]])]
    [2, 1]
    """
    if isinstance(scores, Tensor):
        return [[scores]]
    entries = list(scores)
    if entries and all(isinstance(entry, Tensor) for entry in entries):
        return [entries]  # type: ignore[list-item]
    lists = [list(entry) for entry in entries if not isinstance(entry, Tensor)]
    if not lists or len(lists) != len(entries) or not all(lists):
        raise ValueError(
            f"{name} must be a tensor, a list of features or a list of such lists over scales, none of them "
            f"empty, got {type(scores).__name__} of length {len(entries)}: pass what the discriminator "
            "returned"
        )
    return lists


def final_scores(scores: Scores, name: str = "scores") -> list[Tensor]:
    """The scores of each scale, in at least fp32.

    >>> import torch
    >>> [float(s) for s in final_scores([[torch.zeros(1), torch.ones(1)], [torch.zeros(1)]])]
    [1.0, 0.0]
    """
    return [full_precision(features[-1]) for features in feature_lists(scores, name)]


def mean_over_scales(terms: Sequence[Tensor]) -> Tensor:
    """The mean of one scalar per scale.

    >>> import torch
    >>> mean_over_scales([torch.tensor(1.0), torch.tensor(3.0)])
    tensor(2.)
    """
    return torch.stack(list(terms)).mean()
