"""ExtraAdam in a loop over the parameters."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class PlainExtraAdam:
    """Extragradient Adam (Gidel et al. 2019, Algorithm 4), one parameter after the other.

    Args:
        params: what it moves.
        lr: learning rate.
        betas: decay of the two moments.
        eps: added to the root of the second moment.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        self.params, self.lr, self.betas, self.eps = list(params), lr, betas, eps
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}
        self.steps = 0
        self.saved: list[Tensor] = []

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """The next half: an extrapolation, or an update from where that started."""
        self.steps += 1
        moves = [self._move(p) for p in self.params]
        if not self.saved:
            self.saved = [p.detach().clone() for p in self.params]
            for p, move in zip(self.params, moves, strict=True):
                p.add_(move)
            return
        for p, saved, move in zip(self.params, self.saved, moves, strict=True):
            p.copy_(saved + move)
        self.saved = []

    def _move(self, p: nn.Parameter) -> Tensor:
        if p.grad is None:
            return torch.zeros_like(p)
        beta1, beta2 = self.betas
        state = self.state.setdefault(p, {"mean": torch.zeros_like(p), "square": torch.zeros_like(p)})
        state["mean"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
        state["square"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
        size = self.lr * math.sqrt(1 - beta2**self.steps) / (1 - beta1**self.steps)
        return -size * state["mean"] / (state["square"].sqrt() + self.eps)
