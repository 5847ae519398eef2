"""Loss terms by name, and their weights."""

import difflib
from collections.abc import Callable, Mapping

from torch import Tensor


class Terms:
    """Collects named, weighted loss terms; a term of weight 0 is never computed.

    A term's name is ``<task>/<loss>``, its name in the log ``<part>/<task>/<loss>/<domain>``.

    Args:
        part: the first component of every name.
        published: every term with its published weight.
        weights: those that differ.

    Raises:
        ValueError: for a weight of no such term, or a negative one.

    >>> import torch
    >>> terms = Terms("masker", {"m/bce": 1.0, "m/tv": 1.0}, {"m/tv": 0.0})
    >>> losses = {}
    >>> terms.add(losses, "m/bce", "s", lambda: torch.tensor(2.0))
    >>> terms.add(losses, "m/tv", "s", lambda: 1 / 0)
    >>> losses
    {'masker/m/bce/s': tensor(2.)}
    """

    def __init__(self, part: str, published: Mapping[str, float], weights: Mapping[str, float]):
        for name, weight in weights.items():
            if name not in published:
                near = difflib.get_close_matches(name, published, n=1, cutoff=0.0)[0]
                known = ", ".join(published)
                raise ValueError(
                    f"weights must name terms among {known}, got {name!r}: did you mean {near!r}?"
                )
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not weight >= 0:
                raise ValueError(f"weights must be numbers >= 0, got {name!r}: {weight!r}")
        self.part = part
        self.weights = {**published, **weights}

    def wants(self, name: str) -> bool:
        """Whether the term has any weight."""
        return self.weights[name] > 0

    def add(self, losses: dict[str, Tensor], name: str, domain: str, term: Callable[[], Tensor]) -> None:
        """Compute a term and enter it, weighted, under its full name."""
        if self.wants(name):
            losses[f"{self.part}/{name}/{domain}"] = self.weights[name] * term()
