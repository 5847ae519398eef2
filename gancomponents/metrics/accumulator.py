"""Sums and means over the batches of an evaluation, kept on the device."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gancomponents.layers.precision import full_precision


class Accumulator:
    """Named running sums; crosses to the host once, when asked for the result.

    Values that are not finite (a metric undefined on that batch) do not count.

    Args:
        device: where to keep the sums; by default where the first value lies.

    >>> import torch
    >>> accumulator = Accumulator()
    >>> accumulator.add({"l1": torch.tensor(1.0)}, weight=1)
    >>> accumulator.add({"l1": torch.tensor(4.0)}, weight=2)
    >>> accumulator.add({"l1": torch.tensor(float("nan"))})
    >>> accumulator.means()
    {'l1': 3.0}
    """

    def __init__(self, device: torch.device | str | None = None) -> None:
        self.device = device
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, Tensor] = {}

    def add(self, values: Mapping[str, Tensor], weight: float = 1.0) -> None:
        """Add each value ``weight`` times; scalars or tensors, of one shape per name."""
        for name, value in values.items():
            value = full_precision(value.detach().to(device=self.device))
            counts = torch.isfinite(value)
            weights = weight * counts.to(value.dtype)
            summands = weight * torch.where(counts, value, torch.zeros_like(value))
            self._sums[name] = self._sums[name] + summands if name in self._sums else summands
            self._weights[name] = self._weights[name] + weights if name in self._weights else weights

    def total(self, name: str) -> Tensor:
        """The weighted sum of a name's values, for example of confusion matrices."""
        return self._sums[name]

    def means(self) -> dict[str, float]:
        """The weighted mean of each name that holds scalars; NaN where no value counted."""
        scalars = [name for name, value in self._sums.items() if value.dim() == 0]
        if not scalars:
            return {}
        means = torch.stack([(self._sums[name] / self._weights[name]).double().cpu() for name in scalars])
        return dict(zip(scalars, means.tolist(), strict=True))
