"""Spectral normalisation as a parametrisation whose gradient stays exact over several calls."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gancomponents.layers.precision import full_precision, without_autocast

_WARM_UP_ITERATIONS = 15


class SpectralNorm(nn.Module):
    """Weight divided by a power-iteration estimate of its largest singular value.

    Miyato et al. 2018, "Spectral Normalization for GANs", eq. 8 and algorithm 1. The singular vectors are
    the buffers ``_u`` and ``_v``; each iteration makes new ones, so that a module called several times before
    ``backward`` has the exact gradient of every call. Computed in float32 or better, also under
    autocast.

    Upstream updates the vectors in evaluation too, so that its outputs drift from call to call;
    ``update_in_eval=True`` reproduces that.

    Usually made by :func:`spectral_norm`.

    Args:
        weight: the weight that will be normalised.
        dim: the dimension of the output channels; 1 in transposed convolutions.
        update_in_eval: also iterate in evaluation mode.
        eps: added to the norms that divide the vectors.

    Shape: weight to the same.

    Raises:
        ValueError: a weight of fewer than two dimensions.

    >>> weight = torch.diag(torch.tensor([4.0, 1.0]))
    >>> normalised = SpectralNorm(weight)(weight)
    >>> torch.allclose(normalised, weight / 4)
    True
    """

    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, *, dim: int = 0, update_in_eval: bool = False, eps: float = 1e-12
    ) -> None:
        super().__init__()
        if weight.ndim < 2:
            raise ValueError(
                f"weight must have two dimensions or more, got shape {tuple(weight.shape)}: "
                "normalise convolutions and linear layers, not biases"
            )
        self.dim = dim
        self.update_in_eval = update_in_eval
        self.eps = eps
        self.register_buffer("_u", weight.new_empty(weight.shape[dim]))
        self.register_buffer("_v", weight.new_empty(weight.numel() // weight.shape[dim]))
        self.restart(weight)

    @torch.no_grad()
    def restart(self, weight: Tensor) -> None:
        """Draw new vectors and iterate until they suit ``weight``; for use after the weight was replaced."""
        self._u = self._unit(torch.randn_like(self._u))
        matrix = self._matrix(weight)
        # On the meta device there are no values to iterate on, only time to lose.
        for _ in range(0 if matrix.is_meta else _WARM_UP_ITERATIONS):
            self._iterate(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        with without_autocast(weight):
            matrix = self._matrix(weight)
            if self.training or self.update_in_eval:
                with torch.no_grad():
                    self._iterate(matrix)
            # Copies, for the backward: DistributedDataParallel overwrites buffers before every forward.
            u, v = self._u.to(matrix.dtype, copy=True), self._v.to(matrix.dtype, copy=True)
            sigma = (u * (matrix @ v)).sum()  # u^T W v; gradient through W only
            return weight / sigma.to(weight.dtype)

    def extra_repr(self) -> str:
        return f"update_in_eval={self.update_in_eval}, eps={self.eps}"

    def _matrix(self, weight: Tensor) -> Tensor:
        """(O, the rest), also of channels-last weights."""
        first = weight if self.dim == 0 else weight.movedim(self.dim, 0)
        return full_precision(first.reshape(first.shape[0], -1))

    def _iterate(self, matrix: Tensor) -> None:
        v = self._unit(matrix.t() @ self._u.to(matrix.dtype))  # v = W^T u / |W^T u|
        u = self._unit(matrix @ v)  # u = W v / |W v|
        # Replaced, not overwritten: the backward of an earlier call still needs the old ones. (Compilers drop
        # the clone that would protect them.)
        self._u, self._v = u.to(self._u.dtype), v.to(self._v.dtype)

    def _unit(self, vector: Tensor) -> Tensor:
        return vector / ((vector * vector).sum().sqrt() + self.eps)


def spectral_norm(module: nn.Module, *, update_in_eval: bool = False, eps: float = 1e-12) -> nn.Module:
    """Parametrise ``module.weight`` by :class:`SpectralNorm`; returns the same module.

    Miyato et al. 2018, eq. 8. State-dict keys: ``parametrizations.weight.original`` (the raw weight),
    ``parametrizations.weight.0._u`` and ``._v``. Unlike other parametrised modules, these can be pickled.

    Args:
        module: anything with a ``weight``: its first dimension is the output channels, in transposed convolutions
            the second.
        update_in_eval: also iterate in evaluation mode, as upstream does.
        eps: added to the norms that divide the vectors.

    Raises:
        ValueError: the module has no weight, or is spectrally normalised already.

    >>> layer = spectral_norm(nn.Linear(3, 5))
    >>> layer(torch.ones(2, 3)).shape
    torch.Size([2, 5])
    >>> sorted(name.rsplit(".", 1)[-1] for name, _ in layer.named_buffers())
    ['_u', '_v']
    """
    if parametrize.is_parametrized(module, "weight"):
        raise ValueError(
            f"module must not be parametrised yet, got {type(module).__name__}: normalise it once"
        )
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"module must have a weight, got {type(module).__name__}: normalise a convolution")
    dim = 1 if isinstance(module, nn.modules.conv._ConvTransposeNd) else 0
    norm = SpectralNorm(weight, dim=dim, update_in_eval=update_in_eval, eps=eps).train(module.training)
    _attach(module, "weight", norm)
    return module


def spectral_norms(module: nn.Module) -> Iterator[tuple[nn.Module, SpectralNorm]]:
    """Every spectrally normalised layer inside ``module``, with its normalisation.

    >>> from gancomponents.discriminators import EntropyDiscriminator
    >>> len(list(spectral_norms(EntropyDiscriminator(2, width=4))))
    5
    """
    for layer in module.modules():
        for norm in _chain(layer):
            if isinstance(norm, SpectralNorm):
                yield layer, norm


def raw_weight(layer: nn.Module) -> Tensor:
    """The trained parameter behind ``layer.weight``: what spectral norm divides, or the weight itself.

    Raises:
        ValueError: the layer has no weight.

    >>> layer = spectral_norm(nn.Linear(2, 2))
    >>> raw_weight(layer) is layer.parametrizations.weight.original
    True
    """
    chain = _chain(layer)
    weight: Tensor | nn.Module | None
    if isinstance(chain, parametrize.ParametrizationList):
        weight = chain.original
    else:  # asked for only here: reading a parametrised weight iterates
        weight = getattr(layer, "weight", None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"layer must have a weight, got {type(layer).__name__}: pass a convolution")
    return weight


def update_spectral_norms_in_eval(module: nn.Module, enabled: bool = True) -> nn.Module:
    """Switch the power iteration in evaluation mode on or off for a whole network; returns it.

    Off by default and right; upstream iterates on every call, so reproducing its evaluation
    outputs to the last digit needs this.

    Args:
        module: any network.
        enabled: whether evaluation-mode calls update the singular vectors.

    >>> network = update_spectral_norms_in_eval(spectral_norm(nn.Linear(2, 2)))
    >>> [norm.update_in_eval for _, norm in spectral_norms(network)]
    [True]
    """
    for _, norm in spectral_norms(module):
        norm.update_in_eval = enabled
    return module


def _chain(layer: nn.Module) -> Iterable[nn.Module]:
    if not parametrize.is_parametrized(layer, "weight"):
        return ()
    chains = layer.parametrizations
    return cast(parametrize.ParametrizationList, cast(nn.ModuleDict, chains)["weight"])


# torch gives every parametrised module a class of its own, made at run time, which refuses to be pickled.
# Pickling the plain module beside its parametrisation, and joining them again on loading, mends that.


def _attach(module: nn.Module, name: str, norm: nn.Module) -> None:
    # unsafe: the safety check would run the norm, that is, iterate once.
    parametrize.register_parametrization(module, name, norm, unsafe=True)
    kind = type(module)
    kind.__reduce_ex__ = _reduce  # type: ignore[assignment, method-assign]
    # torch's copies share that class, so that undoing the parametrisation of one breaks all; ours get their own.
    if "__deepcopy__" in vars(kind):
        del kind.__deepcopy__  # type: ignore[attr-defined]


def _reduce(module: nn.Module, protocol: Any) -> tuple[Any, ...]:
    state = module.__dict__.copy()
    modules = state["_modules"].copy()
    norms = modules.pop("parametrizations")
    state["_modules"] = modules
    state["_parameters"] = dict(state["_parameters"])
    return _rebuild, (type(module).__mro__[1], state, list(norms.items()))


def _rebuild(kind: type[nn.Module], state: dict[str, Any], norms: list[tuple[str, Any]]) -> nn.Module:
    module = kind.__new__(kind)
    module.__dict__.update(state)
    for name, chain in norms:
        module.register_parameter(name, chain.original)
        for norm in chain:
            _attach(module, name, norm)
    return module
