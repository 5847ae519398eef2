"""Adam with extrapolation from the past: two gradients per update, taken half a step apart."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.optimizer import Optimizer, ParamsT


class ExtraAdam(Optimizer):
    """Extragradient Adam: look ahead, then update the point the look-ahead started from.

    Gidel et al. 2019 ("A Variational Inequality Perspective on GANs"), Algorithm 4. Calls of ``step()``
    alternate by themselves between two halves:

        extrapolation:  anchor <- p;  p <- p - u(gradient at p)
        update:         p <- anchor - u(gradient at the look-ahead)

    with u Adam's step, whose moments and step count advance in both halves. As upstream, eps is added to the
    uncorrected root: u = lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps).

    Between the halves the parameters are the look-ahead, not the weights one wants to evaluate or ship: use
    ``at_anchor()`` for those. ``state_dict`` holds the anchors too, so a run resumes exactly in the middle of
    a pair. A parameter without a gradient is skipped, and goes back to its anchor where it has one (upstream
    leaves it displaced). Nothing synchronises with the host.

    Two players have an optimiser each, and both are in the same half. Either take both backward passes before
    both steps, as Algorithm 4 does, or one after the other: the first's backward pass and step, then the
    second's, half by half; never both halves of one player before the other's.

    Args:
        params: parameters or groups of them.
        lr: learning rate, a float.
        betas: decay of the two moments.
        eps: added to the root of the second moment.
        weight_decay: L2 term on the current, possibly look-ahead, value.
        amsgrad: use the running maximum of the second moment.

    Raises:
        ValueError: a hyperparameter out of range.

    >>> import torch
    >>> p = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = ExtraAdam([p], lr=0.1)
    >>> p.grad = torch.tensor([3.0])
    >>> optimizer.step(); round(p.item(), 3), optimizer.next_half
    (0.9, 'update')
    >>> with optimizer.at_anchor(): p.item()
    1.0
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 5e-5,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        if lr < 0:
            raise ValueError(f"lr must be at least 0, got {lr}: 5e-5 is the published one")
        if not (0 <= betas[0] < 1 and 0 <= betas[1] < 1):
            raise ValueError(f"betas must both be in [0, 1), got {betas}: (0.9, 0.999) is usual")
        if eps < 0:
            raise ValueError(f"eps must be at least 0, got {eps}: 1e-8 is usual")
        if weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, got {weight_decay}: 0 switches it off")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "extrapolated": False,
        }
        super().__init__(params, defaults)

    _at_anchor = False  # of the class: torch's pickles hold the state and the groups alone

    @property
    def next_half(self) -> Literal["extrapolation", "update"]:
        """Which half the next ``step()`` does."""
        return "update" if self.param_groups[0]["extrapolated"] else "extrapolation"

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """Do the next half; its gradients must have been taken at the current parameters.

        Raises:
            RuntimeError: inside ``at_anchor()``.
        """
        if self._at_anchor:
            raise RuntimeError(
                "step() must not be called inside at_anchor(), where the parameters are the anchors: step after "
                "the block"
            )
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        updating = self.next_half == "update"
        for group in self.param_groups:
            self._step_group(group, updating)
            group["extrapolated"] = not updating
        return loss

    def _step_group(self, group: dict[str, Any], updating: bool) -> None:
        moved = [p for p in group["params"] if p.grad is not None]
        for p in moved:
            if p.grad.is_sparse:
                raise ValueError(
                    "gradients must be dense, got a sparse one: use embeddings with sparse=False"
                )
            self._prepare(p, group["amsgrad"])
        # Before any parameter moves: weight decay acts on the point where the gradient was taken.
        blocks = [(params, _decayed_gradients(params, group)) for params in _by_device_and_dtype(moved)]
        if updating:
            self._return(group)
        else:
            for p in moved:
                self.state[p]["anchor"] = p.detach().clone(memory_format=torch.preserve_format)
        for params, grads in blocks:
            if params[0].device.type == "cpu" and params[0].dtype is torch.float32:
                self._descend_fused(params, grads, group)
            else:
                self._descend(params, grads, group)

    def _displaced(self, group: dict[str, Any]) -> list[Tensor]:
        """The parameters that an extrapolation has moved off their anchors."""
        return [p for p in group["params"] if "anchor" in self.state.get(p, {})]

    def _return(self, group: dict[str, Any]) -> None:
        """Put them back, and forget the anchors."""
        displaced = self._displaced(group)
        _copy(displaced, [self.state[p].pop("anchor") for p in displaced])

    def _prepare(self, p: Tensor, amsgrad: bool) -> None:
        state = self.state[p]
        if "step" in state:
            return
        # A tensor beside its parameter: a Python number would cost a recompilation per step on XLA.
        state["step"] = torch.zeros((), device=p.device, dtype=_step_dtype(p))
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        for name in names if amsgrad else names[:2]:
            state[name] = torch.zeros_like(p, memory_format=torch.preserve_format)

    def _descend(self, params: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        """p <- p - u for parameters of one device and dtype."""
        beta1, beta2 = group["betas"]
        steps = [self.state[p]["step"] for p in params]
        averages = [self.state[p]["exp_avg"] for p in params]
        squares = [self.state[p]["exp_avg_sq"] for p in params]

        torch._foreach_add_(steps, 1)
        torch._foreach_lerp_(averages, grads, 1 - beta1)  # m <- b1 m + (1 - b1) g
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, value=1 - beta2)  # v <- b2 v + (1 - b2) g^2
        if group["amsgrad"]:
            maxima = [self.state[p]["max_exp_avg_sq"] for p in params]
            torch._foreach_maximum_(maxima, squares)
            squares = maxima

        # lr sqrt(1 - b2^t) / (1 - b1^t), by expm1 since 1 - 0.999^t loses five digits in fp32
        sizes = torch._foreach_sqrt(_one_minus_power(beta2, steps))
        torch._foreach_div_(sizes, _one_minus_power(beta1, steps))
        torch._foreach_mul_(sizes, group["lr"])

        denominators = torch._foreach_sqrt(squares)
        torch._foreach_add_(denominators, group["eps"])
        torch._foreach_div_(denominators, sizes)
        torch._foreach_addcdiv_(params, averages, denominators, value=-1)

    def _descend_fused(self, params: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        """The same in one pass over memory, by torch's Adam; on a CPU, where nobody waits to know the step."""
        beta1, beta2 = group["betas"]
        names = ("exp_avg", "exp_avg_sq", "step", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))
        counts = torch.stack([self.state[p]["step"] for p in params]).tolist()
        for count in set(counts):
            chosen = [(p, g) for p, g, c in zip(params, grads, counts, strict=True) if c == count]
            for p, _ in chosen:
                self.state[p] |= {name: _laid_out_as(p, self.state[p][name]) for name in names}
            moments, squares, steps, *maxima = ([self.state[p][name] for p, _ in chosen] for name in names)
            adam(
                [p for p, _ in chosen],
                [_laid_out_as(p, g) for p, g in chosen],
                moments,
                squares,
                maxima[0] if maxima else [],
                steps,
                fused=True,
                amsgrad=group["amsgrad"],
                beta1=beta1,
                beta2=beta2,
                lr=group["lr"],
                weight_decay=0.0,
                # torch adds it to the corrected root, and ours is added before the correction.
                eps=group["eps"] / math.sqrt(1 - beta2 ** (count + 1)),
                maximize=False,
            )

    @contextmanager
    def at_anchor(self) -> Iterator[None]:
        """Inside, the parameters are the weights to evaluate and ship, not the look-ahead.

        Between pairs the two are the same and nothing happens. ``step()`` raises a RuntimeError inside. A
        checkpoint to resume from needs the parameters as they are outside.
        """
        displaced = [p for group in self.param_groups for p in self._displaced(group)]
        lookahead = [p.detach().clone(memory_format=torch.preserve_format) for p in displaced]
        _copy(displaced, [self.state[p]["anchor"] for p in displaced])
        outer, self._at_anchor = self._at_anchor, True
        try:
            yield
        finally:
            self._at_anchor = outer
            _copy(displaced, lookahead)

    @torch.no_grad()
    def abandon_pair(self) -> None:
        """Go back to the anchors: the next half is an extrapolation, whichever it was. Moments stay.

        For both players, where a half of one of them had to be left out, as fp16 gradient scaling does.
        """
        for group in self.param_groups:
            self._return(group)
            group["extrapolated"] = False

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group.setdefault("extrapolated", False)  # a state of plain Adam will do
        # torch casts every entry of the state to its parameter's device but "step".
        for p, state in self.state.items():
            if "step" in state:
                state["step"] = torch.as_tensor(state["step"], device=p.device, dtype=_step_dtype(p))


