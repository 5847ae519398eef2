"""A slowly moving copy of a module's weights, for evaluation and shipping."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision


class ExponentialMovingAverage:
    """Averages of a module's parameters with exponentially fading weights, beside the module.

    Yazıcı et al. 2019 ("The Unusual Effectiveness of Averaging in GAN Training"):
    average <- d average + (1 - d) p. While warming up, d = min(decay, (1 + t) / (10 + t)) at update t = 1, 2,
    ..., so that the random start is soon forgotten. The averages are kept in at least fp32, buffers are
    copied. That includes a spectral norm's singular vectors, which belong to the live weight: the averaged
    one is normalised to within what they differ.

    Unlike ``torch.optim.swa_utils.AveragedModel`` it needs no second module, warms up, and never waits for
    the device: the count of updates is a tensor.

    With `ExtraAdam` average the anchors, not the look-ahead, once per pair::

        if optimizer.next_half == "extrapolation":
            average.update()

    Args:
        module: whose weights to average; it may be moved to another device only before.
        decay: d, in [0, 1); 0.999 to 0.9999 is usual, by the length of the run.
        warmup: use smaller decays at first.

    Raises:
        ValueError: a decay out of range.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(layer.weight)
    >>> average = ExponentialMovingAverage(layer, decay=0.75, warmup=False)
    >>> _ = nn.init.ones_(layer.weight)
    >>> average.update()
    >>> with average.applied(): layer.weight.item()
    0.25
    """

    def __init__(self, module: nn.Module, *, decay: float = 0.999, warmup: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}: 0.999 is usual")
        self.module = module
        self.decay = decay
        self.warmup = warmup
        self.averages = {name: full_precision(p.detach()).clone() for name, p in module.named_parameters()}
        self.buffers = {name: b.detach().clone() for name, b in module.named_buffers()}
        device = next((t.device for t in (*self.averages.values(), *self.buffers.values())), None)
        self.updates = torch.zeros((), device=device)
        self._applied = False

    @torch.no_grad()
    def update(self, counts: Tensor | None = None) -> None:
        """Move the averages towards the module's parameters as they are now, and copy its buffers.

        Args:
            counts: a scalar on the device, 1 for an update that counts and 0 for one that does not; None is 1.

        Raises:
            RuntimeError: inside ``applied()``.
        """
        if self._applied:
            raise RuntimeError(
                "update() must not be called inside applied(), where the module has the averages themselves: "
                "update after the block"
            )
        counts = torch.ones_like(self.updates) if counts is None else counts.to(self.updates)
        self.updates += counts
        decay = torch.full_like(self.updates, self.decay)
        if self.warmup:
            decay = torch.minimum(decay, (1 + self.updates) / (10 + self.updates))
        pairs: dict[tuple[torch.device, torch.dtype], list[tuple[Tensor, Tensor]]] = {}
        for name, p in self.module.named_parameters():
            average = self.averages[name]
            pairs.setdefault((average.device, average.dtype), []).append(
                (average, full_precision(p.detach()))
            )
        for (device, dtype), members in pairs.items():
            averages, current = map(list, zip(*members, strict=True))
            weight = ((1 - decay) * counts).to(device, dtype)
            torch._foreach_lerp_(averages, current, [weight] * len(averages))
        _copy(self.buffers, dict(self.module.named_buffers()))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the module has the averages and the copied buffers; afterwards its own again.

        What happens to the module's weights and buffers inside is undone: don't step inside. ``update()`` raises
        a RuntimeError there.
        """
        live = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        own = {name: t.detach().clone(memory_format=torch.preserve_format) for name, t in live.items()}
        _copy(live, {**self.averages, **self.buffers})
        outer, self._applied = self._applied, True
        try:
            yield
        finally:
            self._applied = outer
            # Read again: a spectral norm in training replaces its vectors.
            _copy({**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}, own)

    def state_dict(self) -> dict[str, Any]:
        """The averages, buffers and count of updates; tensors shared with this object, as torch does."""
        return {"updates": self.updates, "averages": dict(self.averages), "buffers": dict(self.buffers)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` returned, for a module of the same names and shapes.

        Raises:
            ValueError: names or shapes that differ.
        """
        for kind, ours in (("averages", self.averages), ("buffers", self.buffers)):
            different = sorted(ours.keys() ^ state[kind].keys())
            different += [
                name
                for name in ours.keys() & state[kind].keys()
                if ours[name].shape != state[kind][name].shape
            ]
            if different:
                raise ValueError(
                    f"state[{kind!r}] must fit the module, got another {different[0]!r} ({len(different)} in "
                    "all): build the module as it was when the state was saved"
                )
        _copy(self.averages, state["averages"])
        _copy(self.buffers, state["buffers"])
        self.updates.copy_(torch.as_tensor(state["updates"]))


@torch.no_grad()
def _copy(targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> None:
    if targets:
        torch._foreach_copy_([t.detach() for t in targets.values()], [sources[name] for name in targets])
