"""A batch in several parts, one after the other: the step of a large batch in the memory of a small one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gancomponents.errors import InputError
from gancomponents.layers.spectral import SpectralNorm

_ROWS = "_rows"


def split(batch: Mapping[str, Mapping[str, Any]], parts: int) -> list[dict[str, dict[str, Any]]]:
    """A batch as ``parts`` batches of as many rows each, in order; tensors are views.

    A task that only some rows have (`gancomponents.data.loader.collate`) goes to the parts of those rows, counted
    from 0 again in ``<task>_rows``. What has no rows (scalars, numbers) goes to every part. Split before moving to
    a device, which would have to be waited for: ``<task>_rows`` are read.

    Args:
        batch: by domain.
        parts: how many.

    Raises:
        InputError: rows of a domain that cannot be shared out evenly.

    >>> batch = {"s": {"x": torch.zeros(4, 3), "m": torch.ones(2, 1), "m_rows": torch.tensor([1, 2])}}
    >>> first, second = split(batch, 2)
    >>> first["s"]["x"].shape, first["s"]["m_rows"], second["s"]["m_rows"]
    (torch.Size([2, 3]), tensor([1]), tensor([0]))
    """
    if parts == 1:
        return [{domain: dict(fields) for domain, fields in batch.items()}]
    shares = {domain: _share(domain, fields, parts) for domain, fields in batch.items()}
    return [
        {domain: _part(fields, shares[domain], part) for domain, fields in batch.items()}
        for part in range(parts)
    ]


def mean_losses(losses: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Every term's mean over the parts that have it; not finite where one of them is not."""
    found: dict[str, list[Tensor]] = {}
    for part in losses:
        for name, loss in part.items():
            found.setdefault(name, []).append(loss)
    return {
        name: known[0] if len(known) == 1 else torch.stack([loss.reshape(()) for loss in known]).mean()
        for name, known in found.items()
    }


class SpectralVectors:
    """The singular vectors of spectral norms as they were when this was made, to come back to.

    Every part of a batch begins at those that the step began with, so that they move on once in a step, and all
    parts divide weights by the same.
    """

    def __init__(self, modules: Iterable[nn.Module]):
        norms = (norm for module in modules for norm in module.modules() if isinstance(norm, SpectralNorm))
        # Replaced in training, never overwritten: no copies are needed.
        self._kept = [(norm, norm._u, norm._v) for norm in norms]

    def restore(self) -> None:
        """Put them back."""
        for norm, u, v in self._kept:
            norm._u, norm._v = u, v


def _share(domain: str, fields: Mapping[str, Any], parts: int) -> int:
    """Rows of a domain in each part."""
    counts = [
        len(value)
        for name, value in fields.items()
        if _has_rows(value) and not name.endswith(_ROWS) and name + _ROWS not in fields
    ]
    if not counts or any(count % parts or count != counts[0] for count in counts):
        got = " and ".join(str(count) for count in sorted(set(counts))) or "none"
        fix = f"give {domain} batches of a multiple of {parts}, or accumulate over fewer parts"
        raise InputError(
            f"a batch of domain {domain}", expected=f"{parts} equal parts of its rows", got=got, fix=fix
        )
    return counts[0] // parts


def _has_rows(value: Any) -> bool:
    return value.dim() > 0 if isinstance(value, Tensor) else isinstance(value, (list, tuple))


def _part(fields: Mapping[str, Any], share: int, part: int) -> dict[str, Any]:
    low, high = part * share, (part + 1) * share
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name.endswith(_ROWS) and name.removesuffix(_ROWS) in fields:
            continue
        if name + _ROWS not in fields:
            found[name] = value[low:high] if _has_rows(value) else value
            continue
        rows = fields[name + _ROWS]
        own = [place for place, row in enumerate(rows.tolist()) if low <= row < high]
        if own:
            found[name] = value[own]
        if 0 < len(own) < share:
            found[name + _ROWS] = rows[own] - low
    return found