def _decayed_gradients(params: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
    grads = [p.grad for p in params if p.grad is not None]
    if group["weight_decay"]:
        grads = list(torch._foreach_add(grads, params, alpha=group["weight_decay"]))
    return grads


def _laid_out_as(p: Tensor, value: Tensor) -> Tensor:
    """A gradient or moment in its parameter's memory format, which it has but for a loaded one."""
    if value.dim() == 0 or value.stride() == p.stride():
        return value
    return torch.empty_like(p, memory_format=torch.preserve_format).copy_(value)


def _step_dtype(p: Tensor) -> torch.dtype:
    return torch.float64 if p.dtype is torch.float64 else torch.float32


@torch.no_grad()
def _copy(targets: list[Tensor], sources: list[Tensor]) -> None:
    if targets:
        torch._foreach_copy_(targets, sources)


def _one_minus_power(beta: float, steps: list[Tensor]) -> list[Tensor]:
    """1 - beta^t = -expm1(t log beta) for t >= 1."""
    exponents = torch._foreach_mul(steps, math.log(beta) if beta > 0 else -math.inf)
    torch._foreach_expm1_(exponents)
    return list(torch._foreach_neg(exponents))


def _by_device_and_dtype(params: Iterable[Tensor]) -> list[list[Tensor]]:
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for p in params:
        groups.setdefault((p.device, p.dtype), []).append(p)
    return list(groups.values())
